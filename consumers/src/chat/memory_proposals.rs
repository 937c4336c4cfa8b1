//! Memories that a question gives rise to: what to keep of what its asker stated.

use std::collections::HashSet;

use pipeline::{
    chat::{generation::estimated_tokens, turn::MemoryProposal},
    constants,
    failure::Failure,
    fingerprint,
    ids::MemoryId,
    job::item::Claim,
    model::EMBEDDING,
    normal_form::normal_form,
    platform::{
        ports::{Clock, Database, Embedder, Random},
        transaction::Transaction,
    },
    secrets,
    store::{
        memories::proposals::{self, NewProposal},
        users,
    },
};
use retrieval::embedding_text;

use super::{context::Context, statements};

/// How sure it is that what somebody states while they ask is worth keeping.
const CONFIDENCE: f64 = 0.6;

/// What a question states that is not known yet; nothing where there is no place for more.
pub async fn find<P: Database + Clock + Random>(ports: &P, context: &Context) -> Result<Vec<MemoryProposal>, Failure> {
    let mut statements = statements::statements(&context.question);
    // Whoever says a password says it once; it is not kept.
    statements.retain(|statement| secrets::find_said(&statement.text).is_none());
    if statements.is_empty() || !context.turn.request.may_use_memory() {
        return Ok(Vec::new());
    }
    let hashes =
        statements.iter().flat_map(|statement| fingerprint::hashes_of_memory(&statement.text)).collect::<Vec<_>>();
    let row = proposals::known(&context.tenant.user, &hashes)?.first(ports).await?.unwrap_or_default();
    let free = usize::try_from(constants::MEMORIES - row.count).unwrap_or(0);
    let known: Vec<String> = row.known.and_then(|known| serde_json::from_str(&known).ok()).unwrap_or_default();
    let known: HashSet<String> = known.iter().map(|text| normal_form(text)).collect();
    let state = if context.turn.request.accept_memories { "active" } else { "proposed" };
    Ok(statements
        .into_iter()
        .filter(|statement| !known.contains(&normal_form(&statement.text)))
        .take(free)
        .map(|statement| MemoryProposal {
            id: MemoryId::new(ports.now(), ports.bytes()),
            kind: statement.kind.to_owned(),
            text: statement.text,
            state: state.to_owned(),
        })
        .collect())
}

/// Inserts what is proposed. What is accepted without asking is embedded at once, in one call; if the
/// model fails it is found by its words. Again it changes nothing: the same is kept once, by its
/// hash.
pub async fn insert<P: Embedder + Clock>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    proposals: &[MemoryProposal],
    work: &mut Transaction,
) {
    let accepted = context.turn.request.accept_memories && !proposals.is_empty();
    let texts = proposals.iter().filter(|_| accepted).map(|proposal| proposal.text.clone());
    let embeddings = embedded(ports, texts.collect()).await;
    for (place, proposal) in proposals.iter().enumerate() {
        let new = NewProposal {
            id: &proposal.id,
            kind: &proposal.kind,
            text: &proposal.text,
            hash: &fingerprint::of_memory(&proposal.text),
            source: context.turn.turn_id.as_str(),
            confidence: CONFIDENCE,
            project: None,
            why: None,
            supersedes: None,
            session: None,
            state: &proposal.state,
            embedding: embeddings.get(place).map(String::as_str),
            now: ports.now(),
        };
        work.write(proposals::insert(claim, new));
        if accepted {
            work.write(proposals::index(claim, context.tenant.words_of_memories(), &proposal.id, &proposal.text));
        }
    }
    if accepted {
        // What can be recalled has changed: answers from before are out of reach.
        work.write(users::bump_by(claim));
    }
}

/// The embeddings of texts as D1 keeps them; none if the model fails.
pub(crate) async fn embedded<P: Embedder>(ports: &P, texts: Vec<String>) -> Vec<String> {
    if texts.is_empty() {
        return Vec::new();
    }
    let tokens = texts.iter().map(|text| estimated_tokens(text)).sum();
    let vectors = ports.embed(&EMBEDDING, &texts, tokens).await.unwrap_or_default();
    vectors.iter().map(|vector| embedding_text::encode(vector)).collect()
}
