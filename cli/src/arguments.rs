//! What the program is asked for on its command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pipeline::filters::DOCUMENT_TYPES;

/// Claude's Friend on the command line: pushes a repository, searches it, asks, remembers.
#[derive(Debug, Parser)]
#[command(name = "friend", version, about, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 no valid key, 4 not found, 5 quota spent, \
                          6 partly done, 130 interrupted.\nEnvironment: FRIEND_URL, FRIEND_KEY, HTTPS_PROXY, NO_COLOR.";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The deployment; else as `friend login` kept it.
    #[arg(long, global = true, env = "FRIEND_URL", value_name = "URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Data as JSON on standard output, errors as JSON on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a deployment's address and key.
    Login(Login),
    /// Forget the key.
    Logout,
    /// Bring a repository or a folder to the friend: what is new and what has changed.
    Push(Box<Push>),
    /// Find code and text by words and by meaning.
    Search(Search),
    /// Ask a question; the answer names its sources.
    Ask(Ask),
    /// How the deployment is, and what is under way.
    Status(Status),
    /// Jobs: what was asked for and how far it is.
    #[command(subcommand)]
    Jobs(Jobs),
    /// Documents: what the friend has.
    #[command(subcommand)]
    Docs(Docs),
    /// Remember something.
    Remember(Remember),
    /// What is remembered about something.
    Recall(Recall),
    /// Forget a memory.
    Forget {
        /// Its id (mem_…).
        id: String,
    },
    /// Memories: list them, look through what is proposed.
    #[command(subcommand)]
    Memory(Memory),
    /// Live sessions: a room for people and agents.
    #[command(subcommand)]
    Session(Session),
    /// What today's allowances have left.
    Usage,
    /// API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// What Claude Code's hooks run; never fails.
    #[command(subcommand)]
    Hook(Hook),
    /// Write everything that is yours into a folder.
    Export(Export),
    /// Look whether everything is as it should be.
    Doctor,
    /// Measure this deployment with what it holds: speed of searches, recall against grep.
    Bench(Bench),
    /// Completions for a shell.
    Completions {
        /// Which one.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub struct Login {
    /// The deployment, such as <https://friend.example.workers.dev>.
    pub url: String,
    /// Read the key from standard input.
    #[arg(long)]
    pub key_stdin: bool,
}

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Push {
    /// Files and folders; by default the whole repository.
    pub paths: Vec<PathBuf>,
    /// What the project is called; by default its git remote, such as github.com/owner/name.
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// A tag for every document; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only say what would be sent, and what that would cost.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on: push whatever changes.
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Remove there what is gone here; asks first.
    #[arg(long)]
    pub prune: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Do not wait until everything is searchable.
    #[arg(long)]
    pub no_wait: bool,
    /// Send everything, also what the server has; what is identical costs nothing there.
    #[arg(long)]
    pub force: bool,
    /// Take generated and vendored files as well.
    #[arg(long)]
    pub all: bool,
    /// Take files as well that are called like, or hold, passwords or keys.
    #[arg(long)]
    pub allow_secrets: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    Hybrid,
    Vector,
    Keyword,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Vector => "vector",
            Self::Keyword => "keyword",
        }
    }
}

