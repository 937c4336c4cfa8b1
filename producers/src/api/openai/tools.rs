//! The functions that a client offers to the models: `tools`, `tool_choice`, `parallel_tool_calls`, and the calls of
//! before that it sends along. They are kept as Workers AI takes them.
//! <https://platform.openai.com/docs/guides/function-calling>

use std::collections::BTreeMap;

use pipeline::{
    chat::tools::{
        FunctionDefinition, FunctionName, NO_ARGUMENTS, NamedTool, OfferedTools, Tool, ToolCall, ToolChoice, ToolKind,
        ToolMode, is_object,
    },
    nearest,
    problem::{Problem, excerpt},
    schema,
};
use schemars::JsonSchema;
use serde_json::{Map, Value, json, value::RawValue};

use super::fields::{Fields, missing, unsupported, wrong};

/// A tool as clients send it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ChatCompletionTool")]
#[expect(dead_code, reason = "it is described; read is each field by its rules")]
pub(super) struct SentTool {
    #[schemars(rename = "type")]
    kind: ToolKind,
    function: SentFunction,
}

#[derive(Debug, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "it is described")]
struct SentFunction {
    #[schemars(regex(pattern = schema::FUNCTION_NAME))]
    name: String,
    description: Option<String>,
    /// The JSON schema of the object that it takes.
    parameters: Option<Map<String, Value>>,
    /// True: a call whose arguments do not fit the schema is none.
    strict: Option<bool>,
}

/// Most functions of a request, and most characters of a name: as `OpenAI` has it.
const MOST_TOOLS: usize = 128;
const NAME_LENGTH: usize = 64;
const NAME: &str = "from 1 to 64 letters, digits, _ and -";

/// What a request offers to the models; nothing if they may call nothing.
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<OfferedTools>, Problem> {
    let tools = offered(fields)?;
    let strict = strict(fields);
    let is_single = fields.flag("parallel_tool_calls")? == Some(false);
    let choice = choice(fields, &tools)?;
    Ok(choice.filter(|_| !tools.is_empty()).map(|choice| OfferedTools { tools, choice, is_single, strict }))
}

fn offered(fields: &Fields<'_>) -> Result<Vec<Tool>, Problem> {
    let expected = || format!("an array of at most {MOST_TOOLS} tools");
    let sent =
        fields.value("tools", expected, |value| value.as_array().filter(|tools| tools.len() <= MOST_TOOLS).cloned())?;
    let mut tools: Vec<Tool> = Vec::new();
    for (place, sent) in sent.unwrap_or_default().iter().enumerate() {
        let name = format!("tools.{place}");
        let tool = tool(sent, &name)?;
        if tools.iter().any(|other| other.function.name == tool.function.name) {
            let expected = "the name of no other tool";
            return Err(wrong(&format!("{name}.function.name"), &tool.function.name, expected));
        }
        tools.push(tool);
    }
    Ok(tools)
}

/// What arguments are held to: the schemas of strict functions, as they were sent.
fn strict(fields: &Fields<'_>) -> BTreeMap<String, Value> {
    let tools: Vec<Value> =
        fields.get("tools").and_then(|tools| serde_json::from_str(tools.get()).ok()).unwrap_or_default();
    let functions = tools.iter().map(|tool| &tool["function"]).filter(|function| function["strict"] == true);
    let held = functions.map(|function| (function["name"].as_str().unwrap_or_default(), &function["parameters"]));
    held.filter(|(_, schema)| schema.is_object()).map(|(name, schema)| (name.to_owned(), schema.clone())).collect()
}

fn tool(sent: &Value, name: &str) -> Result<Tool, Problem> {
    let tool = Members::read(sent, name)?;
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        let detail = "a tool must have the type \"function\": no other kind is done here".to_owned();
        return Err(unsupported(&format!("{name}.type"), detail));
    }
    tool.hold_to(&["type", "function"])?;
    let name = format!("{name}.function");
    let function = Members::read(tool.get("function").ok_or_else(|| missing(&name))?, &name)?;
    function.hold_to(&["name", "description", "parameters", "strict"])?;
    Ok(Tool { kind: ToolKind::Function, function: definition(&function)? })
}

fn definition(function: &Members<'_>) -> Result<FunctionDefinition, Problem> {
    let name = function.get("name").and_then(Value::as_str).filter(|name| is_name(name));
    let name = name.ok_or_else(|| function.wrong("name", NAME))?.to_owned();
    let description = function.get("description").map_or(Some(""), Value::as_str);
    let description = description.ok_or_else(|| function.wrong("description", "a string"))?.to_owned();
    if function.get("strict").is_some_and(|strict| !strict.is_boolean()) {
        return Err(function.wrong("strict", "true or false"));
    }
    let expected = "the JSON schema of an object: its type is \"object\", and its properties are an object";
    let parameters = parameters(function.get("parameters")).ok_or_else(|| function.wrong("parameters", expected))?;
    Ok(FunctionDefinition { name, description, parameters })
}

