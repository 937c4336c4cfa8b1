//! What is said in a session: kept as far as it states something, and handed to the stage capture.
//!
//! The transcript lies on the user's machine, and stays there. So what a user says is heard when they submit it, and
//! what Claude said last comes with `Stop`. Messages that state nothing, which are most, are not kept.

use pipeline::{
    constants::HOOK_SAID_BYTES,
    failure::Failure,
    ids::{JobId, UserId},
    job::{
        cursors::{Said, Speaker},
        message::Stage,
    },
    platform::{
        ports::{Clock, Database, Queue, Random},
        transaction::{Transaction, Write},
    },
    secrets, statements,
    store::{
        counters, hook_sessions,
        jobs::create::{self, NewCaptureJob, NewItem},
    },
    time::Span,
};

use super::input::{Event, Input};
use crate::http::call::Call;

/// A session that was not heard of for so long is over, whether its end was told or not.
const LEFT_BEHIND: Span = Span::hours(1);
/// Bytes of a message that are kept: four messages at least of what a session may keep.
const MESSAGE_BYTES: usize = HOOK_SAID_BYTES / 4;

/// Keeps what a prompt states.
pub(super) async fn hear_prompt<P: Database + Clock>(
    ports: &P,
    call: &Call<'_>,
    input: &Input<'_>,
) -> Result<(), Failure> {
    match heard(ports, call, input, Speaker::User, input.prompt)? {
        Some(write) => write.run(ports).await.map(drop),
        None => Ok(()),
    }
}

/// The write that keeps a message, if it states something and the day has room for what is made of it.
fn heard<P: Clock>(
    ports: &P,
    call: &Call<'_>,
    input: &Input<'_>,
    by: Speaker,
    text: &str,
) -> Result<Option<Write>, Failure> {
    let Some(session) = input.session else { return Ok(None) };
    if !statements::states_something(by, text) || call.budget.parks_ingest().is_some() {
        return Ok(None);
    }
    // Before it is cut: half a secret is not known as one.
    let text = stating(by, &secrets::withhold_said(text));
    let project = input.project.as_deref();
    hook_sessions::hear(&call.tenant.user, session, project, &Said { by, text }, ports.now()).map(Some)
}

/// As much of a message as is kept: all of it, or of a long one the lines that state something, as far as anybody
/// looks.
fn stating(by: Speaker, text: &str) -> String {
    let text = &text[..text.floor_char_boundary(statements::LOOKED_AT)];
    if text.len() <= MESSAGE_BYTES {
        return text.to_owned();
    }
    let mut kept = String::new();
    for line in text.lines().filter(|line| statements::states_something(by, line)) {
        kept.push_str(line);
        kept.push('\n');
        if kept.len() >= MESSAGE_BYTES {
            break;
        }
    }
    // Lines that state something together alone: what the message begins with is as good as any.
    let kept = if kept.is_empty() { text.to_owned() } else { kept };
    kept[..kept.floor_char_boundary(MESSAGE_BYTES)].to_owned()
}

/// Hands what was said to the stage capture, if anything was: one transaction, after which it is not lost.
pub(super) async fn hand_over<P>(ports: &P, call: &Call<'_>, input: &Input<'_>) -> Result<(), Failure>
where
    P: Database + Queue + Clock + Random,
{
    let Some(session) = input.session else { return Ok(()) };
    let mut work = Transaction::default();
    if let Some(write) = heard(ports, call, input, Speaker::Assistant, input.last_message)? {
        work.write(write);
    }
    hand_over_session(ports, &call.tenant.user, session, input.event != Event::Stop, work).await
}

/// Hands over what was said in a session of the user whose end was never told: its terminal was closed.
pub(super) async fn hand_over_left_behind<P>(ports: &P, call: &Call<'_>, input: &Input<'_>) -> Result<(), Failure>
where
    P: Database + Queue + Clock + Random,
{
    let user = &call.tenant.user;
    let before = ports.now().plus(-LEFT_BEHIND);
    let Some(left) = hook_sessions::left_behind(user, input.session, before).first(ports).await? else { return Ok(()) };
    hand_over_session(ports, user, &left.session_id, true, Transaction::default()).await
}

async fn hand_over_session<P>(
    ports: &P,
    user: &UserId,
    session: &str,
    is_last: bool,
    mut work: Transaction,
) -> Result<(), Failure>
where
    P: Database + Queue + Clock + Random,
{
    let now = ports.now();
    let job = JobId::new(now, ports.bytes());
    // Without anything said there is no job, and everything after it changes nothing.
    work.write(create::capture_job(NewCaptureJob { id: &job, user, session, is_last, now }));
    work.write(counters::take_item_numbers(&job, 1));
    work.query(create::items(
        &job,
        &[NewItem { document_count: Some(1), ..NewItem::queued(Stage::Capture, now) }],
        now,
    )?);
    work.write(create::hand_over_said(&job, user, session));
    work.write(hook_sessions::take_said(&job, user, session, now));
    work.announce(create::first_item(&job));
    let messages = work.commit(ports).await?.messages()?;
    if !messages.is_empty() {
        // A lost message costs a sweep, not what was said.
        let _ = ports.send(messages).await;
    }
    Ok(())
}
