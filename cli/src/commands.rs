//! The commands, one file each.

mod ask;
mod bench;
mod doctor;
mod documents;
mod export;
mod hook;
mod jobs;
mod keys;
mod login;
mod memories;
mod probe;
mod search;
mod session;
mod status;
mod usage;

use clap::CommandFactory as _;

use crate::{
    arguments::{Arguments, Command, Session},
    context::Context,
    failure::{Exit, Failure},
    output::{self, Output},
    push,
};

/// What is said on Ctrl-C.
pub fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
        .advise("what the server has taken goes on there; the same command again sends only what is missing")
}

/// Does what is asked for.
///
/// # Errors
/// It cannot be done, or only in part.
pub fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Login(login) => login::login(&login, output),
        Command::Logout => login::logout(global, output),
        Command::Completions { shell } => {
            // It takes no failure of what it writes to.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "friend", &mut script);
            output::part(&String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Hook(hook) => {
            hook::run(&hook, global);
            Ok(())
        }
        Command::Doctor => doctor::doctor(global, output),
        // A guest has a ticket, and no key.
        Command::Session(guest @ Session::Join { ticket: Some(_), .. }) => {
            session::session(&guest, &Context::without_key(global, output)?)
        }
        command => on_deployment(command, &Context::new(global, output)?),
    }
}

fn on_deployment(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Push(arguments) => push::push(&arguments, context),
        Command::Search(search) => search::search(&search, context),
        Command::Ask(ask) => ask::ask(&ask, context),
        Command::Status(status) => status::status(&status, context),
        Command::Jobs(jobs) => jobs::jobs(&jobs, context),
        Command::Docs(docs) => documents::documents(&docs, context),
        Command::Remember(remember) => memories::remember(&remember, context),
        Command::Recall(recall) => memories::recall(&recall, context),
        Command::Forget { id } => memories::forget(&id, context),
        Command::Memory(memory) => memories::memory(&memory, context),
        Command::Session(session) => session::session(&session, context),
        Command::Usage => usage::usage(context),
        Command::Keys(keys) => keys::keys(&keys, context),
        Command::Export(export) => export::export(&export, context),
        Command::Bench(bench) => bench::bench(&bench, context),
        Command::Login(_) | Command::Logout | Command::Completions { .. } | Command::Hook(_) | Command::Doctor => {
            Ok(())
        }
    }
}
