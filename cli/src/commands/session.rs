//! `friend session`: a live session as a room in the terminal.

mod room;

use serde_json::{Value, json};

use crate::{
    arguments::Session,
    client::{Request, pages},
    clock,
    context::Context,
    failure::{Exit, Failure},
    output,
};

/// More than anybody keeps open.
const ALL: usize = 1_000;

/// Does one of them.
///
/// # Errors
/// It is refused.
pub fn session(command: &Session, context: &Context) -> Result<(), Failure> {
    match command {
        Session::Ls => list(context),
        Session::Open { title } => {
            let session = context.client.json(Request::new("POST", "/api/session"), &json!({ "title": title }))?;
            let id = session["id"].as_str().ok_or_else(|| Failure::new(Exit::Failed, "no session was opened"))?;
            if context.output.json {
                context.output.data(&session, || {});
                return Ok(());
            }
            context.output.say(&format!("{id}: others join with `friend session join {id}`"));
            room::enter(id, None, context)
        }
        Session::Join { id, ticket } => room::enter(id, ticket.as_deref(), context),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let sessions = pages::list(&context.client, "/api/session", ALL)?;
    context.output.data(&Value::Array(sessions.clone()), || {
        let row = |session: &Value| {
            let updated = clock::ago(session["updated_at"].as_str().unwrap_or_default());
            let fields = ["id", "state", "title"].map(|field| output::text(&session[field]));
            fields.into_iter().chain([updated]).collect()
        };
        output::table(&["id", "state", "title", "last"], sessions.iter().map(row).collect());
    });
    Ok(())
}
