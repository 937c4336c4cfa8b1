//! `friend docs`: list, show, delete.

use pipeline::ids::DocumentId;
use serde_json::{Value, json};

use crate::{
    arguments::Docs,
    client::{Client, Request, pages},
    clock,
    context::Context,
    failure::{Exit, Failure},
    output,
};

/// Does one of them.
///
/// # Errors
/// There is no such document, or it cannot be done.
pub fn documents(command: &Docs, context: &Context) -> Result<(), Failure> {
    match command {
        Docs::Ls { prefix, limit } => list(prefix.as_deref(), *limit, context),
        Docs::Show { name } => show(name, context),
        Docs::Rm { prefix: Some(prefix), yes, .. } => remove_matching(prefix, *yes, context),
        Docs::Rm { names, .. } => remove(names, context),
    }
}

fn list(prefix: Option<&str>, limit: usize, context: &Context) -> Result<(), Failure> {
    let prefix = prefix.map(|prefix| format!("?prefix={}", pages::encoded(prefix))).unwrap_or_default();
    let documents = pages::list(&context.client, &format!("/api/documents{prefix}"), limit)?;
    context.output.data(&Value::Array(documents.clone()), || {
        let row = |document: &Value| {
            let field = if document["external_id"].is_null() { "id" } else { "external_id" };
            let uploaded = clock::ago(document["uploaded_at"].as_str().unwrap_or_default());
            let fields = ["type", "status", "bytes", "chunk_count"].map(|field| output::text(&document[field]));
            std::iter::once(output::text(&document[field])).chain(fields).chain([uploaded]).collect()
        };
        let rows = documents.iter().map(row).collect();
        output::table(&["name", "type", "status", "bytes", "chunks", "uploaded"], rows);
    });
    Ok(())
}

/// The id of the document that is called so. A name that looks like an id is one.
fn id_of(client: &Client, name: &str) -> Result<String, Failure> {
    if let Some(id) = DocumentId::parse(name) {
        return Ok(id.to_string());
    }
    let page = client.get(&format!("/api/documents?external_id={}", pages::encoded(name)))?;
    page["items"][0]["id"].as_str().map(pages::encoded).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no document {name:?}"))
            .advise("`friend docs ls` lists them, with a prefix those of a folder")
    })
}

fn show(name: &str, context: &Context) -> Result<(), Failure> {
    let id = id_of(&context.client, name)?;
    if context.output.json {
        let whole = context.client.get(&format!("/api/documents/{id}?text=true"))?;
        context.output.data(&whole, || {});
        return Ok(());
    }
    let path = format!("/api/documents/{id}/original");
    let original = context.client.send(&Request::new("GET", &path))?;
    output::document(&original.body)
}

/// Deletes each, whatever became of the others.
fn remove(names: &[String], context: &Context) -> Result<(), Failure> {
    let mut deleted = Vec::new();
    let mut missing = Vec::new();
    let mut end = Ok(());
    for name in names {
        match remove_one(name, context) {
            Ok(receipt) => {
                deleted.push(receipt);
                if !context.output.json {
                    output::line(&format!("deleted {name}"));
                }
            }
            Err(failure) if failure.exit == Exit::NotFound => missing.push((name, failure)),
            Err(failure) => {
                end = Err(failure);
                break;
            }
        }
    }
    let is_any = !deleted.is_empty();
    context.output.data(&Value::Array(deleted), || {});
    end.and_then(|()| all_found(missing, is_any))
}

fn remove_one(name: &str, context: &Context) -> Result<Value, Failure> {
    let id = id_of(&context.client, name)?;
    let receipt = context.client.send(&Request::new("DELETE", &format!("/api/documents/{id}")))?.json()?;
    // The answer to an attempt that did it may have been lost.
    Ok(if receipt.is_null() { json!({ "document_id": id }) } else { receipt })
}

fn all_found(mut missing: Vec<(&String, Failure)>, is_any: bool) -> Result<(), Failure> {
    let names: Vec<String> = missing.iter().map(|(name, _)| format!("{name:?}")).collect();
    match missing.pop() {
        None => Ok(()),
        Some((_, failure)) if !is_any && missing.is_empty() => Err(failure),
        Some((_, failure)) => {
            let exit = if is_any { Exit::Partial } else { Exit::NotFound };
            Err(Failure { exit, said: format!("there are no documents {}", names.join(", ")), ..failure })
        }
    }
}

fn remove_matching(prefix: &str, yes: bool, context: &Context) -> Result<(), Failure> {
    let path = format!("/api/documents?prefix={}", pages::encoded(prefix));
    let shown = context.client.send(&Request::new("DELETE", &format!("{path}&dry_run=true")))?.json()?;
    let count = |answer: &Value| answer["deleted"].as_u64().unwrap_or(0) + answer["remaining"].as_u64().unwrap_or(0);
    let all = count(&shown);
    if all == 0 {
        return Err(Failure::new(Exit::NotFound, format!("no document's name begins with {prefix:?}")));
    }
    if !yes && !output::confirm(&format!("Delete {all} documents whose names begin with {prefix:?}?"), "--yes")? {
        return Ok(());
    }
    let mut deleted = 0;
    let mut cursor = String::new();
    loop {
        let answer = context.client.send(&Request::new("DELETE", &format!("{path}{cursor}")))?.json()?;
        deleted += answer["deleted"].as_u64().unwrap_or(0);
        if answer["remaining"].as_u64().unwrap_or(0) == 0 {
            break;
        }
        cursor = format!("&cursor={}", pages::encoded(answer["next_cursor"].as_str().unwrap_or_default()));
    }
    context.output.data(&json!({ "deleted": deleted }), || output::line(&format!("deleted {deleted} documents")));
    Ok(())
}
