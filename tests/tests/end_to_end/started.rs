//! Products for the tests: one that tests with users of their own share, and new ones for those that
//! kill theirs, change its allowances or count everything it holds.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use local_dev::{
    configuration::Profile,
    language_model::LanguageModel,
    product::{Options, Product, embedding_cache},
};
use tests::scripted_model::ScriptedModel;

/// How long anything may take that is waited for: no test is about speed. A thousand embeddings took
/// more than ten minutes on two cores that eight builds shared.
pub const DEADLINE: Duration = Duration::from_mins(30);

/// A page that may call products of tests.
pub const ALLOWED_ORIGIN: &str = "https://a.example";

/// As it is deployed, but for what texts mean: few tests are about that, and computing it for all of them took
/// most of the time of a machine that has computed nothing before.
pub fn words_alone() -> Profile {
    Profile { hashes_words: true, allowed_origins: ALLOWED_ORIGIN.to_owned(), ..Profile::default() }
}

/// A new product in an empty state folder.
pub fn start(name: &str, profile: Profile, language_model: LanguageModel) -> Product {
    let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&state);
    let embedding_cache = Some(embedding_cache());
    Product::start(Options { profile, language_model, embedding_cache, ..Options::for_tests(state) }).unwrap()
}

/// A new product with a scripted language model.
pub fn start_scripted(name: &str) -> (Product, ScriptedModel) {
    let model = ScriptedModel::start();
    (start(name, words_alone(), model.as_language_model()), model)
}

/// The product that tests share, and what speaks in it.
pub struct Shared {
    pub product: Product,
    pub model: ScriptedModel,
    _end: Child,
}

/// The product that tests share; started by the first.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (product, model) = start_scripted("shared");
        let end = end_with_this_process(&product);
        Shared { product, model, _end: end }
    })
}

/// Nobody drops what is static: its servers are killed when this process ends, however it ends, by
/// one that waits for the end of its input.
fn end_with_this_process(product: &Product) -> Child {
    let groups = product.groups().map(|group| group.to_string());
    Command::new("bash")
        .args(["-c", "cat; for group; do kill -KILL -- \"-$group\"; done", "end"])
        .args(groups)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
