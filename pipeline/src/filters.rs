//! What chunks must be to be found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{constants, date, ids::DocumentId, schema, time::Timestamp};

/// The types a document can have.
pub const DOCUMENT_TYPES: [&str; 3] = ["code", "doc", "conversation"];
/// Most documents one filter names.
pub const DOCUMENT_IDS: usize = 100;

/// What hits must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Filters {
    /// One of the document types.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = schema::one_of_or_null(&DOCUMENT_TYPES)))]
    pub kind: Option<String>,
    /// A language, whatever its case.
    pub language: Option<String>,
    /// Every one of these tags, whatever their case; an empty list is no condition.
    #[serde(default)]
    #[schemars(length(max = constants::TAGS))]
    pub tags: Vec<String>,
    /// One of these documents; an empty list is no condition.
    #[serde(default)]
    #[schemars(length(max = DOCUMENT_IDS))]
    pub document_ids: Vec<DocumentId>,
    /// Dated at or after this: RFC 3339, or milliseconds since 1970.
    #[serde(default, deserialize_with = "date::optional")]
    #[schemars(schema_with = "date::schema")]
    pub created_after: Option<Timestamp>,
    /// Dated before this, in the same way.
    #[serde(default, deserialize_with = "date::optional")]
    #[schemars(schema_with = "date::schema")]
    pub created_before: Option<Timestamp>,
}
