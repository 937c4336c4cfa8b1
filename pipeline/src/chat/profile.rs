//! What a user says about themselves, and how they want to be answered: `users.profile`.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tenant::Tenant;

/// A user's profile; what is not said has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Profile {
    /// In their own words: who they are, what they work on.
    pub about: String,
    /// How they want to be answered.
    pub preferences: Preferences,
    /// How long they keep what.
    pub retention: Retention,
}

/// Days after which something goes by itself, by kind; without a number it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Retention {
    /// Documents, since they were uploaded.
    pub document_days: Option<NonZeroU32>,
    /// Conversations, since they were last continued.
    pub conversation_days: Option<NonZeroU32>,
    /// Memories that are not pinned, since they were made.
    pub memory_days: Option<NonZeroU32>,
}

/// Choices that hold for every conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
pub struct Preferences {
    /// What they state about themselves is remembered without asking.
    pub accept_memories: bool,
    /// How answers should be: "short", "in German", ….
    pub style: String,
}

impl Profile {
    /// A user's profile; one that cannot be read counts as none.
    pub fn of(tenant: &Tenant) -> Self {
        tenant.profile.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// What of a stored profile belongs into a prompt.
    pub fn about(text: &str) -> Option<String> {
        let profile: Self = serde_json::from_str(text).ok()?;
        let style = profile.preferences.style.trim();
        let style = if style.is_empty() { String::new() } else { format!("Wants answers: {style}") };
        let lines: Vec<&str> = [profile.about.trim(), &style].into_iter().filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}
