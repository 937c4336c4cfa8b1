//! What participants send: frames, read and checked before anything is done with them.
//!
//! They come from strangers, to an object that many share: whatever the text, reading it ends soon, takes no
//! more memory than it has bytes, and never traps. `tests/wasm` holds that where `usize` has 32 bits.

use pipeline::{
    constants, nearest,
    problem::{Code, Problem},
    strict_json,
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    ParticipantRole,
    edit::Edit,
    events::Event,
    live::{About, Sender},
};
use crate::http::body::EMPTY_TEXT;
#[cfg(feature = "description")]
use crate::http::operation::SchemaOf;

/// The types of frames there are.
pub const TYPES: [&str; 5] = ["say", "edit", "scratch", "events", "ping"];
/// Longest id that a sender may give a frame, in bytes.
const ID_BYTES: usize = 64;

/// What a participant sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A message to all; with `ask`, a question to the friend, too.
    Say(Say),
    /// An edit of the shared text.
    Edit(Revise),
    /// Asks for the shared text as it is.
    Scratch,
    /// Asks for a page of the events after a number: of those that joining left out.
    Events(After),
    /// Asks whether anybody is there. The runtime answers one spelling of it by itself.
    Ping,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Say {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "id")]
    _id: Option<String>,
    /// The text.
    pub text: String,
    /// It is to be answered.
    #[serde(default)]
    pub ask: bool,
}

/// An edit of the shared text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Revise {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "id")]
    _id: Option<String>,
    /// The revision it was made on.
    pub revision: i64,
    /// The edit, in the format of ot.js.
    pub operation: Edit,
}

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct After {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "id")]
    _id: Option<String>,
    /// The number of the event before them.
    pub since: i64,
}

/// A frame that says nothing but its type.
#[derive(Debug, Deserialize, JsonSchema)]
struct Bare {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "id")]
    _id: Option<String>,
}

/// What every frame begins with, whatever its type.
#[derive(Debug, Deserialize, JsonSchema)]
struct Head {
    #[serde(rename = "type", default)]
    kind: Value,
    #[serde(default)]
    id: Value,
}

/// What each frame is read as.
#[cfg(feature = "description")]
pub(crate) const SCHEMAS: [SchemaOf; 5] = [
    SchemaOf::new::<Head>(),
    SchemaOf::new::<Say>(),
    SchemaOf::new::<Revise>(),
    SchemaOf::new::<After>(),
    SchemaOf::new::<Bare>(),
];

impl Frame {
    /// True for what changes nothing.
    pub const fn only_looks(&self) -> bool {
        matches!(self, Self::Scratch | Self::Events(_) | Self::Ping)
    }

    /// For how many frames it counts: a page of events is many rows read.
    pub const fn weight(&self) -> u32 {
        if matches!(self, Self::Events(_)) { constants::FRAMES_PER_PAGE } else { 1 }
    }
}

/// Reads a frame, and which one it is; the error is the answer to its sender.
pub fn read(text: &str, sender: &Sender) -> Result<(Frame, About), Event> {
    let head: Head =
        strict_json::read_known(text.as_bytes()).map_err(|problem| Event::error(About::default(), problem))?;
    let known = head.kind.as_str().and_then(|kind| TYPES.into_iter().find(|known| *known == kind));
    let mut about = About { frame: known, id: None };
    match id(head.id) {
        Ok(id) => about.id = id,
        Err(problem) => return Err(Event::error(about, problem)),
    }
    let frame = known.ok_or_else(|| no_such_type(&head.kind)).and_then(|kind| body(kind, text));
    match frame.and_then(|frame| check(frame, sender)) {
        Ok(frame) => Ok((frame, about)),
        Err(problem) => Err(Event::error(about, problem)),
    }
}

fn id(id: Value) -> Result<Option<String>, Problem> {
    match id {
        Value::Null => Ok(None),
        Value::String(id) if id.len() <= ID_BYTES => Ok(Some(id)),
        Value::String(id) => {
            let detail = format!("{} bytes; the limit is {ID_BYTES}: make a shorter one", id.len());
            Err(Problem::field(Code::TooLarge, "/id", detail))
        }
        _ => Err(Problem::field(Code::Invalid, "/id", format!("expected a text of at most {ID_BYTES} bytes"))),
    }
}

fn no_such_type(kind: &Value) -> Problem {
    let detail = match kind {
        Value::Null => format!("it is missing; a frame is of one of the types {}", TYPES.join(", ")),
        Value::String(name) => nearest::unknown("type of frame", name, TYPES.into_iter()),
        _ => format!("expected a text: one of {}", TYPES.join(", ")),
    };
    Problem::field(Code::Invalid, "/type", detail)
}

