//! API keys: issue, list, revoke. The secret is shown once and stored nowhere.

use http::StatusCode;
use pipeline::{
    ids::UserId,
    platform::{
        ports::{Clock, Database, Random},
        transaction::Transaction,
    },
    problem::{Code, Problem, excerpt},
    schema,
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
    reply::{Answer, Reply},
};

/// What a new key is called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct NewKey {
    #[schemars(length(min = 1, max = NAME_BYTES), regex(pattern = schema::NAME))]
    name: Option<String>,
    /// Whose key it is: of the administrator alone, for a user whom there is already; without it a new user.
    #[schemars(with = "Option<UserId>")]
    user_id: Option<String>,
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

/// A new key within its limits: its name, and whose it is to be.
fn parse(text: &[u8]) -> Result<(String, Option<UserId>), Problem> {
    let wanted: NewKey = body::read_or_default(text)?;
    let name = body::name("/name", wanted.name.as_deref().unwrap_or("default"), NAME_BYTES)?;
    let user = wanted.user_id.map(|id| UserId::parse(&id).ok_or_else(|| no_such_user(&id))).transpose()?;
    Ok((name, user))
}

fn no_such_user(id: &str) -> Problem {
    let detail = format!("there is no user {:?}; without `user_id` a new one is created", excerpt(id));
    Problem::field(Code::NotFound, "/user_id", detail)
}

/// `POST /api/keys` by the administrator: a new user with their first key, or another key for a user who has none left.
pub async fn create_by_administrator<P: Database + Clock + Random>(ports: &P, call: &PublicCall<'_>) -> Answer {
    let (name, user) = parse(call.request.body())?;
    let mut transaction = Transaction::default();
    let user = user.unwrap_or_else(|| {
        let user = UserId::new(ports.now(), ports.bytes());
        transaction.write(users::insert(&user, &name, ports.now()));
        user
    });
    issue(ports, call.settings, &user, &name, transaction).await
}

/// `POST /api/keys` by a user: another key for the same user.
pub async fn create<P: Database + Clock + Random>(ports: &P, call: &Call<'_>) -> Answer {
    let (name, user) = parse(call.request.body())?;
    if user.is_some_and(|user| user != call.tenant.user) {
        let detail =
            "a key is issued to another user by the administrator alone; leave `user_id` out for one of your own";
        return Err(Problem::field(Code::Forbidden, "/user_id", detail).into());
    }
    issue(ports, call.settings, &call.tenant.user, &name, Transaction::default()).await
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
    let issued = transaction.write(keys::insert(NewApiKey { id: key.id(), user, name, digest: &digest, now }));
    if transaction.commit(ports).await?.changes(issued) == 0 {
        return Err(no_such_user(user.as_str()).into());
    }
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

/// `DELETE /api/keys/{id}`: holds from the next request on. Without a key nobody reaches what is theirs any more: the
/// last one goes with `?force=true` alone.
pub async fn revoke<P: Database + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let user = &call.tenant.user;
    let mut transaction = Transaction::default();
    let revoked = transaction.write(keys::revoke(user, call.id, call.flag("force")?, ports.now()));
    let key = transaction.query(keys::key(user, call.id));
    let done = transaction.commit(ports).await?;
    if done.changes(revoked) > 0 {
        return Ok(Reply::bytes(StatusCode::NO_CONTENT, "application/json", Vec::new()));
    }
    let is_last = done.first(key)?.is_some_and(|key| key.revoked_at.is_none());
    Err(if is_last { last_key() } else { no_such_key() }.into())
}

fn no_such_key() -> Problem {
    Problem::new(Code::NotFound, "there is no such key, or it is revoked; GET /api/keys lists yours")
}

fn last_key() -> Problem {
    let detail = "this is your last key: without one you reach nothing that is yours any more. Issue another first \
                  (POST /api/keys), or revoke it all the same with ?force=true";
    Problem::new(Code::Conflict, detail)
}
