//! workerd's inspector: the Chrome `DevTools` protocol over a WebSocket, with one target a Worker.
//! <https://chromedevtools.github.io/devtools-protocol/v8/Profiler/>

use std::{
    fs,
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client::client_with_config, protocol::WebSocketConfig};

use crate::{
    Error,
    cpu_profile::{Bundle, Profile, SAMPLING_INTERVAL},
};

/// The longest a command may take: the profiler names thousands of functions when it starts.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long a Worker that has just started may take until nobody else connects to its inspector.
const SETTLING: Duration = Duration::from_secs(1);
/// Where a listening socket's state stands in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The memory of an isolate without `WebAssembly`'s, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Heap {
    /// Of JavaScript's heap, what is in use.
    #[serde(rename = "usedSize")]
    pub used: u64,
    /// Outside of the heap and referred to by it: buffers.
    #[serde(rename = "backingStorageSize", default)]
    pub outside: u64,
}

impl Heap {
    /// All of it.
    pub const fn all(self) -> u64 {
        self.used + self.outside
    }

    /// The larger of two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if other.all() > self.all() { other } else { self }
    }

    /// The smaller of two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.all() < self.all() { other } else { self }
    }
}

/// A connection to the isolate of one Worker.
#[derive(Debug)]
pub struct Inspector {
    socket: WebSocket<TcpStream>,
    commands: u64,
    bundle: Bundle,
    context: Value,
}

impl Inspector {
    /// Connects to a Worker of a product whose servers are in this process group.
    ///
    /// An isolate talks to one inspector, the last that connected, and wrangler's own connects while the Workers
    /// start: who was too early tries again.
    pub fn attach(group: u32, worker: &str) -> Result<Self, Error> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let attached = Self::connect(group, worker).and_then(|mut inspector| {
                thread::sleep(SETTLING);
                inspector.prepare()?;
                Ok(inspector)
            });
            match attached {
                Err(_) if Instant::now() < deadline => thread::sleep(SETTLING),
                attached => return attached,
            }
        }
    }

    fn connect(group: u32, worker: &str) -> Result<Self, Error> {
        let target = format!("core:user:{worker}");
        let port = listening_ports(group)?
            .into_iter()
            .find(|port| targets(*port).is_ok_and(|targets| targets.contains(&target)));
        let port = port.ok_or_else(|| format!("no inspector of {worker} among the ports of workerd"))?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        // A profile is one frame of some megabytes.
        let unlimited = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = format!("ws://127.0.0.1:{port}/{target}");
        let (socket, _) =
            client_with_config(url, stream, Some(unlimited)).map_err(|error| format!("inspector: {error}"))?;
        Ok(Self { socket, commands: 0, bundle: Bundle::default(), context: Value::Null })
    }

    fn prepare(&mut self) -> Result<(), Error> {
        self.bundle = Bundle::of(&self.source()?);
        self.context = self.find_context()?;
        self.call("Profiler.enable", &json!({}))?;
        self.call("Profiler.setSamplingInterval", &json!({ "interval": SAMPLING_INTERVAL }))?;
        Ok(())
    }

    /// Which lines of the Worker's script are ours.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Samples the isolate while `work` is done elsewhere; the profile as the protocol has it.
    pub fn profile<T>(&mut self, work: impl FnOnce() -> Result<T, Error>) -> Result<(T, Value), Error> {
        self.call("Profiler.start", &json!({}))?;
        let done = work();
        let mut stopped = self.call("Profiler.stop", &json!({}))?;
        Ok((done?, stopped["profile"].take()))
    }

    /// Samples the isolate while it evaluates an expression, and the promise that this may give.
    pub fn profile_expression(&mut self, expression: &str) -> Result<Profile, Error> {
        let parameters = json!({ "expression": expression, "contextId": self.context, "awaitPromise": true });
        self.call("Profiler.start", &json!({}))?;
        let evaluated = self.call("Runtime.evaluate", &parameters)?;
        let mut stopped = self.call("Profiler.stop", &json!({}))?;
        if !evaluated["exceptionDetails"].is_null() {
            return Err(format!("{expression}: {evaluated}").into());
        }
        Ok(serde_json::from_value(stopped["profile"].take())?)
    }

    /// What the isolate's memory holds now.
    pub fn heap(&mut self) -> Result<Heap, Error> {
        Ok(serde_json::from_value(self.call("Runtime.getHeapUsage", &json!({}))?)?)
    }

    /// Bytes of `WebAssembly`'s memory, which is not in [`Heap`] and never shrinks. What nothing refers to is gone
    /// from the heap afterwards: it is looked through.
    pub fn wasm_memory(&mut self) -> Result<u64, Error> {
        let prototype = json!({ "expression": "WebAssembly.Memory.prototype", "contextId": self.context });
        let prototype = self.call("Runtime.evaluate", &prototype)?;
        let of = json!({ "prototypeObjectId": prototype["result"]["objectId"] });
        let memories = self.call("Runtime.queryObjects", &of)?;
        let sum = json!({
            "objectId": memories["objects"]["objectId"],
            "functionDeclaration": "function () { return this.reduce((sum, one) => sum + one.buffer.byteLength, 0) }",
            "returnByValue": true,
        });
        let sum = self.call("Runtime.callFunctionOn", &sum)?;
        Ok(sum["result"]["value"].as_u64().ok_or_else(|| format!("no size of memory: {sum}"))?)
    }

    /// Where expressions are evaluated: the inspector sends it to who listens.
    fn find_context(&mut self) -> Result<Value, Error> {
        let (_, contexts) = self.call_and_listen("Runtime.enable", "Runtime.executionContextCreated")?;
        self.call("Runtime.disable", &json!({}))?;
        let mut first = contexts.into_iter().next().ok_or("the inspector names no context")?;
        Ok(first["context"]["id"].take())
    }

    /// The text of the Worker's script as wrangler bundled it.
    fn source(&mut self) -> Result<String, Error> {
        let (_, scripts) = self.call_and_listen("Debugger.enable", "Debugger.scriptParsed")?;
        let is_ours = |script: &&Value| script["url"].as_str().is_some_and(|url| url.ends_with("/index.js"));
        let script = scripts.iter().find(is_ours).ok_or("the inspector names no script")?;
        let answer = self.call("Debugger.getScriptSource", &json!({ "scriptId": script["scriptId"] }))?;
        self.call("Debugger.disable", &json!({}))?;
        Ok(answer["scriptSource"].as_str().unwrap_or_default().to_owned())
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, Error> {
        let id = self.send(method, parameters)?;
        self.answer(method, id, |_| {})
    }

    /// Calls without parameters; the answer, and what the events of one kind said until then.
    fn call_and_listen(&mut self, method: &str, event: &str) -> Result<(Value, Vec<Value>), Error> {
        let id = self.send(method, &json!({}))?;
        let mut events = Vec::new();
        let answer = self.answer(method, id, |message| {
            if message["method"] == event {
                events.push(message["params"].take());
            }
        })?;
        Ok((answer, events))
    }

    fn answer(&mut self, method: &str, id: u64, mut hear: impl FnMut(&mut Value)) -> Result<Value, Error> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            let mut message = self.read()?;
            if message["id"] != id {
                hear(&mut message);
                continue;
            }
            if !message["error"].is_null() {
                return Err(format!("{method}: {}", message["error"]).into());
            }
            return Ok(message["result"].take());
        }
        Err(format!("{method} was not answered").into())
    }

    fn send(&mut self, method: &str, parameters: &Value) -> Result<u64, Error> {
        self.commands += 1;
        let command = json!({ "id": self.commands, "method": method, "params": parameters });
        self.socket.send(Message::text(command.to_string()))?;
        Ok(self.commands)
    }

    fn read(&mut self) -> Result<Value, Error> {
        loop {
            if let Message::Text(text) = self.socket.read()? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }
}