fn body(kind: &str, text: &str) -> Result<Frame, Problem> {
    fn read<T: DeserializeOwned + JsonSchema>(text: &str) -> Result<T, Problem> {
        strict_json::read(text.as_bytes())
    }
    Ok(match kind {
        "say" => Frame::Say(read(text)?),
        "edit" => Frame::Edit(read(text)?),
        "events" => Frame::Events(read(text)?),
        "scratch" => read::<Bare>(text).map(|_| Frame::Scratch)?,
        _ => read::<Bare>(text).map(|_| Frame::Ping)?,
    })
}

fn check(frame: Frame, sender: &Sender) -> Result<Frame, Problem> {
    if sender.role == ParticipantRole::Viewer && !frame.only_looks() {
        return Err(Problem::new(Code::Forbidden, "a viewer may only look on"));
    }
    let Frame::Say(Say { text, .. }) = &frame else { return Ok(frame) };
    if text.trim().is_empty() {
        return Err(Problem::field(Code::Invalid, "/text", EMPTY_TEXT));
    }
    if text.len() > constants::CHAT_MESSAGE_BYTES {
        let detail =
            format!("{} bytes; the limit is {}: say it in several messages", text.len(), constants::CHAT_MESSAGE_BYTES);
        return Err(Problem::field(Code::TooLarge, "/text", detail));
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::scratch::Scratch, *};

    fn sender(role: ParticipantRole) -> Sender {
        Sender { id: "1".into(), name: "Ada".into(), role }
    }

    fn refused(text: &str, sender: &Sender) -> Value {
        serde_json::to_value(read(text, sender).unwrap_err()).unwrap()
    }

    #[test]
    fn frames_are_read_or_refused_with_what_is_wrong() {
        let editor = sender(ParticipantRole::Editor);
        let (frame, about) = read(r#"{"type":"say","text":"hi","id":"7"}"#, &editor).unwrap();
        assert!(matches!(frame, Frame::Say(Say { text, ask: false, .. }) if text == "hi"));
        assert_eq!(about, About { frame: Some("say"), id: Some("7".into()) });
        assert!(matches!(
            read(r#"{"type":"edit","revision":0,"operation":["a",-1,2]}"#, &editor),
            Ok((Frame::Edit(_), _))
        ));
        let long = format!(r#"{{"type":"say","text":"{}"}}"#, "x".repeat(constants::CHAT_MESSAGE_BYTES + 1));
        let long_id = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(ID_BYTES + 1));
        for (text, code, frame, pointer) in [
            ("", "malformed", None, None),
            ("ping", "malformed", None, None),
            (r#"{"type":"ping"}{"type":"ping"}"#, "malformed", None, None),
            ("[]", "invalid", None, Some("")),
            (r#"["say", null, "hi", false]"#, "invalid", None, Some("")),
            (r#"[{"type":"ping"}]"#, "invalid", None, Some("")),
            ("{}", "invalid", None, Some("/type")),
            (r#"{"type":"dance"}"#, "invalid", None, Some("/type")),
            (r#"{"type":["say"]}"#, "invalid", None, Some("/type")),
            (r#"{"type":"ping","type":"say"}"#, "invalid", None, Some("/type")),
            (r#"{"type":"ping","id":7}"#, "invalid", Some("ping"), Some("/id")),
            (long_id.as_str(), "too_large", Some("ping"), Some("/id")),
            (r#"{"type":"scratch","since":3}"#, "invalid", Some("scratch"), Some("/since")),
            (r#"{"type":"say","text":" "}"#, "invalid", Some("say"), Some("/text")),
            (r#"{"type":"say","text":"\ud83d"}"#, "invalid", Some("say"), Some("/text")),
            (r#"{"type":"say","text":"hi","ask":"yes"}"#, "invalid", Some("say"), Some("/ask")),
            (r#"{"type":"say"}"#, "invalid", Some("say"), Some("/text")),
            (r#"{"type":"events","since":"all"}"#, "invalid", Some("events"), Some("/since")),
            (r#"{"type":"edit","revision":"x","operation":[]}"#, "invalid", Some("edit"), Some("/revision")),
            (r#"{"type":"edit","revision":0,"operation":[1,null]}"#, "invalid", Some("edit"), Some("/operation/1")),
            (
                r#"{"type":"edit","revision":0,"operation":[-9223372032559808512]}"#,
                "invalid",
                Some("edit"),
                Some("/operation"),
            ),
            (long.as_str(), "too_large", Some("say"), Some("/text")),
        ] {
            let said = refused(text, &editor);
            assert_eq!((&said["type"], said["code"].as_str()), (&json!("error"), Some(code)), "{text:.60}: {said}");
            assert_eq!(said.get("frame").and_then(Value::as_str), frame, "{text:.60}: {said}");
            assert_eq!(said["errors"][0]["pointer"].as_str(), pointer, "{text:.60}: {said}");
        }
    }

    #[test]
    fn an_error_says_the_id_of_its_frame_and_what_was_meant() {
        let said = refused(r#"{"id": "m-17", "type": "say", "txt": "hi"}"#, &sender(ParticipantRole::Editor));
        assert_eq!((&said["id"], &said["frame"]), (&json!("m-17"), &json!("say")), "{said}");
        let typo = refused(r#"{"id": "m-18", "type": "says"}"#, &sender(ParticipantRole::Editor));
        assert_eq!((&typo["id"], typo.get("frame")), (&json!("m-18"), None), "{typo}");
        assert!(typo["detail"].as_str().unwrap().contains("did you mean \"say\"?"), "{typo}");
    }

    #[test]
    fn an_error_names_the_part_of_an_edit_in_words_of_json() {
        let said = refused(r#"{"type":"edit","revision":0,"operation":["a",[1]]}"#, &sender(ParticipantRole::Editor));
        let errors = json!([{"pointer": "/operation/1", "detail": "expected a whole number or a text, not a list"}]);
        assert_eq!(said["errors"], errors, "{said}");
    }

    #[test]
    fn a_ping_is_a_ping_however_it_is_spelt() {
        for text in [
            r#"{"type":"ping"}"#,
            r#"{"type": "ping"}"#,
            " {\n\t\"type\" : \"ping\" } ",
            r#"{"\u0074ype":"\u0070ing"}"#,
            r#"{"type":"ping","id":null}"#,
            r#"{"id":"7","type":"ping"}"#,
        ] {
            for role in [ParticipantRole::Editor, ParticipantRole::Viewer] {
                assert!(matches!(read(text, &sender(role)), Ok((Frame::Ping, _))), "{text}");
            }
        }
    }

    #[test]
    fn a_viewer_looks_on_and_does_nothing_else() {
        let viewer = sender(ParticipantRole::Viewer);
        for frame in [r#"{"type":"say","text":"hi"}"#, r#"{"type":"edit","revision":0,"operation":["x"]}"#] {
            assert_eq!(refused(frame, &viewer)["code"], "forbidden", "{frame}");
        }
        assert!(matches!(read(r#"{"type":"scratch"}"#, &viewer), Ok((Frame::Scratch, _))));
        assert!(matches!(
            read(r#"{"type":"events","since":3}"#, &viewer),
            Ok((Frame::Events(After { since: 3, .. }), _))
        ));
    }

    /// Numbers at which sums wrap, and their neighbours.
    fn length() -> impl Strategy<Value = i64> {
        let edges = [0, 1 << 31, 1 << 32, 1 << 33, i64::MAX, i64::MIN, -9_223_372_032_559_808_512];
        prop_oneof![
            -20i64..20,
            any::<i64>(),
            (prop::sample::select(edges.to_vec()), -3i64..3).prop_map(|(edge, beside)| edge.saturating_add(beside))
        ]
    }

    fn part() -> impl Strategy<Value = Value> {
        prop_oneof![
            length().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            any::<u64>().prop_map(Value::from)
        ]
    }

    proptest! {
        #[test]
        fn whatever_text_comes_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = read(&text, &sender(ParticipantRole::Editor));
        }

        #[test]
        fn whatever_edit_comes_fits_its_text_or_changes_nothing(
            revision in prop_oneof![0i64..3, length()],
            parts in prop::collection::vec(part(), 0..8),
            text in "\\PC{0,20}",
        ) {
            let frame = json!({"type": "edit", "revision": revision, "operation": parts}).to_string();
            let read = read(&frame, &sender(ParticipantRole::Editor));
            if let Ok((Frame::Edit(Revise { revision, operation, .. }), _)) = read {
                let before = Scratch { revision: 0, text };
                let mut scratch = before.clone();
                if let Ok(applied) = scratch.edit(revision, operation, &[]) {
                    prop_assert_eq!(applied.base_length(), before.text.encode_utf16().count() as u64);
                    prop_assert_eq!(scratch.revision, 1);
                } else {
                    prop_assert_eq!(scratch, before);
                }
            }
        }
    }
}
