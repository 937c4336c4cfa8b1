//! `friend keys`: list, issue, revoke.

use serde_json::{Value, json};

use crate::{
    arguments::Keys,
    client::{Request, pages},
    clock,
    context::Context,
    failure::Failure,
    output::{self, GOOD, styled},
};

/// More than anybody keeps.
const ALL: usize = 1_000;

/// Does one of them.
///
/// # Errors
/// It is refused.
pub fn keys(command: &Keys, context: &Context) -> Result<(), Failure> {
    match command {
        Keys::Ls => list(context),
        Keys::New { name } => {
            // Never sent twice: a key that nobody saw would be good for ever.
            let issued = context.client.json(Request::new("POST", "/api/keys"), &json!({ "name": name }))?;
            context.output.data(&issued, || {
                output::line(&output::text(&issued["key"]));
                anstream::eprintln!("{}", styled(GOOD, "It is shown here and never again."));
            });
            Ok(())
        }
        Keys::Revoke { id, force } => {
            let path = format!("/api/keys/{}?force={force}", pages::encoded(id));
            context.client.send(&Request::new("DELETE", &path))?;
            context.output.data(&json!({ "revoked": id }), || output::line(&format!("revoked {id}")));
            Ok(())
        }
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let keys = pages::list(&context.client, "/api/keys", ALL)?;
    context.output.data(&Value::Array(keys.clone()), || {
        let row = |key: &Value| {
            let created = clock::text_of(key["created_at"].as_str().unwrap_or_default());
            let state = if key["revoked_at"].is_null() { "valid" } else { "revoked" };
            vec![output::text(&key["id"]), output::text(&key["name"]), created, state.to_owned()]
        };
        output::table(&["id", "name", "issued", "state"], keys.iter().map(row).collect());
    });
    Ok(())
}
