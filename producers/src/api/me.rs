//! `GET`, `PUT /api/me`: who the caller is, what they say about themselves, how they want answers.

use std::future::{Ready, ready};

use http::StatusCode;
use pipeline::{
    chat::profile::Profile,
    constants,
    ids::UserId,
    platform::{ports::Database, statement::json},
    problem::{Code, Problem},
    store::users,
    strict_json,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{
    call::Call,
    reply::{Answer, Reply},
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

/// `PUT /api/me`: the profile as a whole; what is left out has its default again.
pub async fn put<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let profile: Profile = strict_json::read(call.request.body())?;
    let text = json(&profile)?;
    if text.len() > constants::PROFILE_BYTES {
        let detail = format!("{} bytes; the limit is {}: shorten it", text.len(), constants::PROFILE_BYTES);
        return Err(Problem::field(Code::TooLarge, "/about", detail).into());
    }
    users::set_profile(user, &text).run(ports).await?;
    Ok(Reply::json(StatusCode::OK, &Me { user_id: user, profile }))
}
