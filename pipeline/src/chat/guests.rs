//! What guests of a session may read of its owner's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    constants,
    filters::{DOCUMENT_IDS, Filters},
    ids::DocumentId,
    merge_patch::{Change, without_defaults},
    schema,
};

/// What the questions of a session's guests are answered from: documents that carry every one of the tags
/// and, where documents are named, are among them. Nothing if neither is named: never memories or profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
// A field misspelt would open more than was meant.
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct GuestScope {
    /// Every one of these tags.
    #[schemars(
        length(max = constants::TAGS),
        inner(length(min = 1, max = constants::TAG_BYTES), regex(pattern = schema::TAG))
    )]
    pub tags: Vec<String>,
    /// One of these documents.
    #[schemars(length(max = DOCUMENT_IDS))]
    pub document_ids: Vec<DocumentId>,
}

/// What is changed of it, as RFC 7396 merges it: `null` closes what was open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, transform = without_defaults)]
pub struct GuestPatch {
    /// Every one of these tags.
    #[serde(skip_serializing_if = "Change::is_none")]
    #[schemars(
        length(max = constants::TAGS),
        inner(length(min = 1, max = constants::TAG_BYTES), regex(pattern = schema::TAG))
    )]
    pub tags: Change<Vec<String>>,
    /// One of these documents.
    #[serde(skip_serializing_if = "Change::is_none")]
    #[schemars(length(max = DOCUMENT_IDS))]
    pub document_ids: Change<Vec<DocumentId>>,
}

impl GuestPatch {
    /// What closes all that was open.
    pub const CLOSED: Self = Self { tags: Change::Removed, document_ids: Change::Removed };

    /// What it opens.
    pub fn opened(&self) -> GuestScope {
        let Self { tags, document_ids } = self.clone();
        GuestScope { tags: tags.value().unwrap_or_default(), document_ids: document_ids.value().unwrap_or_default() }
    }
}

impl GuestScope {
    /// What sources must be; `None` if nothing is open, where filters without a condition would let all pass.
    pub fn filters(&self) -> Option<Filters> {
        if self.tags.is_empty() && self.document_ids.is_empty() {
            return None;
        }
        Some(Filters { tags: self.tags.clone(), document_ids: self.document_ids.clone(), ..Filters::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_named_opens_nothing() {
        assert_eq!(GuestScope::default().filters(), None);
        let scope: GuestScope = serde_json::from_str(r#"{"tags": ["public"]}"#).unwrap();
        assert_eq!(scope.filters().unwrap().tags, ["public"]);
    }

    #[test]
    fn a_field_misspelt_opens_nothing_either() {
        assert!(serde_json::from_str::<GuestScope>(r#"{"tags": ["public"], "document_id": []}"#).is_err());
    }
}
