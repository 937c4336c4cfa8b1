//! Functions that a client of `/v1` offers to the models, and their calls: in the shape of `OpenAI`'s API, in which
//! Workers AI takes them. Nothing here calls a function: that is the client's.
//! <https://developers.cloudflare.com/workers-ai/features/function-calling>/

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{chat::arguments, ids::TurnId, platform::statement::json, schema};

/// What a tool is: a function is the only kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ToolKind {
    /// A function of the client's program.
    #[default]
    Function,
}

/// Something that a model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: FunctionDefinition,
}

/// A function as a model is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionDefinition {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The JSON schema of the object that it takes.
    pub parameters: Value,
}

/// Which calls an answer may or must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// Of any function.
    Any(ToolMode),
    /// Of this function.
    One(NamedTool),
}

/// Whether the model decides that it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolMode {
    /// The model decides.
    Auto,
    /// It must call.
    Required,
}

/// The function that a model must call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedTool {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: FunctionName,
}

/// A function by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionName {
    /// The name.
    pub name: String,
}

impl ToolChoice {
    /// True if an answer without a call is none.
    pub fn is_forced(&self) -> bool {
        *self != Self::Any(ToolMode::Auto)
    }

    /// True if a function of this name may be called.
    fn allows(&self, name: &str) -> bool {
        match self {
            Self::Any(_) => true,
            Self::One(named) => named.function.name == name,
        }
    }
}

/// What a question offers to the models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferedTools {
    /// The functions.
    pub tools: Vec<Tool>,
    /// Which calls there may or must be.
    pub choice: ToolChoice,
    /// At most one call an answer.
    pub is_single: bool,
    /// What the arguments of some are held to, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub strict: BTreeMap<String, Value>,
}

/// A call of a function, by an id under which its result comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// The id.
    pub id: String,
    /// What is called.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: CalledFunction,
}

/// What a model calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct CalledFunction {
    /// The function's name.
    #[schemars(regex(pattern = schema::FUNCTION_NAME))]
    pub name: String,
    /// The object that it takes, as JSON.
    pub arguments: String,
}

impl ToolCall {
    /// The call at one place of a turn's answer: the same id however often the turn is answered.
    pub fn of_turn(turn: &TurnId, place: usize, function: CalledFunction) -> Self {
        let turn = turn.as_str().trim_start_matches(TurnId::PREFIX);
        Self { id: format!("call_{turn}_{place}"), kind: ToolKind::Function, function }
    }
}

/// The arguments of a call that names none.
pub const NO_ARGUMENTS: &str = "{}";

impl OfferedTools {
    /// What the functions are counted as among the words of a prompt.
    pub fn text(&self) -> String {
        json(&self.tools).unwrap_or_default()
    }

    /// The calls of an answer, in the shape that its model gives them: `{"name", "arguments"}`, or as `OpenAI` has it.
    /// Each must be of a function that is offered, with an object for it that fits where the function is strict: where
    /// one is not, none is a call.
    pub fn calls(&self, found: &[Value]) -> Vec<CalledFunction> {
        let read: Option<Vec<CalledFunction>> = found.iter().map(|call| self.call(call)).collect();
        let mut calls = read.unwrap_or_default();
        if self.is_single {
            calls.truncate(1);
        }
        calls
    }

    fn call(&self, found: &Value) -> Option<CalledFunction> {
        let function = found.get("function").filter(|function| function.is_object()).unwrap_or(found);
        let name = function.get("name")?.as_str()?;
        let is_offered = self.tools.iter().any(|tool| tool.function.name == name) && self.choice.allows(name);
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => NO_ARGUMENTS.to_owned(),
            Some(Value::String(text)) if text.trim().is_empty() => NO_ARGUMENTS.to_owned(),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(value) => value.to_string(),
        };
        let fits = serde_json::from_str::<Value>(&arguments).is_ok_and(|value| {
            value.is_object() && self.strict.get(name).is_none_or(|schema| arguments::fits(schema, &value))
        });
        (is_offered && fits).then(|| CalledFunction { name: name.to_owned(), arguments })
    }
}

/// True for the text of a JSON object.
pub fn is_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ids::RANDOM_BYTES, time::Timestamp};

    fn offered(choice: &Value, is_single: bool) -> OfferedTools {
        let tool = |name: &str| {
            let parameters = json!({"type": "object", "properties": {}});
            json!({"type": "function", "function": {"name": name, "description": "", "parameters": parameters}})
        };
        let tools = json!({"tools": [tool("look"), tool("add")], "choice": choice, "is_single": is_single});
        serde_json::from_value(tools).unwrap()
    }

    fn names(offered: &OfferedTools, found: &[Value]) -> Vec<String> {
        offered.calls(found).into_iter().map(|call| call.name).collect()
    }

    #[test]
    fn a_call_is_read_in_either_shape() {
        let auto = offered(&json!("auto"), false);
        let found = [
            json!({"name": "look", "arguments": {"at": "sea"}}),
            json!({"id": "x", "type": "function", "function": {"name": "add", "arguments": "{\"b\": 1, \"a\": 2}"}}),
            json!({"name": "look"}),
        ];
        let calls = auto.calls(&found);
        let arguments: Vec<&str> = calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, ["{\"at\":\"sea\"}", "{\"b\": 1, \"a\": 2}", "{}"], "a text stays as it is");
        assert_eq!(names(&offered(&json!("auto"), true), &found), ["look"], "one at a time");
    }

    #[test]
    fn where_one_call_is_none_there_is_none() {
        let auto = offered(&json!("auto"), false);
        let good = json!({"name": "look", "arguments": {}});
        for bad in [
            json!({"name": "fly", "arguments": {}}),
            json!({"name": "look", "arguments": "{\"at\":"}),
            json!({"name": "look", "arguments": [1]}),
            json!({"arguments": {}}),
            json!({"function": {"name": 5}}),
            json!("look"),
        ] {
            assert_eq!(names(&auto, &[good.clone(), bad.clone()]), Vec::<String>::new(), "{bad}");
        }
        let strict = BTreeMap::from([("look".to_owned(), json!({"required": ["at"]}))]);
        assert_eq!(
            names(&OfferedTools { strict, ..auto.clone() }, std::slice::from_ref(&good)),
            Vec::<String>::new(),
            "it is strict"
        );
        let one = offered(&json!({"type": "function", "function": {"name": "add"}}), false);
        assert_eq!(names(&one, &[good]), Vec::<String>::new(), "another is asked for");
        assert!(one.choice.is_forced() && !auto.choice.is_forced());
        assert!(offered(&json!("required"), false).choice.is_forced());
    }

    #[test]
    fn a_call_of_a_turn_has_the_same_id_each_time() {
        let turn = TurnId::new(Timestamp::from_milliseconds(1), [3; RANDOM_BYTES]);
        let call = |place| {
            let function = CalledFunction { name: "look".to_owned(), arguments: NO_ARGUMENTS.to_owned() };
            ToolCall::of_turn(&turn, place, function)
        };
        assert_eq!(call(0), call(0));
        assert_ne!(call(0).id, call(1).id);
        assert!(call(0).id.starts_with("call_") && call(0).id.len() <= 40, "{}", call(0).id);
        assert_eq!(serde_json::to_value(call(0)).unwrap()["type"], "function");
    }
}