/// The ids of the targets of an inspector; what listens for anything else answers with none.
fn targets(port: u16) -> Result<Vec<String>, Error> {
    let mut answer = ureq::get(format!("http://127.0.0.1:{port}/json"))
        .config()
        .timeout_global(Some(Duration::from_secs(2)))
        .build()
        .call()?;
    let targets: Vec<Value> = answer.body_mut().read_json()?;
    Ok(targets.iter().filter_map(|target| target["id"].as_str().map(str::to_owned)).collect())
}

/// The loopback ports on which the workerd processes of a group listen: wrangler does not say which of
/// them is workerd's own inspector.
fn listening_ports(group: u32) -> Result<Vec<u16>, Error> {
    let mut ports = Vec::new();
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        if is_workerd(&entry.path(), group) {
            ports.extend(ports_of(&entry.path())?);
        }
    }
    Ok(ports)
}

/// True for the folder in `/proc` of a workerd process of this group.
pub(crate) fn is_workerd(process: &Path, group: u32) -> bool {
    let Ok(stat) = fs::read_to_string(process.join("stat")) else { return false };
    // The name is in parentheses and may hold spaces; the fields after it are numbers.
    let Some((head, fields)) = stat.rsplit_once(')') else { return false };
    head.contains("(workerd") && fields.split_whitespace().nth(2) == Some(&group.to_string())
}

fn ports_of(process: &Path) -> Result<Vec<u16>, Error> {
    let sockets: Vec<String> = fs::read_dir(process.join("fd"))?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string(process.join("net/tcp"))?;
    Ok(table.lines().filter_map(|line| listening_port(line, &sockets)).collect())
}

/// The port of a line of `/proc/net/tcp`, if one of these sockets listens on it.
fn listening_port(line: &str, sockets: &[String]) -> Option<u16> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTENING || !sockets.iter().any(|socket| socket == inode) {
        return None;
    }
    u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_process_are_ports() {
        let line = "   2: 0100007F:2D1B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8314 1";
        assert_eq!(listening_port(line, &["8314".to_owned()]), Some(11_547));
        assert_eq!(listening_port(line, &["8315".to_owned()]), None);
        assert_eq!(listening_port(&line.replace(" 0A ", " 01 "), &["8314".to_owned()]), None);
    }
}
