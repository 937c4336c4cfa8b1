//! `GET`, `PUT /api/me`: who the caller is, what they say about themselves, how they want answers.

use http::{Method, StatusCode};
use pipeline::{
    chat::profile::Profile,
    constants,
    ids::UserId,
    platform::{ports::Database, statement::json},
    problem::{Code, Problem},
    store::users,
};
use serde::Serialize;

use crate::http::{
    body,
    call::Call,
    reply::{Answer, Reply},
};

#[derive(Serialize)]
struct Me<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    profile: Profile,
}

/// Answers the route.
pub async fn me<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    if *call.request.method() != Method::PUT {
        return Ok(Reply::json(StatusCode::OK, &Me { user_id: user, profile: Profile::of(&call.tenant) }));
    }
    let profile: Profile = body::parse(call.request.body())?;
    let text = json(&profile)?;
    if text.len() > constants::PROFILE_BYTES {
        let detail = format!("{} bytes; the limit is {}", text.len(), constants::PROFILE_BYTES);
        return Err(Problem::field(Code::TooLarge, "/about", detail).into());
    }
    users::set_profile(user, &text).run(ports).await?;
    Ok(Reply::json(StatusCode::OK, &Me { user_id: user, profile }))
}
