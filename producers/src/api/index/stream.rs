//! `POST /api/index` with a body that is too large to be read at once: it goes into R2 as it comes.
//!
//! 1. What can be refused without the body is refused: its form, a key that came with another one, a length for
//!    which R2, or the user's share of it, has no space.
//! 2. The body is streamed into an object, named by the job that it will be. None of it enters wasm. A crash
//!    from here on leaves an object without a job, which `schedule/orphans.rs` removes when its request cannot
//!    be alive any more.
//! 3. One D1 transaction makes the job, accepted, with its only item, the upload's row, and the answer to
//!    replay: 202 means that it happened.
//! 4. The item's message is sent. If that fails the sweep sends it.
//!
//! An `Idempotency-Key` is known by what R2 says of the stored content, so a repetition is sent once more, and
//! answered as before.

use pipeline::{
    budget::allowances::Allowances,
    constants,
    ids::JobId,
    job::{
        cursors::{Inside, UnpackCursor},
        message::Stage,
    },
    platform::{object_keys, ports::PutIf, statement::json, transaction::Transaction},
    problem::{Code, Problem},
    store::{
        counters::{self, Space},
        idempotency as keys,
        jobs::create::NewItem,
        uploads as rows,
    },
    time::Timestamp,
};
use uploads::Announced;

use super::{
    answer::{IndexAnswer, accepted, replayed},
    begin::{self, NewUpload},
    token::consistency_token,
};
use crate::http::{
    call::{Call, RequestPorts},
    idempotency::{self, Key},
    reply::{Answer, Refusal},
};

/// An upload that lies in R2.
struct Stored<'a> {
    job: &'a JobId,
    announced: &'a Announced<'a>,
    bytes: u64,
    /// When its request came.
    begun: Timestamp,
    key: Option<&'a Key>,
    /// The answer to replay.
    response: &'a str,
    /// Files that look like secrets are sent by intent.
    allow_secrets: bool,
}

/// Answers the route for a body of so many bytes. See the module for its steps.
pub(super) async fn index<P: RequestPorts>(ports: &P, call: &Call<'_>, bytes: u64) -> Answer {
    let announced = announced(call)?;
    let allow_secrets = call.flag("allow_secrets")?;
    let key = idempotency::begin_unread(ports, call).await?;
    check_space(ports, call, bytes).await?;
    let begun = ports.now();
    let job = JobId::new(begun, ports.bytes());
    let content = ports.store_body(&object_keys::upload(&call.tenant.user, &job), bytes).await?;
    let key = key.map(|key| Key::of_stored(key, &content));
    let response = &json(&answer(&job))?;
    let key = key.as_ref();
    accept(ports, call, Stored { job: &job, announced: &announced, bytes, begun, key, response, allow_secrets }).await
}

/// Answers the route for a body that was read, and unfolds to more than is read at once: it goes the same way.
pub(super) async fn index_read<P: RequestPorts>(ports: &P, call: &Call<'_>, key: Option<&Key>) -> Answer {
    let announced = announced(call)?;
    let allow_secrets = call.flag("allow_secrets")?;
    let begun = ports.now();
    let job = JobId::new(begun, ports.bytes());
    let body = call.request.body();
    check_space(ports, call, body.len() as u64).await?;
    ports.put(&object_keys::upload(&call.tenant.user, &job), body.to_vec(), PutIf::Always).await?;
    let response = &json(&answer(&job))?;
    let bytes = body.len() as u64;
    accept(ports, call, Stored { job: &job, announced: &announced, bytes, begun, key, response, allow_secrets }).await
}

/// What a body is, if it can become a job.
fn announced<'a>(call: &'a Call<'_>) -> Result<Announced<'a>, Problem> {
    if call.flag("dry_run")? {
        let detail = format!("an estimate reads {} bytes at most; send a part", constants::READ_AT_ONCE_BYTES);
        return Err(Problem::field(Code::TooLarge, "Content-Length", detail));
    }
    Announced::by(call.request.headers())
}

