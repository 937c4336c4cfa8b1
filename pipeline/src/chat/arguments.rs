//! Whether the arguments of a call fit the schema that its client wants them held to. Of JSON Schema what `OpenAI`
//! allows where a function is `strict`, but for `pattern`, `format` and `multipleOf`: what is not known here holds.
//! <https://platform.openai.com/docs/guides/structured-outputs>

use serde_json::Value;

/// How deep a schema leads, also through references to itself.
const DEEPEST: usize = 64;

/// Whether a value fits a schema.
pub fn fits(schema: &Value, value: &Value) -> bool {
    fits_within(schema, (schema, value), DEEPEST)
}

fn fits_within(root: &Value, (schema, value): (&Value, &Value), left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    let Some(rules) = schema.as_object() else { return *schema != Value::Bool(false) };
    let fits = |schema: &Value, value: &Value| fits_within(root, (schema, value), left);
    rules.iter().all(|(keyword, rule)| match (keyword.as_str(), rule) {
        ("$ref", Value::String(path)) => referred(root, path).is_some_and(|schema| fits(schema, value)),
        ("anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter().any(|schema| fits(schema, value)),
        ("allOf", Value::Array(schemas)) => schemas.iter().all(|schema| fits(schema, value)),
        ("properties", Value::Object(properties)) => {
            properties.iter().all(|(name, schema)| value.get(name).is_none_or(|value| fits(schema, value)))
        }
        ("items", schema) => value.as_array().is_none_or(|values| values.iter().all(|value| fits(schema, value))),
        ("additionalProperties", Value::Bool(false)) => has_no_other(value, &schema["properties"]),
        (keyword, rule) => is_kept(keyword, rule, value),
    })
}

fn referred<'a>(root: &'a Value, path: &str) -> Option<&'a Value> {
    root.pointer(path.strip_prefix('#')?)
}

fn has_no_other(value: &Value, properties: &Value) -> bool {
    value.as_object().is_none_or(|members| members.keys().all(|name| properties.get(name).is_some()))
}

/// Whether a value keeps a rule that is about itself alone.
fn is_kept(keyword: &str, rule: &Value, value: &Value) -> bool {
    let compared = |keeps: fn(f64, f64) -> bool| match (value.as_f64(), rule.as_f64()) {
        (Some(value), Some(rule)) => keeps(value, rule),
        _ => true,
    };
    let counted = |keeps: fn(usize, u64) -> bool| match (value.as_array(), rule.as_u64()) {
        (Some(values), Some(rule)) => keeps(values.len(), rule),
        _ => true,
    };
    match (keyword, rule) {
        ("type", Value::String(kind)) => is_of(kind, value),
        ("type", Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(|kind| is_of(kind, value)),
        ("enum", Value::Array(values)) => values.contains(value),
        ("const", rule) => rule == value,
        ("required", Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            value.as_object().is_none_or(|members| names.all(|name| members.contains_key(name)))
        }
        ("minimum", _) => compared(|value, rule| value >= rule),
        ("maximum", _) => compared(|value, rule| value <= rule),
        ("exclusiveMinimum", _) => compared(|value, rule| value > rule),
        ("exclusiveMaximum", _) => compared(|value, rule| value < rule),
        ("minItems", _) => counted(|count, rule| count as u64 >= rule),
        ("maxItems", _) => counted(|count, rule| count as u64 <= rule),
        _ => true,
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_fit_or_do_not() {
        let schema = json!({
            "type": "object", "required": ["at"], "additionalProperties": false,
            "$defs": {"place": {"properties": {"in": {"$ref": "#/$defs/place"}, "name": {"const": "x"}}}},
            "properties": {
                "at": {"$ref": "#/$defs/place"}, "far": {"anyOf": [{"type": "number", "minimum": 1}, {"type": "null"}]},
                "how": {"enum": ["a", "b"]}, "all": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
                "some": {"type": ["string", "boolean"]}, "few": {"minItems": 1}, "word": {"pattern": "^a"},
                "odd": {"exclusiveMinimum": 0, "exclusiveMaximum": 9, "allOf": [{"maximum": 8}]}
            }
        });
        for good in [
            json!({"at": {}}),
            json!({"at": {"in": {"in": {"name": "x"}}}, "far": null, "how": "b", "all": [1, 2.0], "some": true}),
            json!({"at": {}, "far": 1, "odd": 8, "few": [1], "word": "b"}),
        ] {
            assert!(fits(&schema, &good), "{good}");
        }
        for bad in [
            json!({}),
            json!([]),
            json!({"at": {}, "else": 1}),
            json!({"at": {"in": {"in": {"name": "y"}}}}),
            json!({"at": {}, "far": 0}),
            json!({"at": {}, "how": "c"}),
            json!({"at": {}, "all": [1.5]}),
            json!({"at": {}, "all": [1, 2, 3]}),
            json!({"at": {}, "some": 1}),
            json!({"at": {}, "odd": 0}),
            json!({"at": {}, "odd": 9}),
            json!({"at": {}, "few": []}),
        ] {
            assert!(!fits(&schema, &bad), "{bad}");
        }
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        assert!(!fits(&json!({"$ref": "#"}), &json!(1)));
        assert!(!fits(&json!({"$ref": "elsewhere"}), &json!(1)));
        assert!(fits(&json!(true), &json!(1)) && !fits(&json!(false), &json!(1)));
    }
}
