//! `friend`, the command line of Claude's Friend. docs/cli.md says what each command does and shows.

mod arguments;
mod client;
mod clock;
mod commands;
mod configuration;
mod context;
mod failure;
mod keyring;
mod output;
mod project;
mod push;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    arguments::Arguments,
    failure::{Exit, Failure},
    output::Output,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output { json: arguments.global.json, quiet: arguments.global.quiet };
    // Whoever presses Ctrl-C is told what becomes of what is under way; the code is the one that shells give.
    let _ = ctrlc::set_handler(move || {
        say(&commands::interrupted(), output);
        std::process::exit(i32::from(Exit::Interrupted as u8));
    });
    match commands::run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure, output);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn say(failure: &Failure, output: Output) {
    if output.json {
        anstream::eprintln!("{}", failure.json());
    } else {
        anstream::eprintln!("{}", failure.text());
    }
}
