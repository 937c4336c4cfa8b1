//! Capture: what was said in a session of Claude Code into memories that are proposed.
//!
//! In: a capture item whose cursor holds what was said ([`CaptureCursor`]), secrets withheld.
//! Does, per message:
//! 1. finds what it states, by rules ([`pipeline::statements`]): no model is asked;
//! 2. reads what is remembered and proposed that it may be like;
//! 3. compares ([`likeness`]): what is known makes the old one surer, what says otherwise is proposed to supersede it,
//!    and what is neither is new;
//! 4. in one fenced transaction: proposes at most as many as the session may, counts them, and ends the job.
//!
//! Sends on: nothing.
//!
//! A second run changes nothing: the same text is kept once, by its hash, and the item has moved on with the first.

pub mod likeness;

use std::collections::HashSet;

use pipeline::{
    chat::profile::Profile,
    constants,
    failure::Failure,
    fingerprint,
    ids::MemoryId,
    job::{
        cursors::{self, CaptureCursor, Speaker},
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    normal_form::normal_form,
    platform::{
        ports::{Clock, Database, Embedder, Queue, Random},
        transaction::Transaction,
    },
    scope::Scope,
    secrets,
    statements::{self, Statement},
    store::{
        hook_sessions,
        memories::{
            MemoryRow,
            proposals::{self, NewProposal},
            recall,
        },
        users,
    },
    tenant::Tenant,
};
use retrieval::keyword;

use self::likeness::{Likeness, Said};
use crate::chat::memory_proposals::embedded;

/// Most statements of a session that are compared: each is a look into the index.
const COMPARED: usize = 12;
/// Most statements of one message that are read, of which some may hold secrets or be said twice.
const READ: usize = 2 * COMPARED;
/// Memories that one statement is compared with, by their words.
const LIKE: i64 = 8;
/// Proposals that are compared, the newest.
const PROPOSED: i64 = 100;

/// Runs the stage. See the module for its steps.
pub async fn capture<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + Embedder + Queue + Clock + Random,
{
    let cursor: CaptureCursor =
        cursors::read(claim)?.ok_or_else(|| Failure::bug("a capture item without what was said"))?;
    let stated = stated(&cursor);
    let mut work = Transaction::default();
    if !stated.is_empty() {
        // Reading: harmless.
        let Some(known) = read(ports, claim, &cursor, &stated).await? else {
            // Erased meanwhile.
            return complete(ports, claim, work, &Progress::default(), Move::Finish).await;
        };
        let planned = plan(&cursor, stated, &known);
        write(ports, claim, &cursor, &known, planned, &mut work).await;
    }
    complete(ports, claim, work, &Progress::default(), Move::Finish).await
}

/// Step 1. What holds a place where a secret stood is of no use without it.
fn stated(cursor: &CaptureCursor) -> Vec<(Speaker, Statement)> {
    let mut found: Vec<(Speaker, Statement)> = Vec::new();
    let mut forms: Vec<String> = Vec::new();
    let mut before = 0;
    for said in &cursor.said {
        // "no wait, scratch that": what the message before it stated does not hold.
        if said.by == Speaker::User && statements::takes_back(&said.text) {
            found.truncate(before);
            forms.truncate(before);
        }
        before = found.len();
        for statement in statements::statements(said.by, &said.text, READ) {
            if found.len() == COMPARED {
                break;
            }
            let is_kept = !statement.text.contains("[withheld") && secrets::find_said(&statement.text).is_none();
            let form = normal_form(&statement.text);
            if is_kept && !forms.contains(&form) {
                forms.push(form);
                found.push((said.by, statement));
            }
        }
    }
    found
}

/// What is remembered and proposed that may be like what was stated.
struct Known {
    tenant: Tenant,
    memories: Vec<MemoryRow>,
    /// Texts that were remembered once, corrected ones too.
    ever: Vec<String>,
    /// How many more the session may propose.
    left: usize,
}

/// Step 2.
async fn read<P: Database>(
    ports: &P,
    claim: &Claim,
    cursor: &CaptureCursor,
    stated: &[(Speaker, Statement)],
) -> Result<Option<Known>, Failure> {
    let user = &claim.user;
    let hashes = stated.iter().flat_map(|(_, statement)| fingerprint::hashes_of_memory(&statement.text));
    let hashes: Vec<String> = hashes.collect();
    let mut look = Transaction::default();
    let tenant = look.query(users::tenant(user));
    let session = look.query(hook_sessions::session(user, &cursor.session_id));
    let proposed = look.query(proposals::proposed(user, PROPOSED));
    let ever = look.query(proposals::known(user, &hashes)?);
    let found = look.commit(ports).await?;
    let Some(tenant) = found.first(tenant)? else { return Ok(None) };
    let mut look = Transaction::default();
    let like: Vec<_> = stated
        .iter()
        .filter_map(|(_, statement)| {
            let expression = keyword::expression(&Scope::default(), "body", &statement.text)?;
            Some(look.query(recall::matching(user, tenant.words_of_memories().existing()?, expression, LIKE)))
        })
        .collect();
    let mut memories = found.all(proposed)?;
    if !like.is_empty() {
        let done = look.commit(ports).await?;
        let mut seen: HashSet<MemoryId> = memories.iter().map(|memory: &MemoryRow| memory.id.clone()).collect();
        for like in like {
            memories.extend(done.all::<MemoryRow>(like)?.into_iter().filter(|memory| seen.insert(memory.id.clone())));
        }
    }
    let ever = found.first(ever)?.unwrap_or_default();
    let proposed = found.first(session)?.map_or(0, |session| session.proposals);
    Ok(Some(Known {
        tenant,
        memories,
        ever: ever.known.and_then(|known| serde_json::from_str(&known).ok()).unwrap_or_default(),
        left: usize::try_from(constants::HOOK_PROPOSALS - proposed).unwrap_or(0),
    }))
}

/// What becomes of something that was stated.
enum Planned {
    /// It was known.
    Confirmed(MemoryId),
    /// It is proposed.
    Proposed(Proposal),
}

/// A memory that is to be proposed.
struct Proposal {
    statement: Statement,
    says: Said,
    by: Speaker,
    project: Option<String>,
    /// What it would correct.
    contrary: Option<(MemoryId, String)>,
}

/// Step 3.
fn plan(cursor: &CaptureCursor, stated: Vec<(Speaker, Statement)>, known: &Known) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut left = known.left;
    let remembered: Vec<(&MemoryRow, Said)> =
        known.memories.iter().map(|memory| (memory, likeness::said(&memory.text))).collect();
    let ever: Vec<String> = known.ever.iter().map(|text| normal_form(text)).collect();
    for (by, statement) in stated {
        let project = cursor.project.clone().filter(|_| !statement.is_personal);
        // What is about another project says nothing about this one.
        let near = remembered.iter().filter(|(memory, _)| memory.project.is_none() || memory.project == project);
        let says = likeness::said(&statement.text);
        let compared = near.map(|(memory, said)| (*memory, likeness::of(said, &says)));
        let compared: Vec<(&MemoryRow, Likeness)> = compared.collect();
        let of = |wanted: Likeness| compared.iter().find(|(_, found)| *found == wanted).map(|(memory, _)| *memory);
        if let Some(same) = of(Likeness::Same) {
            planned.push(Planned::Confirmed(same.id.clone()));
            continue;
        }
        let was_known = ever.contains(&normal_form(&statement.text));
        let is_said_before = planned.iter().any(|planned| {
            matches!(planned, Planned::Proposed(before)
                     if likeness::of(&before.says, &says) == Likeness::Same)
        });
        if was_known || is_said_before {
            continue;
        }
        if by == Speaker::User {
            let proposed = planned.len();
            planned.retain(|planned| !planned.is_taken_back_by(&says));
            left += proposed - planned.len();
        }
        if left == 0 {
            continue;
        }
        left -= 1;
        // What corrects a proposal that nobody accepted takes the place of what that would have corrected.
        let contrary = of(Likeness::Contrary).map(|memory| {
            let corrected = memory.supersedes.clone().filter(|_| memory.state == "proposed");
            (corrected.unwrap_or_else(|| memory.id.clone()), memory.text.clone())
        });
        planned.push(Planned::Proposed(Proposal { statement, says, by, project, contrary }));
    }
    planned
}

