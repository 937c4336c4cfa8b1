//! `friend-dev`: what the Makefile calls.

use std::{io::Write as _, path::PathBuf, sync::mpsc, time::Duration};

use clap::{Parser, Subcommand};
use local_dev::{
    Error, benchmark,
    configuration::{Profile, check_deployed},
    demo,
    evaluation::{
        self, Evaluation,
        memories::{self, Memories},
    },
    language_model::LanguageModel,
    process,
    product::{Options, Product, root},
    smoke,
};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Loopback port of the product.
    #[arg(long, env = "PORT", default_value_t = 8787, global = true)]
    port: u16,
    /// Folder that keeps all state.
    #[arg(long, env = "STATE_DIR", default_value = ".state", global = true)]
    state: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the product and keeps it running until Ctrl-C.
    Serve,
    /// Indexes a folder, shows how far it is, and searches it.
    Demo {
        /// The folder; by default this repository and the evaluation texts beside it.
        #[arg(long, env = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Measures retrieval on the evaluation sets.
    Eval {
        /// Folder with the sets.
        #[arg(long, env = "EVAL_DATA", default_value = "../shared/data")]
        data: PathBuf,
        /// Only these sets.
        #[arg(long, env = "SETS", value_delimiter = ',')]
        sets: Vec<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
        /// Where what was measured before stands, a line for each run; this one is appended.
        #[arg(long, env = "EVAL_HISTORY", default_value = "tests/evaluation/history.jsonl")]
        history: PathBuf,
    },
    /// Measures answers on questions whose answers are known.
    EvalAnswers {
        /// Every so-many-th question.
        #[arg(long, env = "EVERY", default_value_t = 1)]
        every: usize,
        /// Without a language model: what was found is the answer.
        #[arg(long, env = "EXCERPTS")]
        excerpts: bool,
        /// A folder with a set that has answers, in place of our own questions: `../shared/data/locomo_dev`.
        #[arg(long, env = "SET")]
        set: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Measures recall of what was said before, and superseded since.
    EvalMemories {
        /// Folder with the sets that are not our own.
        #[arg(long, env = "EVAL_DATA", default_value = "../shared/data")]
        data: PathBuf,
        /// Only these sets: `own`, `locomo_dev`.
        #[arg(long, env = "SETS", value_delimiter = ',')]
        sets: Vec<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Checks the `PLAN` and the `LIMITS` that would be deployed.
    CheckLimits {
        /// The environment; what is live if it is empty.
        #[arg(default_value = "")]
        environment: String,
        /// The repository whose configuration is deployed.
        #[arg(long, default_value = ".")]
        configuration: PathBuf,
    },
    /// Uses a deployment as people would, and checks what only a real account can show.
    Smoke(smoke::Target),
    /// Measures speed and cost.
    Bench(benchmark::Scope),
}

/// Between two runs of the schedule on one machine; deployed it is five minutes.
const CRON_EVERY: Duration = Duration::from_secs(30);

/// The status shells give a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

fn main() -> Result<(), Error> {
    let Arguments { command, port, state } = Arguments::parse();
    if !matches!(command, Command::Serve) {
        ctrlc::set_handler(|| {
            process::stop_all();
            std::process::exit(INTERRUPTED);
        })?;
    }
    match command {
        Command::Serve => serve(strict(options(port, state)?)),
        Command::Demo { dir } => demo::run(&options(port, state)?, dir),
        Command::Eval { data, sets, json, history } => evaluation::run(&Evaluation { data, sets, json, history }),
        Command::EvalAnswers { every, excerpts, set, json } => {
            let model = if excerpts { LanguageModel::None } else { LanguageModel::from_environment(&root()) };
            evaluation::answers::run(model, set.as_deref(), every, json)
        }
        Command::EvalMemories { data, sets, json } => memories::run(&Memories { data, sets, json }),
        Command::Bench(scope) => benchmark::run(scope),
        Command::CheckLimits { environment, configuration } => check_deployed(&configuration, &environment),
        Command::Smoke(target) => smoke::run(&target),
    }
}

/// How the product of this machine starts, as the environment says.
fn options(port: u16, state: PathBuf) -> Result<Options, Error> {
    let root = root();
    let language_model = LanguageModel::from_environment(&root);
    let profile = Profile { drafts_only: language_model.comes_along(), ..Profile::from_environment(&root)? };
    Ok(Options { language_model, profile, root, state, port, cron_every: CRON_EVERY, embedding_cache: None })
}

/// The same, as strict as production: what a person develops against is what they will deploy.
fn strict(options: Options) -> Options {
    Options { profile: options.profile.as_deployed(), ..options }
}

fn serve(options: Options) -> Result<(), Error> {
    let (interrupted, interrupts) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = interrupted.send(());
    })?;
    eprintln!("==> starting (a few seconds)");
    let advice = advice(&options.language_model);
    let mut product = Product::start(options)?;
    let client = product.client()?;
    let (url, key) = (client.url(), client.key());
    println!("Ready: {url}");
    println!("API key: {key}");
    println!();
    println!("Try:");
    println!("  curl -F files=@README.md -H 'Authorization: Bearer {key}' -H 'Prefer: wait=30' {url}/api/index");
    println!(
        "  curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
         -d '{{\"query\": \"how do I start it?\"}}' {url}/api/search"
    );
    println!(
        "  curl -H 'Authorization: Bearer {key}' -H 'Prefer: wait=60' \
         -d '{{\"message\": \"How do I start it?\"}}' {url}/api/chat"
    );
    if let Some(advice) = advice {
        println!("{advice}");
    }
    println!("Logs: {}   Stop: Ctrl-C", product.log().display());
    std::io::stdout().flush()?;
    // Ends with Ctrl-C, or with the product.
    while interrupts.recv_timeout(Duration::from_millis(500)).is_err() {
        if !product.is_running() {
            return Err(format!("a server stopped by itself; see {}", product.log().display()).into());
        }
    }
    eprintln!("==> stopping");
    Ok(())
}

/// What there is to say about the language model, and how to have a better one.
fn advice(language_model: &LanguageModel) -> Option<String> {
    let better = LanguageModel::in_reach().map_or_else(
        || "a better one: LLM_URL=http://localhost:11434/v1 make dev (any server of OpenAI's API)".to_owned(),
        |url| format!("a model server answers on this machine: LLM_URL={url} make dev has it answer"),
    );
    match language_model {
        LanguageModel::None => Some(format!("Answers are excerpts: there is no language model; {better}")),
        LanguageModel::File(_) if language_model.comes_along() => Some(format!(
            "Answers are excerpts, unless what the small model that comes along writes stands in them; {better}"
        )),
        LanguageModel::File(_) | LanguageModel::Server(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use local_dev::configuration::Bursts;

    use super::*;

    #[test]
    fn what_people_develop_against_is_strict_and_what_is_shown_to_them_is_not() {
        let options = Options::for_tests(PathBuf::from("state"));
        assert_eq!((options.profile.bursts, options.profile.strict_models), (Bursts::Unlimited, false));
        let served = strict(options).profile;
        assert_eq!((served.bursts, served.strict_models), (Bursts::Deployed, true));
    }
}
