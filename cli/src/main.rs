//! `friend`, the command line of Claude's Friend. docs/cli.md says what each command does and shows.

mod arguments;
mod client;
mod clock;
mod commands;
mod configuration;
mod context;
mod escapes;
mod failure;
mod keyring;
mod output;
mod project;
mod push;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use crate::{arguments::Arguments, failure::Exit, output::Output};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // A hook of a newer Claude Code. 2, as for all that is not understood, would stop it there.
        Err(error) if error.use_stderr() && is_hook(std::env::args_os().skip(1)) => return ExitCode::SUCCESS,
        Err(error) => error.exit(),
    };
    let output = Output { json: arguments.global.json, quiet: arguments.global.quiet };
    // Whoever presses Ctrl-C is told what becomes of what is under way; the code is the one that shells give.
    let _ = ctrlc::set_handler(move || {
        commands::interrupted().say(output.json);
        std::process::exit(i32::from(Exit::Interrupted as u8));
    });
    match commands::run(arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.say(output.json);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// True where a hook is meant, whatever else of the command line is not understood.
fn is_hook(mut arguments: impl Iterator<Item = OsString>) -> bool {
    while let Some(argument) = arguments.next() {
        if argument == "--url" {
            arguments.next();
        } else if !argument.to_string_lossy().starts_with('-') {
            return argument == "hook";
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_told_from_what_is_sought() {
        let is_hook = |line: &str| is_hook(line.split(' ').map(OsString::from));
        assert!(is_hook("hook post-tool-use") && is_hook("--quiet --url https://a.example hook stop --newer"));
        assert!(!is_hook("search hook --bogus") && !is_hook("--url hook usage") && !is_hook("--json"));
    }
}
