//! A document as a client sends it, and what a JSON body holds of them.

use std::borrow::Cow;

use bytes::Bytes;
use pipeline::{constants, date, filters::DOCUMENT_TYPES, schema, time::Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Map;

use crate::media;

/// A document as a client sends it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(rename = "Document")]
pub struct DocumentInput {
    /// The client's name for it: a path, a URL, a key. Uploading it again makes a new revision.
    #[schemars(length(min = 1, max = constants::TITLE_BYTES), regex(pattern = schema::TAG))]
    pub external_id: Option<String>,
    /// Defaults to the last part of the external id.
    #[schemars(length(max = constants::TITLE_BYTES), regex(pattern = schema::LINE))]
    pub title: Option<String>,
    /// The text.
    #[schemars(
        with = "String",
        length(min = 1, max = constants::DOCUMENT_BYTES),
        regex(pattern = schema::TEXT_WITHOUT_NUL)
    )]
    pub content: Content,
    /// `code`, `doc` or `conversation`; by default what the name's ending says.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = schema::one_of_or_null(&DOCUMENT_TYPES)))]
    pub kind: Option<String>,
    /// Programming or natural language; by default what the name's ending says.
    #[schemars(length(max = constants::TAG_BYTES), regex(pattern = schema::LINE))]
    pub language: Option<String>,
    /// Media type of the content; by default what the name's ending says.
    #[schemars(extend("pattern" = media::pattern()))]
    pub media_type: Option<String>,
    /// Free words to filter by.
    #[serde(default)]
    #[schemars(
        length(max = constants::TAGS),
        inner(length(min = 1, max = constants::TAG_BYTES), regex(pattern = schema::TAG))
    )]
    pub tags: Vec<String>,
    /// Anything the client wants back with the document.
    pub metadata: Option<Map<String, serde_json::Value>>,
    /// The document's own date, RFC 3339 or milliseconds since 1970; by default the time of the upload.
    #[serde(default, deserialize_with = "date::optional")]
    #[schemars(schema_with = "date::schema")]
    pub created_at: Option<Timestamp>,
    /// Git's hash of the file's bytes, 40 or 64 hexadecimal digits in lower case: by it
    /// `POST /api/documents/manifest` tells what need not be sent again.
    #[schemars(regex(pattern = schema::BLOB))]
    pub blob: Option<String>,
}

/// Content as bytes: a JSON string's or a file's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Content(pub Bytes);

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

/// A JSON body: one document, an array of them, or an object that holds the array. Each is read alone, so
/// that one that is wrong fails alone; there is no value of this type.
#[derive(Clone, Copy, Debug)]
pub enum Documents {}

impl JsonSchema for Documents {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Documents")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let document = generator.subschema_for::<DocumentInput>();
        let most = constants::DOCUMENTS_PER_REQUEST;
        let many = json_schema!({ "type": "array", "minItems": 1, "maxItems": most, "items": document });
        json_schema!({ "oneOf": [
            document,
            many,
            { "type": "object", "required": ["documents"], "properties": { "documents": many } },
        ] })
    }
}
