//! The fields of a request of `/v1`: none is passed over, and a wrong value is answered with what is allowed.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use pipeline::{
    nearest,
    problem::{Code, Problem, excerpt},
    strict_json,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::parameters::{RequestParameter, Treatment};

/// What a request says, by the names of its parameters. `null` says nothing.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    values: BTreeMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Reads a request whose parameters are those of a table.
    pub(super) fn read(body: &'a [u8], table: &[RequestParameter]) -> Result<Self, Problem> {
        let Pairs(pairs) = pairs(body)?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            check(table, &name, value)?;
            if values.contains_key(&name) {
                return Err(refused(&name, "it stands there twice: send it once"));
            }
            values.insert(name, value);
        }
        Ok(Self { values })
    }

    /// What is said under a name.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.values.get(name).copied().filter(|value| value.get() != "null")
    }

    /// A number within a range.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, Problem> {
        let expected = || format!("a number from {} to {}", range.start(), range.end());
        self.value(name, expected, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    /// A whole number within a range.
    pub(super) fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let expected = || {
            if range.start() == range.end() {
                range.start().to_string()
            } else if [*range.start(), *range.end()] == [i64::MIN, i64::MAX] {
                "a whole number".to_owned()
            } else if *range.end() == i64::MAX {
                format!("a whole number from {}", range.start())
            } else {
                format!("a whole number from {} to {}", range.start(), range.end())
            }
        };
        let number = |value: &Value| value.as_i64().or_else(|| strict_json::whole(value.as_f64()?));
        self.value(name, expected, |value| number(value).filter(|number| range.contains(number)))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.value(name, || "true or false".to_owned(), Value::as_bool)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        self.value(name, || "a string".to_owned(), |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A value that `read` understands; one that it does not is refused with what was `expected`.
    pub(super) fn value<T>(
        &self,
        name: &str,
        expected: impl FnOnce() -> String,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        let value: Option<Value> = serde_json::from_str(raw.get()).ok();
        value.as_ref().and_then(read).map(Some).ok_or_else(|| wrong(name, raw.get(), &expected()))
    }
}

/// The fields of an object in their order, whatever stands there twice.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn pairs(body: &[u8]) -> Result<Pairs<'_>, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            return Problem::field(Code::Invalid, "", "the body must be a JSON object, as OpenAI's API has it");
        }
        strict_json::no_json(&error)
    })
}

/// The answer to a parameter that is not there and must be.
pub(super) fn missing(name: &str) -> Problem {
    let path = name.replace('.', "/");
    let mut problem = Problem::field(Code::Invalid, format!("/{path}"), format!("{name} is missing"));
    "missing_required_parameter".clone_into(&mut problem.code);
    problem
}

/// The answer to a value that cannot be.
pub(super) fn wrong(name: &str, sent: &str, expected: &str) -> Problem {
    let path = name.replace('.', "/");
    let detail = format!("{name} is {}, and must be {expected}", excerpt(sent));
    let mut problem = Problem::field(Code::Invalid, format!("/{path}"), detail);
    "invalid_value".clone_into(&mut problem.code);
    problem
}

/// The answer to a value that cannot be, for a reason that names no other.
pub(super) fn refused(name: &str, detail: &str) -> Problem {
    let mut problem = Problem::field(Code::Invalid, format!("/{}", name.replace('.', "/")), detail);
    "invalid_value".clone_into(&mut problem.code);
    problem
}

/// The answer to what is not done here.
pub(super) fn unsupported(name: &str, detail: String) -> Problem {
    let path = name.replace('.', "/");
    let mut problem = Problem::field(Code::Invalid, format!("/{path}"), detail);
    "unsupported_parameter".clone_into(&mut problem.code);
    problem
}

fn check(table: &[RequestParameter], name: &str, value: &RawValue) -> Result<(), Problem> {
    let Some(row) = table.iter().find(|row| row.name == name) else {
        let detail = nearest::unknown("parameter", name, table.iter().map(|row| row.name));
        let mut problem = Problem::field(Code::Invalid, format!("/{}", excerpt(name)), detail);
        "unknown_parameter".clone_into(&mut problem.code);
        return Err(problem);
    };
    let Treatment::Refused(but) = row.treatment else { return Ok(()) };
    if value.get() == "null" || but.iter().any(|allowed| is_same(allowed, value.get())) {
        return Ok(());
    }
    let beside = match but {
        [] => String::new(),
        but => format!(", or send {}", but.join(" or ")),
    };
    Err(unsupported(name, format!("{name} is not done here: leave it out{beside}")))
}

/// Whether two texts are the same JSON; numbers are by their value.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (read(one), read(other)) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (one, other) => one.is_some() && one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parameters::CHAT, *};

    fn code(body: &str) -> (String, String) {
        let problem = Fields::read(body.as_bytes(), CHAT).unwrap_err();
        (problem.code.clone(), problem.errors[0].pointer.clone())
    }

    #[test]
    fn what_is_not_done_is_refused_by_its_name_unless_it_asks_for_nothing() {
        for row in CHAT {
            let Treatment::Refused(but) = row.treatment else { continue };
            let sent = |value: &str| format!(r#"{{"{}":{value}}}"#, row.name);
            let refused = ("unsupported_parameter".to_owned(), format!("/{}", row.name));
            assert_eq!(code(&sent(r#"{"something":"else"}"#)), refused);
            for value in but.iter().chain(&["null"]) {
                assert!(Fields::read(sent(value).as_bytes(), CHAT).is_ok(), "{}: {value}", row.name);
            }
        }
        assert!(Fields::read(br#"{"presence_penalty":0.0}"#, CHAT).is_ok());
        assert_eq!(code(r#"{"heat":1}"#), ("unknown_parameter".to_owned(), "/heat".to_owned()));
    }

    #[test]
    fn what_is_no_object_or_says_a_thing_twice_is_refused_in_words_of_json() {
        let refused = |body: &str| Fields::read(body.as_bytes(), CHAT).unwrap_err();
        assert_eq!((refused("[1]").status, refused("[1]").detail.contains("must be a JSON object")), (422, true));
        assert_eq!((refused("{").status, refused("{").detail.contains("ends before")), (400, true));
        assert_eq!(code(r#"{"seed":1,"seed":2}"#), ("invalid_value".to_owned(), "/seed".to_owned()));
    }

    #[test]
    fn a_wrong_value_is_answered_with_what_is_allowed() {
        let fields = Fields::read(br#"{"temperature":"hot","top_p":3,"seed":1.5,"stream":"yes"}"#, CHAT).unwrap();
        let detail = |problem: Problem| (problem.code, problem.detail);
        let invalid = |detail: &str| ("invalid_value".to_owned(), detail.to_owned());
        assert_eq!(
            detail(fields.number("temperature", 0.0..=2.0).unwrap_err()),
            invalid("temperature is \"hot\", and must be a number from 0 to 2")
        );
        assert_eq!(
            detail(fields.number("top_p", 0.0..=1.0).unwrap_err()),
            invalid("top_p is 3, and must be a number from 0 to 1")
        );
        assert!(fields.integer("seed", 0..=i64::MAX).is_err() && fields.flag("stream").is_err());
        assert_eq!(fields.text("user").unwrap(), None);
        assert_eq!(fields.required("model").unwrap_err().code, "missing_required_parameter");
    }
}
