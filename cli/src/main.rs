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

use crate::{
    arguments::Arguments,
    failure::{Exit, Failure},
    output::Output,
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // A hook of a newer Claude Code. 2, as for all that is not understood, would stop it there.
        Err(error) if error.use_stderr() && is_hook(std::env::args_os().skip(1)) => return ExitCode::SUCCESS,
        Err(error) if error.use_stderr() && wants_json(std::env::args_os()) => {
            let failure = not_understood(&error);
            failure.say(true);
            return ExitCode::from(failure.exit as u8);
        }
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

/// True where a program reads errors, whatever else of the command line is not understood.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// What is wrong with a command line, and how it is called, without what is drawn around them.
fn not_understood(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let said = paragraphs.next().unwrap_or_default();
    let failure = Failure::new(Exit::Usage, said.strip_prefix("error: ").unwrap_or(said));
    match paragraphs.find_map(|paragraph| paragraph.strip_prefix("Usage: ")) {
        Some(usage) => failure.advise(usage),
        None => failure.advise("`friend --help` lists what there is"),
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
    fn an_error_of_usage_is_told_to_programs_in_one_value() {
        let line = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let error = Arguments::try_parse_from(line("friend search --top many fence")).unwrap_err();
        let failure = not_understood(&error);
        assert!(failure.exit == Exit::Usage && failure.said.starts_with("invalid value 'many'"), "{failure:?}");
        let missing = not_understood(&Arguments::try_parse_from(line("friend search")).unwrap_err());
        assert!(missing.advice.is_some_and(|advice| advice.starts_with("friend search")));
        assert!(wants_json(line("friend search --json").into_iter()));
        assert!(!wants_json(line("friend search -- --json").into_iter()));
    }

    #[test]
    fn a_hook_is_told_from_what_is_sought() {
        let is_hook = |line: &str| is_hook(line.split(' ').map(OsString::from));
        assert!(is_hook("hook post-tool-use") && is_hook("--quiet --url https://a.example hook stop --newer"));
        assert!(!is_hook("search hook --bogus") && !is_hook("--url hook usage") && !is_hook("--json"));
    }
}
