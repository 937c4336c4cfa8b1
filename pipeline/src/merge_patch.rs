//! Changes of parts, as RFC 7396 merges them: what is absent stays, `null` removes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// What a request does to a field. To be read with `#[serde(default)]`, and written with
/// `#[serde(skip_serializing_if = "Change::is_none")]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Nothing: it is not named.
    #[default]
    None,
    /// It has its default again.
    Removed,
    /// It has this value from now on.
    To(T),
}

impl<T> Change<T> {
    /// True if the field stays as it is.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The value it is to have, if it is to have one.
    pub fn value(self) -> Option<T> {
        if let Self::To(value) = self { Some(value) } else { None }
    }

    /// The new value of a field that has a default, if it gets one.
    pub fn or(self, default: T) -> Option<T> {
        if matches!(self, Self::Removed) { Some(default) } else { self.value() }
    }

    /// The same of another value, unless that fails.
    ///
    /// # Errors
    /// What `make` fails with.
    pub fn try_map<U, E>(self, make: impl FnOnce(T) -> Result<U, E>) -> Result<Change<U>, E> {
        Ok(match self {
            Self::None => Change::None,
            Self::Removed => Change::Removed,
            Self::To(value) => Change::To(make(value)?),
        })
    }
}

impl Change<String> {
    /// The same, of a borrowed text.
    pub fn as_deref(&self) -> Change<&str> {
        match self {
            Self::None => Change::None,
            Self::Removed => Change::Removed,
            Self::To(text) => Change::To(text),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Removed, Self::To))
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None | Self::Removed => serializer.serialize_none(),
            Self::To(value) => serializer.serialize_some(value),
        }
    }
}

/// As a value that may be `null`.
impl<T: JsonSchema> JsonSchema for Change<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// For the schema of a change: what is absent stays, so that no field has a default.
pub fn without_defaults(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
    #[serde(default)]
    struct Patch {
        #[serde(skip_serializing_if = "Change::is_none")]
        one: Change<i64>,
        #[serde(skip_serializing_if = "Change::is_none")]
        other: Change<i64>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        for (text, one) in
            [(json!({}), Change::None), (json!({"one": null}), Change::Removed), (json!({"one": 1}), Change::To(1))]
        {
            let patch: Patch = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(patch, Patch { one, other: Change::None });
            assert_eq!(serde_json::to_value(&patch).unwrap(), text);
        }
        assert_eq!([Change::None.or(7), Change::Removed.or(7), Change::To(1).or(7)], [None, Some(7), Some(1)]);
    }
}
