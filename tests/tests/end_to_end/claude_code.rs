//! The real Claude Code on the real workerd. In the place of Anthropic's model stands one that does what a script says
//! and writes down what it was given, so that nobody needs an account.
#![expect(clippy::unwrap_used, reason = "tests")]

mod hooks;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use local_dev::{client::Client, product::root};
use serde_json::{Value, json};

use crate::{chat::upload, started::shared};

/// How long Claude Code may take for one prompt: it waits for nothing here that takes so long.
const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

// What the tests' prompts hold, and what comes of them.
const FIND: &str = "Where is the capital of Freedonia written down?";
const REMEMBER: &str = "Keep in mind how we deploy the lighthouse.";
const CHAT: &str = "Good morning to you.";
const SKILL: &str = "Load what says when to ask the friend.";
const KEPT: &str = "The lighthouse is deployed from the branch `harbour` alone.";
const GREETING: &str = "Good morning, keeper.";

fn scripts() -> Value {
    json!({
        FIND: [
            {"call": "friend_search", "input": {"query": "capital of Freedonia", "mode": "keyword"}},
            {"quote": r#""end_line":(\d+),"file":"([^"]+)".*?"start_line":(\d+)"#, "as": "In $2, lines $3 to $1."},
        ],
        REMEMBER: [
            {"call": "friend_remember", "input": {"text": KEPT, "kind": "decision", "source": "a test"}},
            {"say": "It is kept."},
        ],
        SKILL: [{"call": "Skill", "input": {"skill": "friend:search-first"}}, {"quote": "[^]*"}],
        CHAT: [{"say": GREETING}],
        hooks::DECIDE: [{"say": hooks::DECIDED}],
        hooks::WEEKDAY: [{"say": "On some day."}],
    })
}

/// A program of `tests/claude` that prints its port; it ends when this is dropped.
struct Server {
    process: Child,
    url: String,
    log: PathBuf,
}

impl Server {
    fn start(program: &str, argument: &str, log: PathBuf) -> Self {
        let mut process = Command::new(root().join("node_modules/node/bin/node"))
            .arg(root().join("tests/claude").join(program))
            .arg(argument)
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("http://127.0.0.1:{}", port.trim()), log }
    }

    /// What was written down so far.
    fn seen(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Somebody's machine: a home folder, a repository, Claude Code with a model of its own, and a friend.
struct Machine {
    folder: PathBuf,
    model: Server,
    url: String,
    key: String,
}

impl Machine {
    fn new(url: &str, key: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("friend-claude-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("home")).unwrap();
        fs::create_dir_all(folder.join("lighthouse")).unwrap();
        fs::write(folder.join("scripts.json"), scripts().to_string()).unwrap();
        let model = Server::start("model.mjs", folder.join("scripts.json").to_str().unwrap(), folder.join("model.log"));
        let machine = Self { folder, model, url: url.to_owned(), key: key.to_owned() };
        for arguments in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["remote", "add", "origin", "git@Example.com:keepers/lighthouse.git"],
        ] {
            let mut git = machine.command(Path::new("git"));
            finished(git.args(arguments));
        }
        machine
    }

    /// With the friend that tests share, as a user of its own.
    fn of(client: &Client) -> Self {
        Self::new(client.url(), client.key())
    }

    /// With the plugin, installed as the README says.
    fn with_plugin(url: &str, key: &str) -> Self {
        let machine = Self::new(url, key);
        machine.claude(&["plugin", "marketplace", "add", root().to_str().unwrap()]);
        machine.claude(&["plugin", "install", "friend@claudes-friend"]);
        machine
    }

    fn command(&self, program: &Path) -> Command {
        let home = self.folder.join("home");
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.join("lighthouse"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &home)
            .env("CLAUDE_CONFIG_DIR", home.join(".claude"))
            .env("ANTHROPIC_BASE_URL", &self.model.url)
            .env("ANTHROPIC_API_KEY", "of-no-account")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .env("DISABLE_TELEMETRY", "1")
            .env("DISABLE_ERROR_REPORTING", "1")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("FRIEND_NO_KEYRING", "1")
            .env("FRIEND_URL", &self.url)
            .env("FRIEND_KEY", &self.key)
            .stdin(Stdio::null());
        command
    }

    /// What Claude Code prints; it must succeed.
    fn claude(&self, arguments: &[&str]) -> String {
        finished(self.command(&claude_code()).args(arguments))
    }

    /// What it says to a prompt.
    fn say(&self, prompt: &str) -> String {
        self.say_with(prompt, &[])
    }

    /// What it says once its tools are there: on a busy machine it begins before their server has answered it.
    fn say_with_tools(&self, prompt: &str) -> String {
        let look = || Some(self.say(prompt)).filter(|said| !said.starts_with("There is no tool"));
        wait_for(PATIENCE, look, || format!("{prompt}: its tools are not there"))
    }

    fn say_with(&self, prompt: &str, arguments: &[&str]) -> String {
        let tools = ["--allowedTools", "mcp__friend", "mcp__plugin_friend_friend"];
        self.claude(&[&["-p", prompt], arguments, &tools].concat()).trim().to_owned()
    }

    /// All that the model was told, in the words it was told in.
    fn told(&self) -> String {
        let messages = self.model.seen().into_iter().map(|request| request["messages"].clone());
        let blocks = messages.flat_map(|messages| messages.as_array().unwrap().clone());
        let texts = blocks.flat_map(|message| match &message["content"] {
            Value::Array(blocks) => blocks.iter().map(text_of).collect(),
            content => vec![text_of(content)],
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a block of a message says, whatever kind it is of.
fn text_of(block: &Value) -> String {
    let said = [block, &block["text"], &block["content"]].into_iter().find_map(Value::as_str);
    said.map_or_else(|| block.to_string(), str::to_owned)
}

/// `make build` leaves it there, a program of its own for each kind of machine.
fn claude_code() -> PathBuf {
    root().join("tests/claude/node_modules/.bin/claude")
}

/// Runs a program to its end, which must come, and be a good one; what it printed.
fn finished(command: &mut Command) -> String {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(PATIENCE, || process.try_wait().unwrap(), || format!("{command:?} does not end"));
    let Output { status, stdout, stderr } = process.wait_with_output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Looks until there is something to be seen.
fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>, missed: impl Fn() -> String) -> T {
    let until = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "{}", missed());
        std::thread::sleep(LOOK_EVERY);
    }
}

fn memories(client: &Client, state: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/memory?state={state}")).unwrap().success().unwrap();
    answer["items"].as_array().unwrap().clone()
}

/// It finds what the friend has and has it remember something: the model reads the real lines, the friend has the
/// memory.
fn assert_finds_and_remembers(machine: &Machine, client: &Client) {
    assert_eq!(machine.say_with_tools(FIND), "In freedonia.md, lines 1 to 3.");
    let told = machine.told();
    assert!(told.contains("The capital of Freedonia is Glorp.") && told.contains("friend://doc/doc_"), "{told}");
    assert_eq!(machine.say_with_tools(REMEMBER), "It is kept.");
    let kept = memories(client, "active");
    let kept = kept.iter().find(|memory| memory["text"] == KEPT);
    assert!(kept.is_some_and(|memory| memory["kind"] == "decision"), "{kept:?}\n{}", machine.told());
}

#[test]
fn claude_code_connects_and_its_model_is_told_what_the_friend_finds_and_remembers() {
    let client = shared().product.new_user("Claude Code").unwrap();
    upload(&client);
    let machine = Machine::of(&client);
    let (url, key) = (format!("{}/mcp", client.url()), format!("Authorization: Bearer {}", client.key()));
    machine.claude(&["mcp", "add", "--scope", "user", "--transport", "http", "friend", &url, "--header", &key]);
    let listed = machine.claude(&["mcp", "list"]);
    assert!(listed.contains("Connected"), "{listed}");
    assert_finds_and_remembers(&machine, &client);
}

#[test]
fn the_plugin_installs_from_a_clone_and_brings_the_same() {
    let client = shared().product.new_user("the plugin").unwrap();
    upload(&client);
    let machine = Machine::with_plugin(client.url(), client.key());
    for folder in [root(), root().join("plugin")] {
        machine.claude(&["plugin", "validate", "--strict", folder.to_str().unwrap()]);
    }
    let listed = machine.claude(&["mcp", "list"]);
    assert!(listed.contains("plugin:friend:friend") && listed.contains("Connected"), "{listed}");
    assert_finds_and_remembers(&machine, &client);
    machine.say("/friend:recall lighthouses");
    let told = machine.told();
    assert!(told.contains("Recall what the friend remembers. What it is about: \"lighthouses\""), "{told}");
    assert!(told.contains("search-first"), "the skill is named to the model: {told}");
}

/// As docs/claude-code.md says it is switched off.
#[test]
fn a_tool_and_a_skill_that_the_settings_deny_are_not_there() {
    let client = shared().product.new_user("settings").unwrap();
    let machine = Machine::with_plugin(client.url(), client.key());
    let denied = ["mcp__plugin_friend_friend__friend_remember", "Skill(friend:search-first)"];
    let settings = json!({"permissions": {"deny": denied}}).to_string();
    let said = machine.say_with(REMEMBER, &["--settings", &settings]);
    assert!(said.starts_with("There is no tool friend_remember"), "{said}");
    assert!(memories(&client, "active").is_empty());
    let said = machine.say_with(SKILL, &["--settings", &settings]);
    assert!(said.contains("denied") || said.contains("blocked"), "{said}");
    assert_eq!(machine.say_with_tools(REMEMBER), "It is kept.", "without the settings it is");
}
