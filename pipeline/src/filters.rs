//! What chunks must be to be found.

use serde::{Deserialize, Serialize};

use crate::{ids::DocumentId, time::Timestamp};

/// What hits must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// One of the document types.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A language.
    pub language: Option<String>,
    /// Every one of these tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// One of these documents.
    #[serde(default)]
    pub document_ids: Vec<DocumentId>,
    /// Dated at or after this.
    pub created_after: Option<Timestamp>,
    /// Dated before this.
    pub created_before: Option<Timestamp>,
}
