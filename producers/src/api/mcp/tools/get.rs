//! `friend_get`: a document, or some lines of it.

use pipeline::{
    ids::{DocumentId, UserId},
    problem::{Code, Problem},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    links::{self, Link},
    passage::{self, Passage, Wanted},
    tool::{NO_CURSOR, Told, ToolAnswer, bytes},
};
use crate::http::call::{Call, RequestPorts};

/// What is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FriendGet")]
pub struct Arguments {
    /// The document: its id (`doc_…`), its name as it was indexed (such as a path), or a link
    /// (`friend://doc/…#L10-L42`), whose lines are read.
    document: String,
    /// The first line, from 1.
    #[schemars(range(min = 1))]
    start_line: Option<u32>,
    /// The last line.
    #[schemars(range(min = 1))]
    end_line: Option<u32>,
    /// Longest answer in tokens, 100 to 25000; about 2000 without it.
    #[schemars(range(min = 100, max = 25_000))]
    max_tokens: Option<u32>,
    /// `next_cursor` of the answer before, for what follows it.
    cursor: Option<String>,
}

/// What was read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    /// The document.
    document_id: DocumentId,
    /// Its name.
    file: Option<String>,
    /// Its title.
    title: Option<String>,
    /// The first line that was read, from 1; null in what was indexed before lines were counted.
    start_line: Option<i64>,
    /// The last line that was read.
    end_line: Option<i64>,
    /// Leads to these lines.
    link: String,
    /// The text.
    text: String,
    /// For what follows, if more was wanted than there was room for.
    next_cursor: Option<String>,
}

/// Answers the tool.
pub async fn get<P: RequestPorts>(ports: &P, call: &Call<'_>, asked: Arguments) -> Told {
    let user = &call.tenant.user;
    let (id, lines) = named(user, &asked.document)?;
    let wanted = Wanted {
        from_line: asked.start_line.map(i64::from).or(lines.map(|lines| lines.0)),
        to_line: asked.end_line.map(i64::from).or(lines.map(|lines| lines.1)),
        from_byte: asked.cursor.as_deref().map(cursor).transpose()?,
        bytes: bytes(asked.max_tokens)?,
    };
    if wanted.from_line.zip(wanted.to_line).is_some_and(|(first, last)| first > last) {
        let detail = "the last line stands before the first";
        return Err(Problem::field(Code::Invalid, "/end_line", detail).into());
    }
    let Passage { document, text, lines, next } = passage::read(ports, user, &id, wanted).await?;
    let answer = Answer {
        link: links::document(&document.id, lines),
        document_id: document.id,
        file: document.external_id,
        title: document.title,
        start_line: lines.map(|lines| lines.0),
        end_line: lines.map(|lines| lines.1),
        text,
        next_cursor: next.map(|byte| format!("b{byte}")),
    };
    Ok(ToolAnswer::new(in_words(&answer), &answer)?)
}

/// The document that is meant, and lines of it if it is a link that names them. A name that looks like an id is one.
fn named(user: &UserId, name: &str) -> Result<(DocumentId, Option<(i64, i64)>), Problem> {
    if name.starts_with("friend://") {
        return match links::read(name) {
            Some(Link::Document(id, lines)) => Ok((id, lines)),
            _ => Err(Problem::field(Code::Invalid, "/document", "this is no link to a document: friend://doc/{id}")),
        };
    }
    Ok((DocumentId::parse(name).unwrap_or_else(|| DocumentId::from_external_id(user, name)), None))
}

fn cursor(text: &str) -> Result<i64, Problem> {
    let byte = text.strip_prefix('b').and_then(|byte| byte.parse().ok()).filter(|byte: &i64| *byte >= 0);
    byte.ok_or_else(|| Problem::field(Code::Invalid, "/cursor", NO_CURSOR))
}

fn in_words(answer: &Answer) -> String {
    let file = answer.file.as_deref().or(answer.title.as_deref()).unwrap_or(answer.document_id.as_str());
    let lines = answer.start_line.zip(answer.end_line).map(|(first, last)| format!(", lines {first} to {last}"));
    let mut text = format!("{file}{} ({})\n\n{}", lines.unwrap_or_default(), answer.link, answer.text);
    if let Some(cursor) = &answer.next_cursor {
        text.push_str(&format!("\n\nIt goes on: call again with the same arguments and cursor {cursor:?}."));
    }
    text
}