/// An object within a parameter.
struct Members<'a> {
    members: &'a Map<String, Value>,
    /// Where it stands.
    name: &'a str,
}

impl<'a> Members<'a> {
    fn read(value: &'a Value, name: &'a str) -> Result<Self, Problem> {
        let members = value.as_object().ok_or_else(|| wrong(name, &value.to_string(), "an object"))?;
        Ok(Self { members, name })
    }

    /// `null` says nothing.
    fn get(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    fn wrong(&self, member: &str, expected: &str) -> Problem {
        let sent = self.get(member).map_or_else(|| "missing".to_owned(), Value::to_string);
        wrong(&format!("{}.{member}", self.name), &sent, expected)
    }

    fn hold_to(&self, known: &[&str]) -> Result<(), Problem> {
        let unknown = self.members.keys().find(|member| !known.contains(&member.as_str()));
        let Some(unknown) = unknown else { return Ok(()) };
        let detail = nearest::unknown("member", unknown, known.iter().copied());
        Err(unsupported(&format!("{}.{}", self.name, excerpt(unknown)), detail))
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    (1..=NAME_LENGTH).contains(&name.len()) && name.chars().all(is_allowed)
}

/// A schema as Workers AI takes it, which wants a type and a description of each property; `None` for one that is of
/// no object. <https://developers.cloudflare.com/workers-ai/models/qwen3-30b-a3b-fp8/>
fn parameters(sent: Option<&Value>) -> Option<Value> {
    let mut schema = sent.map_or_else(|| Some(Map::new()), |sent| sent.as_object().cloned())?;
    if schema.entry("type").or_insert_with(|| json!("object")) != "object" {
        return None;
    }
    let properties = schema.entry("properties").or_insert_with(|| json!({})).as_object_mut()?;
    for property in properties.values_mut() {
        let mut described = property.as_object().cloned().unwrap_or_default();
        described.insert("type".to_owned(), json!(kind(property)));
        described.entry("description").or_insert_with(|| json!(""));
        *property = Value::Object(described);
    }
    Some(Value::Object(schema))
}

/// The type of a property; of several the first that is not null, and of one that does not say it the likeliest.
fn kind(property: &Value) -> &str {
    let not_null = |kind: &&str| *kind != "null";
    match property.get("type") {
        Some(Value::String(kind)) => return kind,
        Some(Value::Array(kinds)) => return kinds.iter().filter_map(Value::as_str).find(not_null).unwrap_or("string"),
        _ => {}
    }
    let branches = ["anyOf", "oneOf", "allOf"].iter().filter_map(|name| property.get(*name)?.as_array()).flatten();
    let kinds = branches.filter_map(|branch| branch.get("type")?.as_str());
    if let Some(kind) = kinds.into_iter().find(not_null) {
        return kind;
    }
    let is_object = ["properties", "$ref", "anyOf", "allOf"].iter().any(|name| property.get(*name).is_some());
    match property.get("const").or_else(|| property.get("enum")?.get(0)) {
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        None if is_object => "object",
        _ => "string",
    }
}

/// What `tool_choice` may be.
const EXPECTED_CHOICE: &str = "\"none\", \"auto\", or with tools \"required\" or {\"type\": \"function\", \
                               \"function\": {\"name\": the name of one of them}}";

/// Which calls there may be; `None` if there may be none.
fn choice(fields: &Fields<'_>, tools: &[Tool]) -> Result<Option<ToolChoice>, Problem> {
    let named = |value: &Value| {
        let name = value.get("function")?.get("name")?.as_str()?;
        let is_offered = tools.iter().any(|tool| tool.function.name == name);
        let function = FunctionName { name: name.to_owned() };
        (value.get("type")? == "function" && is_offered)
            .then_some(ToolChoice::One(NamedTool { kind: ToolKind::Function, function }))
    };
    let expected = || EXPECTED_CHOICE.to_owned();
    let choice = fields.value("tool_choice", expected, |value| match value.as_str() {
        Some("none") => Some(None),
        Some("auto") => Some(Some(ToolChoice::Any(ToolMode::Auto))),
        Some("required") if !tools.is_empty() => Some(Some(ToolChoice::Any(ToolMode::Required))),
        _ => named(value).map(Some),
    })?;
    Ok(choice.unwrap_or(Some(ToolChoice::Any(ToolMode::Auto))))
}

/// The calls of a message that was sent along.
pub(super) fn read_calls(name: &str, raw: &RawValue) -> Result<Vec<ToolCall>, Problem> {
    let mut calls: Vec<ToolCall> = serde_json::from_str(raw.get()).map_err(|_| {
        let expected = "an array of calls, each with an id, the type \"function\", and a function that has a name \
                        and, as a text, arguments";
        wrong(name, raw.get(), expected)
    })?;
    for (place, call) in calls.iter_mut().enumerate() {
        let name = format!("{name}.{place}.function");
        if !is_name(&call.function.name) {
            return Err(wrong(&format!("{name}.name"), &call.function.name, NAME));
        }
        if call.function.arguments.trim().is_empty() {
            NO_ARGUMENTS.clone_into(&mut call.function.arguments);
        }
        if !is_object(&call.function.arguments) {
            return Err(wrong(&format!("{name}.arguments"), &call.function.arguments, "the text of a JSON object"));
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::{super::parameters::CHAT, *};

    fn offered_by(fields: &Value) -> Result<Option<OfferedTools>, Problem> {
        read(&Fields::read(fields.to_string().as_bytes(), CHAT)?)
    }

    fn look() -> Value {
        json!({"type": "function", "function": {"name": "look"}})
    }

    #[test]
    fn tools_are_kept_as_workers_ai_takes_them() {
        let properties = json!({"at": {"type": "string", "description": "Where"}, "far": {"type": ["null", "number"]},
                                "why": {"anyOf": [{"type": "null"}, {"type": "array"}]}, "how": {"enum": [1, 2]},
                                "who": {"$ref": "#/$defs/who"}, "any": {}});
        let parameters = json!({"properties": properties, "required": ["at"], "$defs": {"who": {"type": "object"}}});
        let function = json!({"name": "look_at", "description": "Looks.", "parameters": parameters, "strict": true});
        let tools = json!([{"type": "function", "function": function}, look()]);
        let offered = offered_by(&json!({"tools": tools, "parallel_tool_calls": false})).unwrap().unwrap();
        assert_eq!((offered.choice.clone(), offered.is_single), (ToolChoice::Any(ToolMode::Auto), true));
        let [first, second] = &offered.tools[..] else { unreachable!() };
        let kinds = ["at", "far", "why", "how", "who", "any"].map(|name| {
            let property = &first.function.parameters["properties"][name];
            assert!(property["description"].is_string(), "{property}");
            property["type"].as_str().unwrap().to_owned()
        });
        assert_eq!(kinds, ["string", "number", "array", "number", "object", "string"]);
        assert_eq!(first.function.parameters["required"], json!(["at"]));
        assert_eq!(second.function.parameters, json!({"type": "object", "properties": {}}));
        assert_eq!(second.function.description, "");
        let held: Vec<&str> = offered.strict.keys().map(String::as_str).collect();
        assert_eq!((held, &offered.strict["look_at"]["properties"]["any"]), (vec!["look_at"], &json!({})), "as sent");
    }

    #[test]
    fn a_choice_says_which_calls_there_may_be() {
        let choice = |choice: Value| {
            let offered = offered_by(&json!({"tools": [look()], "tool_choice": choice})).unwrap();
            offered.map(|offered| serde_json::to_value(offered.choice).unwrap())
        };
        let one = json!({"type": "function", "function": {"name": "look"}});
        for said in [json!("auto"), json!("required"), one] {
            assert_eq!(choice(said.clone()), Some(said));
        }
        assert_eq!((choice(Value::Null), choice(json!("none"))), (Some(json!("auto")), None));
        for nothing in [json!({}), json!({"tools": []}), json!({"tool_choice": "auto", "parallel_tool_calls": true})] {
            assert_eq!(offered_by(&nothing).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_tool_or_no_choice_is_refused_by_name() {
        let function = |function: Value| json!({"tools": [{"type": "function", "function": function}]});
        for (fields, pointer) in [
            (json!({"tools": "look"}), "/tools"),
            (json!({"tools": vec![look(); 129]}), "/tools"),
            (json!({"tools": ["look"]}), "/tools/0"),
            (json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]}), "/tools/0/type"),
            (json!({"tools": [{"type": "function"}]}), "/tools/0/function"),
            (json!({"tools": [look(), look()]}), "/tools/1/function/name"),
            (function(json!({"name": "look at"})), "/tools/0/function/name"),
            (function(json!({})), "/tools/0/function/name"),
            (function(json!({"name": "look", "description": 5})), "/tools/0/function/description"),
            (function(json!({"name": "look", "parameters": {"type": "string"}})), "/tools/0/function/parameters"),
            (function(json!({"name": "look", "parameters": {"properties": []}})), "/tools/0/function/parameters"),
            (function(json!({"name": "look", "strict": "yes"})), "/tools/0/function/strict"),
            (function(json!({"name": "look", "params": {}})), "/tools/0/function/params"),
            (json!({"tools": [look()], "tool_choice": "look"}), "/tool_choice"),
            (
                json!({"tools": [look()], "tool_choice": {"type": "function", "function": {"name": "fly"}}}),
                "/tool_choice",
            ),
            (json!({"tool_choice": "required"}), "/tool_choice"),
            (json!({"tools": [look()], "parallel_tool_calls": "yes"}), "/parallel_tool_calls"),
        ] {
            let problem = offered_by(&fields).unwrap_err();
            assert_eq!(problem.errors[0].pointer, pointer, "{}", problem.detail);
        }
    }
}
