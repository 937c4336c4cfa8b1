//! API keys: issue, list, revoke. The secret is shown once and stored nowhere.

use http::StatusCode;
use pipeline::{
    ids::UserId,
    platform::{
        ports::{Clock, Database, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem},
    store::{
        keys::{self, NewApiKey},
        users,
    },
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{
    api_key::ApiKey,
    body,
    call::{Call, PublicCall, Settings},
    paging::{self, Behind},
    reply::{Answer, Refusal, Reply},
};

/// What a new key is called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NewKey {
    #[schemars(length(max = NAME_BYTES))]
    name: Option<String>,
}

/// A new key. The secret is shown here and never again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IssuedKey")]
pub struct Issued<'a> {
    id: &'a str,
    user_id: &'a UserId,
    name: &'a str,
    key: &'a str,
    created_at: Timestamp,
}

const NAME_BYTES: usize = 200;

fn name(text: &[u8]) -> Result<String, Problem> {
    let wanted: NewKey = body::read_or_default(text)?;
    let name = wanted.name.unwrap_or_else(|| "default".to_owned());
    if name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Problem::field(
            Code::Invalid,
            "/name",
            format!("expected at most {NAME_BYTES} bytes without control characters"),
        ));
    }
    Ok(name)
}

/// `POST /api/keys` by the administrator: a new user with their first key.
pub async fn create_user<P: Database + Clock + Random>(ports: &P, call: &PublicCall<'_>) -> Answer {
    let name = name(call.request.body())?;
    let user = UserId::new(ports.now(), ports.bytes());
    let mut transaction = Transaction::default();
    transaction.write(users::insert(&user, &name, ports.now()));
    issue(ports, call.settings, &user, &name, transaction).await
}

/// `POST /api/keys` by a user: another key for the same user.
pub async fn create<P: Database + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    issue(ports, call.settings, &call.tenant.user, &name(call.request.body())?, Transaction::default()).await
}

/// Adds a new key to a transaction and commits it.
async fn issue<P: Database + Clock + Random>(
    ports: &P,
    settings: &Settings,
    user: &UserId,
    name: &str,
    mut transaction: Transaction,
) -> Answer {
    let now = ports.now();
    let key = ApiKey::new(&settings.environment, &ports.bytes());
    let digest = key.digest(&settings.pepper);
    transaction.write(keys::insert(NewApiKey { id: key.id(), user, name, digest: &digest, now }));
    transaction.commit(ports).await?;
    Ok(Reply::json(
        StatusCode::CREATED,
        &Issued { id: key.id(), user_id: user, name, key: key.reveal(), created_at: now },
    ))
}

/// `GET /api/keys`
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = paging::page(call, Behind::parse)?;
    let behind = cursor.as_ref().map(|behind| (behind.time, behind.id.as_str()));
    let entries = keys::list(&call.tenant.user, behind, limit + 1).all(ports).await?;
    Ok(paging::page_reply(entries, limit, |entry| Behind::cursor(entry.created_at, &entry.id)))
}

/// `DELETE /api/keys/{id}`: holds from the next request on.
pub async fn revoke<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    if keys::revoke(&call.tenant.user, call.id, ports.now()).run(ports).await? == 0 {
        return Err(Refusal::from(Problem::new(Code::NotFound, "there is no such key; GET /api/keys lists yours")));
    }
    Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()))
}
