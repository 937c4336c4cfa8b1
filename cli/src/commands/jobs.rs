//! `friend jobs`: list, show, retry, cancel.

use serde_json::Value;

use super::status::progress;
use crate::{
    arguments::Jobs,
    client::{Request, pages},
    clock,
    context::Context,
    failure::Failure,
    output::{self, BAD, styled},
};

/// Does one of them.
///
/// # Errors
/// There is no such job, or it cannot be done to it.
pub fn jobs(command: &Jobs, context: &Context) -> Result<(), Failure> {
    match command {
        Jobs::Ls { limit } => list(*limit, context),
        Jobs::Show { id } => {
            let view = context.client.get(&format!("/api/jobs/{}", pages::encoded(id)))?;
            show(&view, context);
            Ok(())
        }
        Jobs::Retry { id } => act(id, "retry", context),
        Jobs::Cancel { id } => act(id, "cancel", context),
    }
}

fn list(limit: usize, context: &Context) -> Result<(), Failure> {
    let jobs = pages::list(&context.client, "/api/jobs", limit)?;
    context.output.data(&Value::Array(jobs.clone()), || {
        let row = |job: &Value| {
            let created = clock::ago(job["created_at"].as_str().unwrap_or_default());
            let fields = ["id", "kind", "status", "documents", "rejected"].map(|field| output::text(&job[field]));
            fields.into_iter().chain([created]).collect()
        };
        output::table(&["id", "kind", "status", "documents", "rejected", "begun"], jobs.iter().map(row).collect());
    });
    Ok(())
}

/// Once more does no harm: what is cancelled stays so, what is tried again is tried once.
fn act(id: &str, what: &str, context: &Context) -> Result<(), Failure> {
    let path = format!("/api/jobs/{}/{what}", pages::encoded(id));
    let view = context.client.send(&Request::new("POST", &path).repeatable())?.json()?;
    show(&view, context);
    Ok(())
}

fn show(view: &Value, context: &Context) {
    context.output.data(view, || {
        output::line(&format!("{} {} {}", output::text(&view["id"]), output::text(&view["kind"]), progress(view)));
        let items = view["items"].as_object().into_iter().flatten();
        let counts: Vec<String> = items
            .filter(|(_, count)| count.as_i64() != Some(0))
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if !counts.is_empty() {
            output::line(&format!("documents: {}", counts.join(", ")));
        }
        for error in view["errors"].as_array().into_iter().flatten() {
            output::line(&styled(BAD, &output::text(&error["detail"])));
        }
    });
}
