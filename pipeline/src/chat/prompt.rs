//! What a prompt is made of: messages, and who each is by.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{chat::tools::ToolCall, platform::statement::json};

/// Who a message of a prompt is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instructions to the model.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// What came of a call of the model's.
    Tool,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who it is by.
    pub role: Role,
    /// What it says.
    pub content: String,
    /// What the model called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl PromptMessage {
    /// A message that is text.
    pub const fn new(role: Role, content: String) -> Self {
        Self { role, content, tool_calls: Vec::new(), tool_call_id: None }
    }

    /// All that a model reads of it: what its tokens are counted of.
    pub fn text(&self) -> Cow<'_, str> {
        if self.tool_calls.is_empty() {
            return Cow::from(&self.content);
        }
        Cow::from(format!("{}{}", self.content, json(&self.tool_calls).unwrap_or_default()))
    }

    /// True if it is a call, or what came of one.
    pub fn is_about_tools(&self) -> bool {
        self.role == Role::Tool || !self.tool_calls.is_empty()
    }
}
