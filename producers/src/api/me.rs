//! `GET`, `PUT`, `PATCH /api/me`: who the caller is, what they say about themselves, how they want answers.

use std::{
    future::{Ready, ready},
    num::NonZeroU32,
};

use http::StatusCode;
use pipeline::{
    chat::profile::{Preferences, Profile, Retention},
    constants,
    ids::UserId,
    merge_patch::{Change, without_defaults},
    platform::{ports::Database, statement::json, transaction::Transaction},
    problem::{Code, FieldError, Problem},
    store::users,
    strict_json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{
    call::Call,
    reply::{Answer, Refusal, Reply},
};

/// Who the caller is.
#[derive(Serialize, JsonSchema)]
pub struct Me<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    profile: Profile,
}

/// `GET /api/me`
pub fn get<P>(_: &P, call: &Call<'_>) -> Ready<Answer> {
    let me = Me { user_id: &call.tenant.user, profile: Profile::of(&call.tenant) };
    ready(Ok(Reply::json(StatusCode::OK, &me)))
}

/// A profile of which nothing is left out, as `GET /api/me` answers it. What of it is missing is found before it is
/// read, so that all of it is named.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["about", "preferences", "retention"]))]
pub struct WholeProfile {
    /// The caller's; another's is refused.
    #[schemars(with = "Option<UserId>")]
    user_id: Option<String>,
    /// In their own words: who they are, what they work on.
    about: String,
    preferences: WholePreferences,
    retention: WholeRetention,
}

/// How they want to be answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, extend("required" = ["accept_memories", "style"]))]
struct WholePreferences {
    /// What they state about themselves is remembered without asking.
    accept_memories: bool,
    /// How answers should be: "short", "in German", ….
    style: String,
}

/// Days after which something goes by itself; `null`: it stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, extend("required" = ["document_days", "conversation_days", "memory_days"]))]
struct WholeRetention {
    document_days: Option<NonZeroU32>,
    conversation_days: Option<NonZeroU32>,
    memory_days: Option<NonZeroU32>,
}

impl From<WholeProfile> for Profile {
    fn from(whole: WholeProfile) -> Self {
        let WholePreferences { accept_memories, style } = whole.preferences;
        let WholeRetention { document_days, conversation_days, memory_days } = whole.retention;
        Self {
            about: whole.about,
            preferences: Preferences { accept_memories, style },
            retention: Retention { document_days, conversation_days, memory_days },
        }
    }
}

/// `PUT /api/me`: the profile as a whole. What is left out would be lost: it is asked for.
pub async fn put<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let profile = whole(call.request.body(), user)?;
    let text = json(&profile)?;
    if text.len() > constants::PROFILE_BYTES {
        return Err(too_large().into());
    }
    users::set_profile(user, &text).run(ports).await?;
    Ok(Reply::json(StatusCode::OK, &Me { user_id: user, profile }))
}

fn whole(text: &[u8], user: &UserId) -> Result<Profile, Refusal> {
    let whole: WholeProfile = strict_json::read(text)?;
    let given: Value = serde_json::from_slice(text).unwrap_or_default();
    let mut errors = Vec::new();
    name_missing(&given, &serde_json::to_value(Profile::default()).unwrap_or_default(), "", &mut errors);
    if !errors.is_empty() {
        let names: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        let detail =
            format!("PUT sets the whole profile, and {} is missing; PATCH /api/me changes parts", names.join(", "));
        return Err(Problem { errors, ..Problem::new(Code::Invalid, detail) }.into());
    }
    if whole.user_id.as_deref().is_some_and(|id| id != user.as_str()) {
        return Err(Problem::field(Code::Invalid, "/user_id", format!("you are {user}, and remain so")).into());
    }
    Ok(whole.into())
}

/// Names the fields of `all` that are not given, each by its pointer; null gives what may be null.
fn name_missing(given: &Value, all: &Value, pointer: &str, errors: &mut Vec<FieldError>) {
    let Value::Object(fields) = all else { return };
    for (name, field) in fields {
        let pointer = format!("{pointer}/{name}");
        match given.get(name) {
            None => errors.push(FieldError { pointer, detail: "is missing".to_owned() }),
            Some(Value::Null) if !field.is_null() => {
                errors.push(FieldError { pointer, detail: "is null, which says nothing".to_owned() });
            }
            Some(given) => name_missing(given, field, &pointer, errors),
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("the profile would have more than {} bytes as JSON: shorten it", constants::PROFILE_BYTES);
    Problem::field(Code::TooLarge, "/about", detail)
}

/// What is changed of a profile, as RFC 7396 merges it: `null` gives a part its default again.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = without_defaults)]
pub struct ProfilePatch {
    /// In their own words: who they are, what they work on.
    #[serde(skip_serializing_if = "Change::is_none")]
    about: Change<String>,
    #[serde(skip_serializing_if = "Change::is_none")]
    preferences: Change<PreferencesPatch>,
    #[serde(skip_serializing_if = "Change::is_none")]
    retention: Change<RetentionPatch>,
}

/// How they want to be answered.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, transform = without_defaults)]
struct PreferencesPatch {
    /// What they state about themselves is remembered without asking.
    #[serde(skip_serializing_if = "Change::is_none")]
    accept_memories: Change<bool>,
    /// How answers should be: "short", "in German", ….
    #[serde(skip_serializing_if = "Change::is_none")]
    style: Change<String>,
}

/// Days after which something goes by itself; `null`: it stays.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, transform = without_defaults)]
struct RetentionPatch {
    #[serde(skip_serializing_if = "Change::is_none")]
    document_days: Change<NonZeroU32>,
    #[serde(skip_serializing_if = "Change::is_none")]
    conversation_days: Change<NonZeroU32>,
    #[serde(skip_serializing_if = "Change::is_none")]
    memory_days: Change<NonZeroU32>,
}

/// `PATCH /api/me`: parts of the profile. D1 merges them, so that of two changes at the same time none is lost.
pub async fn change<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let patch: ProfilePatch = strict_json::read(call.request.body())?;
    let mut transaction = Transaction::default();
    let changed = transaction.write(users::change_profile(user, &json(&patch)?));
    let tenant = transaction.query(users::tenant(user));
    let done = transaction.commit(ports).await?;
    if done.changes(changed) == 0 {
        return Err(too_large().into());
    }
    let profile = done.first(tenant)?.as_ref().map(Profile::of).unwrap_or_default();
    Ok(Reply::json(StatusCode::OK, &Me { user_id: user, profile }))
}