impl Planned {
    /// Of two things that were just said and are contrary the later holds.
    fn is_taken_back_by(&self, says: &Said) -> bool {
        matches!(self, Self::Proposed(before)
                 if likeness::of(&before.says, says) == Likeness::Contrary)
    }
}

impl Proposal {
    /// Why it is proposed, for who looks at it.
    fn why(&self) -> String {
        let by = match self.by {
            Speaker::User => "you said",
            Speaker::Assistant => "Claude said",
        };
        let contrary = self.contrary.as_ref().map(|(_, text)| format!("; it would take the place of {text:?}"));
        format!("{by} in a session of Claude Code: {:?}{}", self.statement.text, contrary.unwrap_or_default())
    }
}

/// Step 4. What is accepted without asking is active at once, unless it would correct something, or Claude said it.
async fn write<P: Embedder + Clock + Random>(
    ports: &P,
    claim: &Claim,
    cursor: &CaptureCursor,
    known: &Known,
    planned: Vec<Planned>,
    work: &mut Transaction,
) {
    let now = ports.now();
    let accepts = Profile::of(&known.tenant).preferences.accept_memories;
    let is_active =
        |proposal: &Proposal| accepts && proposal.contrary.is_none() && matches!(proposal.by, Speaker::User);
    let active = |planned: &Planned| match planned {
        Planned::Proposed(proposal) if is_active(proposal) => Some(proposal.statement.text.clone()),
        _ => None,
    };
    // The model changes nothing: without it they are found by their words.
    let mut embeddings = embedded(ports, planned.iter().filter_map(active).collect()).await.into_iter();
    let source = format!("Claude Code, session {}", cursor.session_id);
    let mut has_active = false;
    for planned in planned {
        let proposal = match planned {
            Planned::Confirmed(memory) => {
                work.write(proposals::confirm(claim, &memory, now));
                continue;
            }
            Planned::Proposed(proposal) => proposal,
        };
        let is_active = is_active(&proposal);
        has_active |= is_active;
        let id = MemoryId::new(now, ports.bytes());
        let embedding = if is_active { embeddings.next() } else { None };
        let Proposal { statement: Statement { kind, text, confidence, .. }, project, contrary, .. } = &proposal;
        let new = NewProposal {
            id: &id,
            kind,
            text,
            hash: &fingerprint::of_memory(text),
            source: &source,
            confidence: *confidence,
            project: project.as_deref(),
            why: Some(&proposal.why()),
            supersedes: contrary.as_ref().map(|(id, _)| id),
            session: Some(&cursor.session_id),
            state: if is_active { "active" } else { "proposed" },
            embedding: embedding.as_deref(),
            now,
        };
        // Again: the same text is kept once, by its hash; the claim's fence holds the rest.
        work.write(proposals::insert(claim, new));
        work.write(hook_sessions::count_proposal(claim, &cursor.session_id, &id));
        if is_active {
            work.write(proposals::index(claim, known.tenant.words_of_memories(), &id, text));
        }
    }
    if has_active {
        // What can be recalled has changed: answers from before are out of reach.
        work.write(users::bump_by(claim));
    }
}

#[cfg(test)]
mod tests;
