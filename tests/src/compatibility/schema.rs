//! Whether a schema keeps what another promised, in the direction in which its values go.

use std::collections::HashSet;

use serde_json::Value;

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From clients: what was accepted must be.
    Request,
    /// To clients: nothing may come that did not.
    Answer,
}

/// Upper bounds, which may not go down in requests.
const MOST: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// Lower bounds, which may not go up.
const LEAST: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];

/// A comparison of two descriptions, and what it has found.
#[derive(Debug)]
pub struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    found: &'a mut Vec<String>,
    /// References that are being followed, or were.
    followed: HashSet<(String, String, Direction)>,
}

impl<'a> Comparison<'a> {
    /// Of these two, into this list.
    pub fn new(before: &'a Value, after: &'a Value, found: &'a mut Vec<String>) -> Self {
        Self { before, after, found, followed: HashSet::new() }
    }

    /// Notes what is not kept.
    pub fn find(&mut self, sentence: String) {
        self.found.push(sentence);
    }

    /// Compares two schemas of something.
    pub fn schemas(&mut self, place: &str, direction: Direction, before: &Value, after: &Value) {
        let mut sentences = Vec::new();
        self.compare("", direction, before, after, &mut sentences);
        self.found.extend(sentences.into_iter().map(|sentence| format!("{place}: {sentence}")));
    }

    fn compare(&mut self, at: &str, direction: Direction, before: &Value, after: &Value, found: &mut Vec<String>) {
        let [one, other] = [before, after].map(|schema| schema["$ref"].as_str().unwrap_or_default().to_owned());
        let leads_on = !one.is_empty() || !other.is_empty();
        if leads_on && !self.followed.insert((one, other, direction)) {
            return;
        }
        let (before, after) = (resolve(self.before, before), resolve(self.after, after));
        match direction {
            Direction::Request => compare_accepted(at, before, after, found),
            Direction::Answer => compare_answered(at, before, after, found),
        }
        self.compare_fields(at, direction, before, after, found);
        for part in ["items", "additionalProperties"] {
            if before[part].is_object() && after[part].is_object() {
                self.compare(&format!("{at}/*"), direction, &before[part], &after[part], found);
            }
        }
        for part in ["oneOf", "anyOf"] {
            self.compare_choices(at, direction, &before[part], &after[part], found);
        }
        let parts = [before, after].map(|schema| schema["allOf"].as_array().cloned().unwrap_or_default());
        for (before, after) in parts[0].iter().zip(&parts[1]) {
            self.compare(at, direction, before, after, found);
        }
    }

    fn compare_fields(
        &mut self,
        at: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
        found: &mut Vec<String>,
    ) {
        for (name, field) in before["properties"].as_object().into_iter().flatten() {
            match after["properties"].get(name) {
                None => found.push(format!("{at}/{name} is gone")),
                Some(now) => self.compare(&format!("{at}/{name}"), direction, field, now, found),
            }
        }
        let (was, is) = (names(before), names(after));
        match direction {
            Direction::Request => {
                let new = is.iter().filter(|name| !was.contains(name));
                found.extend(new.map(|name| format!("{at}/{name} has become required")));
            }
            Direction::Answer => {
                let lost = was.iter().filter(|name| !is.contains(name) && after["properties"].get(*name).is_some());
                found.extend(lost.map(|name| format!("{at}/{name} may be missing")));
            }
        }
    }

    /// Each choice that must be kept has its like among the others.
    fn compare_choices(
        &mut self,
        at: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
        found: &mut Vec<String>,
    ) {
        let (Some(was), Some(is)) = (before.as_array(), after.as_array()) else {
            if before.is_array() != after.is_array() {
                found.push(format!("{at} has other choices"));
            }
            return;
        };
        let (kept, among) = if direction == Direction::Request { (was, is) } else { (is, was) };
        for choice in kept {
            let is_kept = among.iter().any(|other| {
                let (before, after) = if direction == Direction::Request { (choice, other) } else { (other, choice) };
                let mut sentences = Vec::new();
                let followed = self.followed.clone();
                self.compare(at, direction, before, after, &mut sentences);
                self.followed = followed;
                sentences.is_empty()
            });
            if !is_kept {
                found.push(format!("{at} has other choices"));
            }
        }
    }
}

/// Follows a reference.
fn resolve<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| description.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(schema)
}

fn names(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The types a value may have; none if that is not said.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What was accepted is.
fn compare_accepted(at: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let is = types(after);
    let lost = types(before).into_iter().filter(|name| !is.is_empty() && !accepts(&is, name));
    found.extend(lost.map(|name| format!("{at} may not be {name} any more")));
    if let Some(values) = after["enum"].as_array() {
        match before["enum"].as_array() {
            None => found.push(format!("{at} may only be one of {} now", after["enum"])),
            Some(was) => {
                let lost = was.iter().filter(|value| !values.contains(value));
                found.extend(lost.map(|value| format!("{at} may not be {value} any more")));
            }
        }
    }
    for (bounds, is_narrower) in [(MOST, f64::gt as fn(&f64, &f64) -> bool), (LEAST, f64::lt)] {
        for bound in bounds {
            let Some(is) = after[bound].as_f64() else { continue };
            if before[bound].as_f64().is_none_or(|was| is_narrower(&was, &is)) {
                found.push(format!("{at}: {bound} is {}, and was {}", after[bound], before[bound]));
            }
        }
    }
    if after.get("pattern").is_some() && before["pattern"] != after["pattern"] {
        found.push(format!("{at} has another pattern"));
    }
    if after["additionalProperties"] == false && before["additionalProperties"] != false {
        found.push(format!("{at} may not have other fields any more"));
    }
    if before.get("default").is_some() && before["default"] != after["default"] {
        found.push(format!("{at} has another default"));
    }
}

fn accepts(types: &[&str], name: &str) -> bool {
    types.contains(&name) || (name == "integer" && types.contains(&"number"))
}

/// Nothing is answered that was not.
fn compare_answered(at: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let was = types(before);
    if was.is_empty() {
        return;
    }
    let is = types(after);
    if is.is_empty() && before.get("enum").is_none() {
        found.push(format!("{at} may be anything, and was {}", was.join(" or ")));
    }
    let new = is.into_iter().filter(|name| !accepts(&was, name));
    found.extend(new.map(|name| format!("{at} may be {name}, and was {}", was.join(" or "))));
}
