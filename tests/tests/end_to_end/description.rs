//! The API's description, as others use it: shown by a page, made into clients, tried with all that it allows.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use local_dev::{
    client::{Answer, Client},
    configuration::Profile,
    product::{Product, root},
};
use serde_json::{Value, json};
use tests::scripted_model::ScriptedModel;

use crate::started::{ALLOWED_ORIGIN, shared, start, words_alone};

/// An empty folder of this run.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// The description as the product answers it, in a file.
fn write_description(client: &Client, folder: &Path) -> PathBuf {
    let path = folder.join("openapi.json");
    let description = client.get("/openapi.json").unwrap().success().unwrap();
    fs::write(&path, description.to_string()).unwrap();
    path
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{said}\n{complained}");
    output
}

/// Python with what `local/setup/api.txt` pins.
fn python(further: &Path) -> Command {
    let mut command = Command::new("python3");
    let paths = std::env::join_paths([root().join(".tools/api"), further.to_path_buf()]).unwrap();
    command.env("PYTHONPATH", paths).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What a generated client saw, whose documents are called so.
fn assert_saw(output: &Output, documents: &str) {
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = [0, 1, 2].map(|n| format!("{documents}/{n}.md"));
    assert_eq!((&seen["items"], &seen["indexed"]), (&json!(["queued", "queued", "queued"]), &json!("succeeded")));
    assert_eq!((&seen["hits"], &seen["found_by"]), (&json!(names), &json!(["keyword"])), "{seen}");
    assert!(seen["answer"].as_str().unwrap().contains("Glorp"), "{seen}");
    let pages = seen["pages"].as_array().unwrap();
    assert_eq!(pages.iter().map(|page| page.as_array().unwrap().len()).collect::<Vec<_>>(), [2, 1], "{seen}");
    assert_eq!(seen["problem"], "not_found");
}

#[test]
fn a_client_that_python_generates_indexes_waits_searches_asks_and_pages() {
    let client = shared().product.new_user("python-client").unwrap();
    let folder = folder("python-client");
    let description = write_description(&client, &folder);
    // Its own choice is to format what it has made.
    fs::write(folder.join("configuration.json"), r#"{"post_hooks": []}"#).unwrap();
    output(
        python(&folder)
            .args(["-c", "from openapi_python_client.cli import app; app()", "generate", "--meta", "none", "--path"])
            .arg(description)
            .arg("--config")
            .arg(folder.join("configuration.json"))
            .arg("--output-path")
            .arg(folder.join("generated")),
    );
    let script = root().join("tests/clients/python_client.py");
    let ran = output(python(&folder).arg(script).args([client.url(), client.key()]));
    assert_saw(&ran, "generated");
}

#[test]
fn a_client_that_typescript_generates_indexes_waits_searches_asks_and_pages() {
    let client = shared().product.new_user("typescript-client").unwrap();
    let folder = folder("typescript-client");
    let description = write_description(&client, &folder);
    let clients = root().join("tests/clients");
    let modules = clients.join("node_modules");
    for file in ["package.json", "tsconfig.json", "typescript_client.ts"] {
        fs::copy(clients.join(file), folder.join(file)).unwrap();
    }
    std::os::unix::fs::symlink(&modules, folder.join("node_modules")).unwrap();
    let node = || {
        let mut command = Command::new(root().join("node_modules/node/bin/node"));
        command.current_dir(&folder);
        command
    };
    output(node().arg(modules.join("openapi-typescript/bin/cli.js")).arg(description).args([
        "--default-non-nullable=false",
        "--output",
        "generated.d.ts",
    ]));
    output(node().arg(modules.join("typescript/bin/tsc")).args(["--project", "."]));
    let run = ["--experimental-strip-types", "--no-warnings", "typescript_client.ts", client.url(), client.key()];
    assert_saw(&output(node().args(run)), "typed");
}

/// Tries the description of a product with so many examples of each operation.
fn fuzz(product: &Product, examples: &str, seeds: &str) -> Command {
    let client = product.new_user("fuzz").unwrap();
    let mut command = Command::new(root().join("local/setup/fuzz_api.sh"));
    command
        .env("URL", client.url())
        .env("KEY", client.key())
        .env("EXAMPLES", examples)
        .env("SEEDS", seeds)
        .current_dir(folder("fuzz"));
    command
}

/// The same few examples every time; `make fuzz-api` tries more than what stands in the description.
#[test]
fn whatever_the_description_allows_is_answered_as_it_says() {
    let mut short = fuzz(&shared().product, "3", "1");
    let ran = output(short.env("PHASES", "examples,fuzzing").env("REPEATABLE", "1"));
    tests::report(String::from_utf8_lossy(&ran.stdout).trim_end().lines().last().unwrap_or_default());
}

/// What a day does not hold: requests by the ten thousand, each with its question or upload.
pub(crate) const ABUNDANCE: &str = r#"{"neurons": 1e9, "requests": 1e9, "queue_operations": 1e9, "d1_rows_read": 1e12,
    "d1_rows_written": 1e12, "kv_reads": 1e9, "kv_writes": 1e9, "r2_class_a": 1e9, "r2_class_b": 1e9,
    "object_requests": 1e9, "object_rows_read": 1e9, "object_rows_written": 1e9, "object_gb_seconds": 1e9,
    "vectors_queried": 1e9, "vectors_stored": 1e9, "requests_per_key": 1000000000}"#;

/// `make fuzz-api`, for as long as its examples take.
#[test]
#[ignore = "takes hours"]
fn the_whole_description_at_length() {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let model = ScriptedModel::start();
    let profile = Profile { limits: ABUNDANCE.to_owned(), ..words_alone() };
    let product = start("fuzz-product", profile, model.as_language_model());
    let status = fuzz(&product, &variable("EXAMPLES", "500"), &variable("SEEDS", "1 2")).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_api_is_shown_by_a_page_that_runs_nothing_else() {
    let client = Client::new(&shared().product.url(), "");
    let page = client.get("/docs").unwrap();
    assert_eq!(page.status, 200);
    assert!(text(&page).contains("spec-url=\"/openapi.json\""), "{}", text(&page));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options").unwrap(), "nosniff");
    let script = client.get("/docs/redoc.js").unwrap();
    assert!(script.status == 200 && text(&script).len() > 500_000, "{}", text(&script).len());
    // What is no file is the Worker's.
    assert_eq!(client.get("/docs/nothing").unwrap().json()["code"], "not_found");
}

#[test]
fn every_problem_leads_to_its_page() {
    let client = Client::new(&shared().product.url(), "");
    let refused = client.get("/api/me").unwrap().json();
    let page = client.get(refused["type"].as_str().unwrap()).unwrap();
    assert_eq!((page.status, page.header("content-type").unwrap()), (200, "text/html; charset=utf-8"));
    assert!(text(&page).contains("<h1>A valid API key is required</h1>"), "{}", text(&page));
}

#[test]
fn methods_are_taken_for_what_they_are() {
    let client = shared().product.new_user("methods").unwrap();
    let send = |method: &str, path: &str| client.send(method, path, &[], b"").unwrap();
    for method in ["PROPFIND", "QUERY", "DELETE"] {
        let refused = send(method, "/api/me");
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, Some("GET, HEAD, PUT, PATCH, OPTIONS")),
            "{method}"
        );
    }
    let (get, head) = (send("GET", "/api/jobs/job_nothing"), send("HEAD", "/api/jobs/job_nothing"));
    assert_eq!((get.status, head.status, head.bytes.len()), (404, 404, 0));
    assert_eq!(send("HEAD", "/api/me").status, 200);
}

#[test]
fn pages_of_named_origins_may_call_and_no_others() {
    let client = shared().product.new_user("pages").unwrap();
    let send = |method: &str, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        client.send(method, "/api/me", &headers, b"").unwrap()
    };
    let asked = send("OPTIONS", ALLOWED_ORIGIN);
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, Some(ALLOWED_ORIGIN)));
    let answered = send("GET", ALLOWED_ORIGIN);
    assert_eq!((answered.status, answered.header("access-control-allow-origin")), (200, Some(ALLOWED_ORIGIN)));
    assert_eq!(answered.header("access-control-allow-credentials"), None);
    for origin in ["null", "https://a.example.evil.example", "http://a.example"] {
        assert_eq!(send("OPTIONS", origin).header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(send("GET", origin).header("access-control-allow-origin"), None, "{origin}");
    }
}
