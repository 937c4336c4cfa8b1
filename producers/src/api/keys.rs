//! API keys: issue, list, revoke. The secret is shown once and stored nowhere.

use http::StatusCode;
use pipeline::{
    api_key::ApiKey,
    ids::UserId,
    platform::{
        ports::{Clock, Database, Random},
        statement::Statement,
    },
    problem::{Code, Problem},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{
    body,
    call::{Call, PublicCall, Settings},
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
    let wanted: NewKey = body::parse_or_default(text)?;
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
    let insert = Statement::new("INSERT INTO users (id, name, created_at) VALUES (?1, ?2, ?3)")
        .bind(&user)
        .bind(name.as_str())
        .bind(ports.now());
    issue(ports, call.settings, &user, &name, vec![insert]).await
}

/// `POST /api/keys` by a user: another key for the same user.
pub async fn create<P: Database + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    issue(ports, call.settings, &call.tenant.user, &name(call.request.body())?, Vec::new()).await
}

async fn issue<P: Database + Clock + Random>(
    ports: &P,
    settings: &Settings,
    user: &UserId,
    name: &str,
    before: Vec<Statement>,
) -> Answer {
    let now = ports.now();
    let key = ApiKey::new(&settings.environment, &ports.bytes());
    let mut statements = before;
    statements.push(
        Statement::new("INSERT INTO api_keys (id, user_id, name, digest, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(key.id())
            .bind(user)
            .bind(name)
            .bind(key.digest(&settings.pepper))
            .bind(now),
    );
    ports.batch(statements).await?;
    Ok(Reply::json(
        StatusCode::CREATED,
        &Issued { id: key.id(), user_id: user, name, key: key.reveal(), created_at: now },
    ))
}

/// A key in a list, without its secret.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Key")]
pub struct KeyView {
    id: String,
    name: String,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

/// `GET /api/keys`
pub async fn list<P: Database>(ports: &P, call: &Call<'_>) -> Answer {
    let (limit, cursor) = crate::http::paging::page(call)?;
    let query = Statement::new(
        "SELECT id, name, created_at, revoked_at FROM api_keys WHERE user_id = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3",
    )
    .bind(&call.tenant.user)
    .bind(cursor)
    .bind(limit + 1);
    let entries: Vec<KeyView> = ports.batch(vec![query]).await?.at(0)?.all()?;
    Ok(crate::http::paging::page_reply(entries, limit, |entry| entry.id.clone()))
}

/// `DELETE /api/keys/{id}`: holds from the next request on.
pub async fn revoke<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let revoke =
        Statement::new("UPDATE api_keys SET revoked_at = ?3 WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL")
            .bind(call.id)
            .bind(&call.tenant.user)
            .bind(ports.now());
    if ports.batch(vec![revoke]).await?.at(0)?.changes == 0 {
        return Err(Refusal::from(Problem::new(Code::NotFound, "there is no such key")));
    }
    Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()))
}
