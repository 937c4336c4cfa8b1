//! Who is calling: `Authorization: Bearer cf_<env>_<id>_<secret>`.

use http::{HeaderMap, header};
use pipeline::{
    budget::day::Day,
    platform::{
        ports::{Clock, Database},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{keys, usage::budget},
    tenant::Tenant,
};

use crate::http::{
    api_key::{self, ApiKey},
    call::Settings,
    reply::Refusal,
};

/// Who calls, and on what a day.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub tenant: Tenant,
    /// The id of the key.
    pub key: String,
    /// What the day has cost so far.
    pub day: Day,
}

/// Finds the user of the key in the `Authorization` header. Revocation is read from D1 every time.
pub async fn authenticate<P: Database + Clock>(
    ports: &P,
    settings: &Settings,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    let key = bearer(headers).ok_or_else(|| unauthorized("send `Authorization: Bearer <API key>`"))?;
    let key = ApiKey::parse(key).ok_or_else(|| unauthorized("this is not an API key; is a character missing?"))?;
    let mut transaction = Transaction::default();
    let found = transaction.query(keys::find(key.id()));
    let day = transaction.query(budget::day(ports.now()));
    let done = transaction.commit(ports).await?;
    let day = done.first(day)?.unwrap_or_default();
    match done.first(found)? {
        Some(row) if key.matches(&settings.pepper, &row.digest) => match row.revoked_at {
            None => Ok(Caller { tenant: row.tenant, key: key.id().to_owned(), day }),
            Some(_) => Err(unauthorized("this API key was revoked; use another, or ask for one").into()),
        },
        _ => Err(unauthorized("this API key is not known; use one that POST /api/keys issued").into()),
    }
}

/// True if the request carries the deployment's administration token.
pub fn is_administrator(settings: &Settings, headers: &HeaderMap) -> bool {
    !settings.admin_token.is_empty()
        && bearer(headers).is_some_and(|token| api_key::same_secret(token, &settings.admin_token))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(detail: &str) -> Problem {
    Problem::field(Code::Unauthorized, "Authorization", detail)
}