#[derive(Debug, Args)]
pub struct Search {
    /// What is sought.
    #[arg(required = true)]
    pub query: Vec<String>,
    /// At most so many hits.
    #[arg(long, short = 'n', default_value_t = 10)]
    pub top: u32,
    /// By meaning, by words, or both.
    #[arg(long, value_enum, default_value = "hybrid")]
    pub mode: Mode,
    /// Only documents with this tag; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only documents of this type.
    #[arg(long = "type", value_name = "TYPE", value_parser = DOCUMENT_TYPES)]
    pub kind: Option<String>,
    /// Only in this language, such as rust.
    #[arg(long)]
    pub language: Option<String>,
    /// The project whose hits come forward; by default that of this folder.
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Let a model that reads query and text together put the first 20 hits in order: about 3 neurons.
    #[arg(long)]
    pub rerank: bool,
    /// Open the first hit in $EDITOR.
    #[arg(long)]
    pub open: bool,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// The question.
    #[arg(required = true)]
    pub question: Vec<String>,
    /// Go on with the last conversation.
    #[arg(long = "continue", short = 'c')]
    pub go_on: bool,
    /// Go on with this conversation (con_…).
    #[arg(long, conflicts_with = "go_on")]
    pub conversation: Option<String>,
    /// Answer from documents with this tag alone; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Look again every two seconds until nothing is under way.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// List jobs, the newest first.
    Ls {
        /// At most so many.
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
    },
    /// How far a job is.
    Show {
        /// Its id (job_…).
        id: String,
    },
    /// Try again what failed of it.
    Retry {
        /// Its id (job_…).
        id: String,
    },
    /// Stop it.
    Cancel {
        /// Its id (job_…).
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Docs {
    /// List documents, the one that was uploaded last first.
    Ls {
        /// Only those whose name begins so.
        prefix: Option<String>,
        /// At most so many.
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: usize,
    },
    /// Show a document's text.
    Show {
        /// Its id (doc_…) or its name.
        name: String,
    },
    /// Delete documents.
    Rm {
        /// Their ids (doc_…) or names.
        #[arg(required_unless_present = "prefix")]
        names: Vec<String>,
        /// Those whose name begins so; asks first.
        #[arg(long, conflicts_with = "names")]
        prefix: Option<String>,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct Remember {
    /// What to remember.
    #[arg(required = true)]
    pub text: Vec<String>,
    /// What it is.
    #[arg(long, default_value = "fact", value_parser = ["fact", "preference", "decision", "instruction", "note"])]
    pub kind: String,
    /// Always recall it.
    #[arg(long)]
    pub pin: bool,
    /// Where it comes from.
    #[arg(long)]
    pub source: Option<String>,
    /// The memory that this one corrects (mem_…).
    #[arg(long, value_name = "ID")]
    pub supersedes: Option<String>,
    /// It is about a project: that of this folder, or the one that is named.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub project: Option<String>,
}

#[derive(Debug, Args)]
pub struct Recall {
    /// About what.
    #[arg(required = true)]
    pub query: Vec<String>,
    /// At most so many.
    #[arg(long, short = 'n', default_value_t = 10)]
    pub limit: u32,
    /// The project whose memories come forward; by default that of this folder.
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Memory {
    /// List everything remembered.
    Ls {
        /// Only those in this state.
        #[arg(long, value_parser = ["proposed", "active", "superseded"])]
        state: Option<String>,
    },
    /// Look through what was proposed: accept, edit, reject.
    Review,
}

#[derive(Debug, Subcommand)]
pub enum Session {
    /// Open a session and join it.
    Open {
        /// What it is called.
        title: Option<String>,
    },
    /// Join a session.
    Join {
        /// Its id (ses_…).
        id: String,
        /// A guest's ticket, instead of a key.
        #[arg(long)]
        ticket: Option<String>,
    },
    /// List sessions.
    Ls,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List keys.
    Ls,
    /// Issue a key; it is shown once.
    New {
        /// What it is called.
        name: String,
    },
    /// Revoke a key.
    Revoke {
        /// Its id.
        id: String,
        /// Though it is the last one.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Hook {
    /// A session begins: what is known for it.
    SessionStart,
    /// A prompt is sent: what is known about it.
    UserPromptSubmit,
    /// A conversation is about to be compacted.
    PreCompact,
    /// Claude has answered.
    Stop,
    /// A session ends.
    SessionEnd,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The folder; it is made.
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// Searches to measure.
    #[arg(long, short = 'n', default_value_t = 20)]
    pub searches: usize,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    const DOCUMENTATION: &str = include_str!("../../docs/cli.md");

    /// The rows of the table of commands.
    fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
        DOCUMENTATION
            .lines()
            .filter(|line| line.starts_with("| `friend "))
            .filter_map(|line| line[2..].split_once(" | "))
    }

    /// What stands between backticks.
    fn quoted(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    /// The commands that the table names: `jobs ls` of "`friend jobs ls`, `show ID`", `hook` of "`friend hook EVENT`".
    fn documented() -> BTreeSet<String> {
        let mut commands = BTreeSet::new();
        for (names, _) in rows() {
            let mut group = "";
            for name in quoted(names) {
                let words: Vec<&str> = name.split(' ').collect();
                let rest = match words.as_slice() {
                    ["friend", name, rest @ ..] => {
                        group = name;
                        rest
                    }
                    rest => rest,
                };
                let sub = rest.first().filter(|word| word.starts_with(|letter: char| letter.is_lowercase()));
                commands.insert(sub.map_or_else(|| group.to_owned(), |sub| format!("{group} {sub}")));
            }
        }
        commands
    }

    #[test]
    fn the_documentation_has_every_command_and_no_other() {
        let command = Arguments::command();
        let mut commands = BTreeSet::new();
        for group in command.get_subcommands().filter(|group| group.get_name() != "help") {
            let subs: Vec<&str> = group.get_subcommands().map(clap::Command::get_name).collect();
            if let Some((_, said)) =
                rows().find(|(names, _)| names.contains(&format!("friend {} EVENT", group.get_name())))
            {
                assert!(subs.iter().all(|sub| quoted(said).any(|word| word == *sub)), "{subs:?}");
                commands.insert(group.get_name().to_owned());
            } else if subs.is_empty() {
                commands.insert(group.get_name().to_owned());
            } else {
                commands.extend(subs.iter().map(|sub| format!("{} {sub}", group.get_name())));
            }
        }
        assert_eq!(documented(), commands);
        assert_eq!(rows().find(|(_, said)| said.len() < 10), None, "a row that says nothing");
    }

    #[test]
    fn the_documentation_has_every_option() {
        fn options(command: &clap::Command) -> Vec<String> {
            let own =
                command.get_arguments().filter_map(|argument| argument.get_long().map(|name| format!("--{name}")));
            own.chain(command.get_subcommands().flat_map(options)).collect()
        }
        let said: BTreeSet<&str> = quoted(DOCUMENTATION).flat_map(|code| code.split([' ', '=', '[', ']'])).collect();
        let missing: Vec<String> =
            options(&Arguments::command()).into_iter().filter(|name| !said.contains(name.as_str())).collect();
        assert_eq!(missing, Vec::<String>::new());
    }
}
