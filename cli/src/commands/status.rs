//! `friend status`: how the deployment is, and what is under way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    arguments::Status,
    client::pages,
    clock,
    context::Context,
    failure::Failure,
    output::{self, BAD, DIM, GOOD, WARNING, styled},
    push,
};

const EVERY: Duration = Duration::from_secs(2);
/// Jobs looked at: what is under way is among the newest.
const JOBS: usize = 50;

/// Shows it, once or until nothing is under way.
///
/// # Errors
/// The deployment is not reached.
pub fn status(arguments: &Status, context: &Context) -> Result<(), Failure> {
    loop {
        let health = context.client.get("/health")?;
        let jobs = pages::list(&context.client, "/api/jobs", JOBS)?;
        let open: Vec<Value> = jobs.iter().filter(|job| !push::has_ended(job)).cloned().collect();
        let views = open.iter().filter_map(|job| job["id"].as_str());
        let views = views.map(|id| context.client.get(&format!("/api/jobs/{id}"))).collect::<Result<Vec<_>, _>>()?;
        let last = jobs.iter().find(|job| push::has_ended(job));
        context.output.data(&json!({ "health": health, "jobs": views }), || show(&health, &views, last));
        let all_parked = views.iter().all(push::is_parked);
        if !arguments.watch || all_parked {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

fn show(health: &Value, views: &[Value], last: Option<&Value>) {
    let well = output::text(&health["status"]);
    let style = if well == "ok" { GOOD } else { BAD };
    output::line(&format!(
        "{}  version {}, plan {}",
        styled(style, &well),
        output::text(&health["version"]),
        output::text(&health["plan"])
    ));
    if let Some(problem) = health["configuration"].as_str() {
        output::line(&styled(WARNING, &output::harmless(problem)));
    }
    for view in views {
        output::line(&format!("{} {} {}", output::text(&view["id"]), output::text(&view["kind"]), progress(view)));
    }
    if views.is_empty() {
        output::line("nothing is under way");
    }
    if let Some(last) = last {
        let ended = clock::ago(last["finished_at"].as_str().unwrap_or_default());
        output::line(&styled(
            DIM,
            &format!("last: {} {} {ended}", output::text(&last["kind"]), output::text(&last["status"])),
        ));
    }
}

/// How far a job is, in a line.
pub fn progress(view: &Value) -> String {
    let stages = view["stages"].as_array().into_iter().flatten();
    let stages: Vec<String> =
        stages.map(|stage| format!("{} {}/{}", output::text(&stage["name"]), stage["done"], stage["total"])).collect();
    let status = output::text(&view["status"]);
    let until = view["parked_until"].as_str().filter(|_| status == "parked").map(clock::text_of);
    let why = output::text(&view["parked_why"]);
    let parked = until.map(|until| format!(" until {until}: {why}")).unwrap_or_default();
    format!("{status}{parked}  {}", stages.join(", "))
}
