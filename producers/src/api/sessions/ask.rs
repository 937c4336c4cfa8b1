//! A question to the friend, asked in a session: a turn of its conversation, on its owner's account.
//!
//! The owner asks about all that is theirs. A guest asks about what the owner opened to guests, never with
//! memories or profile, proposes nothing to remember, and has a share of its own: whoever invites somebody
//! gives neither their papers nor their day away.

use pipeline::{
    chat::turn::Ask,
    constants,
    ids::{SessionId, UserId},
    problem::{Code, Problem},
    store::users,
};

use super::{ParticipantRole, read};
use crate::{
    api::chat::{self, Begun, Checked},
    http::{call::RequestPorts, reply::Refusal},
};

/// Who asks, and where.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The session's owner.
    pub owner: &'a UserId,
    /// The session.
    pub session: &'a SessionId,
    /// What they are in it.
    pub role: ParticipantRole,
}

const OWNER_IS_GONE: &str = "the session's owner has no account any more: ask in a session of another owner";

/// Accepts a question; it is answered in the session's channel.
pub async fn ask<P: RequestPorts>(ports: &P, asker: Asker<'_>, question: String) -> Result<Begun, Refusal> {
    let tenant = users::tenant(asker.owner).first(ports).await?;
    let tenant = tenant.ok_or_else(|| Problem::new(Code::NotFound, OWNER_IS_GONE))?;
    let session = read(ports, asker.owner, asker.session).await?;
    let ask = match asker.role {
        ParticipantRole::Owner => Ask { use_memory: true, ..Ask::default() },
        ParticipantRole::Editor | ParticipantRole::Viewer => {
            take_share(ports, asker.owner).await?;
            Ask { guest: Some(session.guests), ..Ask::default() }
        }
    };
    let conversation = Some(session.conversation_id);
    let checked = Checked { message: question, conversation, session: Some(asker.session.clone()), ask };
    chat::begin(ports, &tenant, checked, None, "chat").await
}

/// All guests of an owner share one rate and one day.
async fn take_share<P: RequestPorts>(ports: &P, owner: &UserId) -> Result<(), Refusal> {
    if users::take_guest_question(owner, ports.now()).run(ports).await? > 0 {
        return Ok(());
    }
    let detail = format!(
        "guests may ask {} questions a minute and {} a day; ask later, or let the owner ask",
        constants::GUEST_QUESTIONS_PER_MINUTE,
        constants::GUEST_QUESTIONS_PER_DAY
    );
    Err(Problem::new(Code::RateLimited, detail).into())
}
