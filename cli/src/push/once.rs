//! One push.

use std::{path::PathBuf, time::Instant};

use super::{
    files::{self, Found},
    manifest::{self, Compared},
    prune,
    report::Report,
    send,
};
use crate::{
    arguments::Push,
    context::Context,
    failure::{Exit, Failure},
    project::Project,
};

/// From the files to the table. All that was to be sent has arrived then, whatever becomes of it
/// ([`Report::outcome`]).
///
/// # Errors
/// It cannot be pushed, or only in part.
pub fn push(project: &Project, paths: &[PathBuf], arguments: &Push, context: &Context) -> Result<Report, Failure> {
    let began = Instant::now();
    let found = files::find(project, paths, arguments.into())?;
    let compared = compare(project, &found, arguments, context)?;
    let mut report = Report::new(project, &found, &compared);
    if arguments.dry_run {
        report.plan(&compared);
        report.price(context)?;
        report.show(arguments, context, began.elapsed());
        return Ok(report);
    }
    // Who cannot be asked hears so before anything is sent.
    let gone = if arguments.prune { prune::find(project, paths, &found, arguments, context)? } else { Vec::new() };
    let mut done = send::send(project, &compared, arguments, context, &mut report);
    if arguments.prune && done.is_ok() {
        done = prune::prune(gone, &found, arguments, context, &mut report);
    }
    // What is done is said, whatever was not.
    report.show(arguments, context, began.elapsed());
    done.map(|()| report)
}

/// What the server does not have as it is here. A server that knows no manifest gets everything, and knows itself
/// what of it is there.
fn compare(project: &Project, found: &Found, arguments: &Push, context: &Context) -> Result<Compared, Failure> {
    if arguments.force {
        return Ok(Compared::all_missing(&found.files));
    }
    match manifest::compare(project, &found.files, context) {
        Err(Failure { exit: Exit::NotFound, .. }) => {
            context.output.say("this deployment is older and knows no manifest: everything is sent");
            Ok(Compared::all_missing(&found.files))
        }
        compared => compared,
    }
}
