//! The command line as people use it: the real program, a real repository, the real workerd.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use local_dev::{
    client::Client,
    configuration::Profile,
    language_model::LanguageModel,
    product::{Product, root},
};
use serde_json::{Value, json};

use crate::{
    description::ABUNDANCE,
    started::{shared, start, start_scripted, words_alone},
};

/// A repository of somebody's, and the program in it.
struct Repository {
    folder: PathBuf,
    url: String,
    key: String,
}

impl Repository {
    fn new(name: &str, client: &Client) -> Self {
        let folder = std::env::temp_dir().join(format!("friend-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let repository = Self { folder, url: client.url().to_owned(), key: client.key().to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["remote", "add", "origin", "git@Example.com:owner/shop.git"]);
        repository
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"];
        let ran = Command::new("git").args(identity).args(arguments).current_dir(&self.folder).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.join(".git"))
            .env("FRIEND_NO_KEYRING", "1")
            .env("FRIEND_URL", &self.url)
            .env("FRIEND_KEY", &self.key)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, stdout, stderr) = self.run(&[&["--json"], arguments].concat());
        assert_eq!(code, 0, "{arguments:?}: {stdout} {stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// What the friend has of it: names and hashes.
    fn there(&self) -> BTreeSet<(String, String)> {
        let documents = self.json(&["docs", "ls", "example.com/owner/shop/", "-n", "1000"]);
        let field = |document: &Value, name: &str| document[name].as_str().unwrap_or_default().to_owned();
        documents.as_array().unwrap().iter().map(|one| (field(one, "external_id"), field(one, "blob"))).collect()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `make build` leaves it there.
fn program() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/friend")
}

fn numbers(report: &Value) -> (usize, usize, u64) {
    let count = |field: &str| report[field].as_array().unwrap().len();
    (count("added"), count("changed"), report["unchanged"].as_u64().unwrap())
}

/// Texts that the model was given so far.
fn embedded(product: &Product) -> i64 {
    product.model_use().unwrap()["texts"].as_i64().unwrap()
}

#[test]
fn a_repository_is_pushed_once_and_a_branch_and_back_costs_nothing() {
    let (product, _model) = start_scripted("friend");
    let repository = Repository::new("branches", &product.client().unwrap());
    repository
        .write("src/fence.rs", "/// A claim is fenced by its token.\npub fn fence_of_claim() -> u8 {\n    7\n}\n");
    repository.write("README.md", "# Shop\n\nThe shop sells whales and ships.\n");
    repository.write(".gitignore", "out/\n");
    repository.write("out/made.txt", "made");
    repository.write(".env", "PASSWORD=hunter2");
    repository.git(&["add", "src", "README.md", ".gitignore"]);
    repository.git(&["commit", "--quiet", "--message", "first"]);
    let first = repository.json(&["push"]);
    assert_eq!((first["project"].as_str(), numbers(&first)), (Some("example.com/owner/shop"), (3, 0, 0)), "{first}");
    let there = repository.there();
    let (code, shown, _) = repository.run(&["search", "fence_of_claim"]);
    assert!(code == 0 && shown.contains("src/fence.rs"), "{shown}");

    let again = repository.json(&["push"]);
    assert_eq!((numbers(&again), &again["bytes"], &again["requests"]), ((0, 0, 3), &json!(0), &json!(1)), "{again}");

    let before = embedded(&product);
    repository.git(&["checkout", "--quiet", "-b", "other"]);
    repository.write("README.md", "# Shop\n\nThe shop sells bees alone.\n");
    repository.git(&["mv", "src/fence.rs", "src/guard.rs"]);
    repository.git(&["commit", "--quiet", "--all", "--message", "other"]);
    assert_eq!(numbers(&repository.json(&["push"])), (1, 1, 1));
    assert_eq!(embedded(&product) - before, 1, "the file that was renamed is known");
    repository.git(&["checkout", "--quiet", "main"]);
    let back = repository.json(&["push", "--prune", "--yes"]);
    assert_eq!((numbers(&back), &back["pruned"]), ((0, 1, 2), &json!(["src/guard.rs"])), "{back}");
    assert_eq!(embedded(&product) - before, 1, "back on the branch nothing is embedded");
    assert_eq!(repository.there(), there);
}

#[test]
fn a_push_that_is_killed_in_the_middle_and_repeated_comes_to_the_same() {
    let (product, _model) = start_scripted("friend-killed");
    let repository = Repository::new("killed", &product.client().unwrap());
    for number in 0..400 {
        let text = format!("Number {number} is about ships. {}\n", format!("It sails to port {number}. ").repeat(120));
        repository.write(&format!("docs/{number}.md"), &text);
    }
    repository.commit();
    let mut child = repository.command(&["push"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Something has arrived, and not all is there.
    let client = product.client().unwrap();
    while client.get("/api/jobs").unwrap().json()["items"].as_array().is_none_or(Vec::is_empty) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, _, stderr) = repository.run(&["push"]);
    assert_eq!(code, 0, "{stderr}");
    let whole = repository.json(&["push"]);
    assert_eq!((numbers(&whole), &whole["failed"]), ((0, 0, 400), &json!([])), "{whole}");
    assert_eq!(repository.there().len(), 400);
    let doubled = product.query("SELECT count(*) FROM documents WHERE current <> 1 OR deleted_at IS NOT NULL").unwrap();
    assert_eq!(doubled, [["0"]], "nothing was indexed twice");
}

#[test]
fn what_is_asked_remembered_and_listed_comes_from_the_deployment() {
    let client = shared().product.new_user("the command line").unwrap();
    let repository = Repository::new("commands", &client);
    repository.write("README.md", "# Freedonia\n\nThe capital of Freedonia is Glorp.\n");
    repository.json(&["push"]);
    let asked = repository.json(&["ask", "What is the capital of Freedonia?"]);
    assert!(asked["answer"].as_str().unwrap().contains("Glorp") && asked["conversation_id"].is_string(), "{asked}");
    let (code, shown, _) = repository.run(&["ask", "--continue", "And what is the capital of Freedonia called?"]);
    assert!(code == 0 && shown.contains("Glorp") && shown.contains("README.md"), "{shown}");
    let memory = repository.json(&["remember", "--kind", "decision", "We deploy on Thursdays"]);
    assert_eq!(memory["outcome"], "created");
    assert_eq!(repository.json(&["recall", "deploy Thursdays"])[0]["id"], memory["id"]);
    repository.json(&["forget", memory["id"].as_str().unwrap()]);
    assert_eq!(repository.run(&["forget", memory["id"].as_str().unwrap()]).0, 4);
    assert!(repository.json(&["usage"])["resources"].is_array());
    assert!(!repository.json(&["jobs", "ls"]).as_array().unwrap().is_empty());
    assert_eq!(repository.json(&["status"])["health"]["status"], "ok");
    let text = repository.run(&["docs", "show", "example.com/owner/shop/README.md"]).1;
    assert_eq!(text, "# Freedonia\n\nThe capital of Freedonia is Glorp.\n");
    let checks = repository.json(&["doctor"]);
    assert!(checks["checks"].as_array().unwrap().iter().all(|check| check["state"] != "failed"), "{checks}");
    let exported = repository.json(&["export", ".git/export"]);
    assert_eq!(exported["documents"], 1, "what the doctor sent is gone: {exported}");
    let wrong = repository.command(&["usage"]).env("FRIEND_KEY", "cf_local_wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
}

#[test]
fn a_room_in_the_terminal_says_what_is_typed_and_shows_what_is_said() {
    let client = shared().product.new_user("a room").unwrap();
    let repository = Repository::new("room", &client);
    let mut command = repository.command(&["session", "open", "Review"]);
    let mut room = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut typed = room.stdin.take().unwrap();
    let mut shown = BufReader::new(room.stdout.take().unwrap()).lines();
    let mut wait_for = |text: &str| while !shown.next().expect("the room has closed").unwrap().contains(text) {};
    wait_for("here:");
    writeln!(typed, "hello from here").unwrap();
    wait_for("hello from here");
    let session = repository.json(&["session", "ls"])[0].clone();
    assert_eq!((&session["title"], &session["state"]), (&json!("Review"), &json!("open")), "{session}");
    writeln!(typed, "/quit").unwrap();
    assert_eq!(room.wait().unwrap().code(), Some(0));
    assert_eq!(repository.run(&["session", "join", "ses_00000000000000000000000000"]).0, 4);
}

/// `PUSHED=folder` (by default this repository) pushed several times, with what each took. A branch `other` of it, if
/// there is one, is changed to and back.
#[test]
#[ignore = "it measures"]
fn a_folder_is_pushed_and_measured() {
    let profile = Profile { limits: ABUNDANCE.to_owned(), ..words_alone() };
    let product = start("friend-measured", profile, LanguageModel::None);
    let client = product.client().unwrap();
    let folder = std::env::var_os("PUSHED").map_or_else(root, PathBuf::from);
    let repository = Repository { folder, url: client.url().to_owned(), key: client.key().to_owned() };
    let measure = |what: &str| {
        let neurons = || product.model_use().unwrap()["neurons"].as_f64().unwrap();
        let before = neurons();
        let report = repository.json(&["push"]);
        println!(
            "{what}: {:?} (added, changed, unchanged), {} bytes, {} requests, {:.2} s, {:.1} neurons",
            numbers(&report),
            report["bytes"],
            report["requests"],
            report["seconds"].as_f64().unwrap(),
            neurons() - before
        );
    };
    measure("first");
    measure("again, unchanged");
    let checkout = |branch: &str| {
        let arguments = ["checkout", "--quiet", branch];
        Command::new("git").args(arguments).current_dir(&repository.folder).status().unwrap().success()
    };
    if std::env::var_os("PUSHED").is_some() && checkout("other") {
        measure("another branch");
        assert!(checkout("main"));
        measure("and back");
    }
    // The folder is not this test's to remove.
    std::mem::forget(repository);
}
