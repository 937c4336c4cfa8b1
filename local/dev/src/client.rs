//! The API as a client uses it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::{Agent, SendBody, http::Response};

use crate::Error;

/// Between two looks at a job: half as many in ten seconds as a key may make requests, so that others have room.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What has to wait longer waits for another day: whoever asked reads that.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A client of one user.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    key: String,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: ureq::http::HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long to wait before the same is asked again, if it was one too many of a burst.
    fn pause(&self) -> Option<Duration> {
        let seconds = self.header("retry-after").and_then(|seconds| seconds.parse().ok());
        let pause = Duration::from_secs(seconds.unwrap_or(1));
        (self.status == 429 && pause <= LONGEST_PAUSE).then_some(pause)
    }

    /// The body, if the status says that all went well.
    pub fn success(self) -> Result<Value, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self.json());
        }
        Err(format!("{}: {}", self.status, String::from_utf8_lossy(&self.bytes)).into())
    }
}

/// A file of an upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its path, which becomes the external id.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

impl Client {
    /// For a server and a key.
    pub fn new(url: &str, key: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(2)))
            .allow_non_standard_methods(true)
            .build()
            .into();
        Self { agent, url: url.to_owned(), key: key.to_owned() }
    }

    /// Creates a user and returns their client.
    pub fn create_user(url: &str, admin_token: &str, name: &str) -> Result<Self, Error> {
        let admin = Self::new(url, admin_token);
        let issued = admin.post("/api/keys", &json!({ "name": name }))?.success()?;
        Ok(Self::new(url, issued["key"].as_str().ok_or("no key was issued")?))
    }

    /// The same server with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self::new(&self.url, key)
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// True if the server answers and says that it is well.
    pub fn is_healthy(&self) -> bool {
        let answer = self
            .agent
            .get(format!("{}/health", self.url))
            .config()
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// A request with a body and headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.body(body)?)?
        };
        answer(response)
    }

    /// POST of a body of a known length, as it is read; however long that takes.
    pub(crate) fn send_reader(
        &self,
        path: &str,
        media_type: &str,
        length: usize,
        body: &mut impl std::io::Read,
    ) -> Result<Answer, Error> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", media_type)
            .header("content-length", length.to_string());
        answer(request.config().timeout_global(None).build().send(SendBody::from_reader(body))?)
    }

    /// A request that is made again while it is one too many of a burst, as a bulk client does it.
    pub fn unhurried(&self, request: impl Fn(&Self) -> Result<Answer, Error>) -> Result<Answer, Error> {
        loop {
            let answer = request(self)?;
            let Some(pause) = answer.pause() else { return Ok(answer) };
            std::thread::sleep(pause);
        }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Answer, Error> {
        self.send("GET", path, &[], &[])
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Result<Answer, Error> {
        self.send("DELETE", path, &[], &[])
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Uploads files.
    pub fn upload(&self, files: &[Upload], query: &str) -> Result<Answer, Error> {
        const BOUNDARY: &str = "----friend-upload-3f8a1c5e";
        let mut body = Vec::new();
        for file in files {
            let name = file.path.replace('"', "%22");
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(&file.content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send("POST", &format!("/api/index{query}"), &[("content-type", &content_type)], &body)
    }

    /// Follows a job to its end; `look` sees every state on the way.
    pub fn follow(&self, job: &str, deadline: Duration, mut look: impl FnMut(&Value)) -> Result<Value, Error> {
        let end = Instant::now() + deadline;
        loop {
            // A server that is being restarted does not answer; that is no end.
            let looked = self.unhurried(|client| client.get(&format!("/api/jobs/{job}")));
            if let Ok(view) = looked.and_then(Answer::success) {
                look(&view);
                if is_terminal(view["status"].as_str().unwrap_or_default()) {
                    return Ok(view);
                }
                if Instant::now() > end {
                    return Err(format!("job {job} is not done after {deadline:?}: {view}").into());
                }
            } else if Instant::now() > end {
                return Err(format!("job {job}: no answer after {deadline:?}").into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What became of the documents of an upload that was streamed, of all or of those in a state.
    pub fn items(&self, job: &str, state: Option<&str>) -> Result<Vec<Value>, Error> {
        let state = state.map(|state| format!("&status={state}")).unwrap_or_default();
        self.list(&format!("/api/jobs/{job}/items?limit=100{state}"))
    }

    /// All entries of a list, page by page. The path has a query already.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, Error> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.unhurried(|client| client.get(&format!("{path}{cursor}")))?.success()?;
            items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            let Some(next) = page["next_cursor"].as_str() else { return Ok(items) };
            cursor = format!("&cursor={next}");
        }
    }

    /// The memories that fit a query, so many at most, the best first. That words alone decided is an error: whoever
    /// measures would take it for what meaning does.
    pub fn recall(&self, query: &str, most: usize) -> Result<Vec<Value>, Error> {
        let ask = |client: &Self| {
            let request = client.agent.get(format!("{}/api/memory", client.url)).query("query", query);
            let request = request.query("limit", most.to_string());
            answer(request.header("authorization", format!("Bearer {}", client.key)).call()?)
        };
        let answer = self.unhurried(ask)?;
        if let Some(why) = answer.header("x-degraded") {
            return Err(format!("recalled by less than it could be: {why}").into());
        }
        Ok(answer.success()?["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Searches; the hits.
    pub fn search(&self, request: &Value) -> Result<Value, Error> {
        self.unhurried(|client| client.post("/api/search", request))?.success()
    }
}

/// True for a job status that nothing changes.
pub fn is_terminal(status: &str) -> bool {
    ["succeeded", "partial", "failed", "cancelled"].contains(&status)
}

fn answer(mut response: Response<ureq::Body>) -> Result<Answer, Error> {
    let bytes = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_vec()?;
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), bytes })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that gives these answers, one a connection.
    fn answering(answers: &'static [&'static str]) -> Client {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                assert!(head.count() > 0);
                write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            }
        });
        Client::new(&url, "key")
    }

    #[test]
    fn a_burst_that_was_refused_is_tried_again_and_a_day_that_is_over_is_not() {
        let client = answering(&["429 Too Many\r\nretry-after: 0", "429 Too Many\r\nretry-after: 0", "200 OK"]);
        assert_eq!(client.unhurried(|client| client.get("/")).unwrap().status, 200);
        let client = answering(&["429 Too Many\r\nretry-after: 40000", "200 OK"]);
        assert_eq!(client.unhurried(|client| client.get("/")).unwrap().status, 429);
    }
}