/// Refuses what R2 has no space for. An upload lies there until it is unpacked, which waits while there is none.
async fn check_space<P: RequestPorts>(ports: &P, call: &Call<'_>, bytes: u64) -> Result<(), Refusal> {
    let space = counters::space(&call.tenant.user).first(ports).await?.unwrap_or_default();
    check_share(&space, &call.budget.allowances, bytes)?;
    let (stored, most) = (space.stored, constants::STORED_SHARE * call.budget.allowances.r2_bytes);
    #[expect(clippy::cast_precision_loss, reason = "no upload is longer than 2^52 bytes")]
    if stored + bytes as f64 <= most {
        return Ok(());
    }
    let detail = format!(
        "{stored:.0} bytes are stored, and with these {bytes} it would be more than the {most:.0} that there is space \
         for: delete documents, wait until other uploads are unpacked, or send less"
    );
    Err(Problem::new(Code::Unavailable, detail).into())
}

/// Refuses an upload whose user would have more than their share of the space that the others leave.
fn check_share(space: &Space, allowances: &Allowances, bytes: u64) -> Result<(), Problem> {
    let others = space.stored - space.own;
    let most = allowances.user_share * (constants::STORED_SHARE * allowances.r2_bytes - others).max(0.0);
    #[expect(clippy::cast_precision_loss, reason = "no upload is longer than 2^52 bytes")]
    if space.others == 0 || space.own + bytes as f64 <= most {
        return Ok(());
    }
    let own = space.own;
    let detail = format!(
        "{own:.0} bytes of your uploads are not unpacked, and with these {bytes} it would be more than the {most:.0} \
         that are your share of the space: wait until they are unpacked, or send less"
    );
    Err(Problem::new(Code::RateLimited, detail))
}

/// Makes a job of what is stored, or removes it.
async fn accept<P: RequestPorts>(ports: &P, call: &Call<'_>, stored: Stored<'_>) -> Answer {
    match make_job(ports, call, &stored).await {
        Ok(()) => accepted(ports, call, stored.job, &answer(stored.job)).await,
        // It may be a job all the same: the schedule sees whether the object belongs to one.
        Err(failure @ Refusal::Failure(_)) => Err(failure),
        Err(refusal) => {
            let _ = ports.delete(&[object_keys::upload(&call.tenant.user, stored.job)]).await;
            let Some(key) = stored.key else { return Err(refusal) };
            let replay = idempotency::replay(ports, &call.tenant, key).await?.ok_or(refusal)?;
            replayed(ports, call, replay).await
        }
    }
}

fn answer(job: &JobId) -> IndexAnswer<'_> {
    IndexAnswer {
        job_id: Some(job),
        status: "queued",
        consistency_token: Some(consistency_token(job)),
        estimate: None,
        items: &[],
        items_url: Some(format!("/api/jobs/{job}/items")),
    }
}

/// Steps 3 and 4.
async fn make_job<P: RequestPorts>(ports: &P, call: &Call<'_>, stored: &Stored<'_>) -> Result<(), Refusal> {
    let now = ports.now();
    if now.since(stored.begun) > constants::UPLOAD_TIME {
        let detail = "the upload took more than an hour; send it in parts";
        return Err(Problem::new(Code::TooLarge, detail).into());
    }
    let user = &call.tenant.user;
    let unfolded = (constants::INFLATED_PER_BYTE * stored.bytes).min(constants::INFLATED_BYTES as u64);
    let most = if stored.announced.may_be_compressed { unfolded } else { stored.bytes };
    let item = NewItem { cursor: Some(json(&cursor(stored))?), ..NewItem::queued(Stage::Unpack, now) };
    let new = NewUpload {
        job: stored.job,
        user,
        key: stored.key,
        is_accepted: true,
        items: &[item],
        numbers: usize::try_from(most / constants::BYTES_PER_ITEM_NUMBER).unwrap_or(usize::MAX),
        documents: 0,
        rejected: 0,
        now,
    };
    let mut work = Transaction::default();
    let begun = begin::begin(&mut work, new)?;
    work.write(rows::insert(user, stored.job, stored.announced.media_type, stored.bytes));
    let key = stored.key.map(|key| key.key.as_str());
    work.write(keys::answer(user, key, stored.job, stored.response, now));
    let done = work.commit(ports).await?;
    begin::first_item(&done, begun)?;
    // The job is committed: a lost message costs a sweep, not the job.
    let _ = ports.send(done.messages()?).await;
    Ok(())
}

fn cursor(stored: &Stored<'_>) -> UnpackCursor {
    UnpackCursor {
        media_type: stored.announced.media_type.to_owned(),
        bytes: stored.bytes,
        offset: 0,
        documents: 0,
        rejected: 0,
        inside: Inside::default(),
        may_be_compressed: stored.announced.may_be_compressed,
        inflating: None,
        allow_secrets: stored.allow_secrets,
    }
}
