//! Memories that a question offers: what to keep of what its asker stated.

use pipeline::{
    chat::{generation::estimated_tokens, turn::Offered},
    constants,
    failure::Failure,
    fingerprint,
    ids::MemoryId,
    job::item::Claim,
    model::EMBEDDING,
    platform::{
        ports::{Clock, Database, Embedder, Random},
        statement::{Statement, json},
    },
    scope::Scope,
    store::users,
};
use retrieval::memories;
use serde::Deserialize;

use super::{context::Context, statements};

/// What a question offers that is not known yet; nothing where there is no room for more.
pub async fn offers<P: Database + Clock + Random>(ports: &P, context: &Context) -> Result<Vec<Offered>, Failure> {
    #[derive(Deserialize)]
    struct Row {
        count: i64,
        known: String,
    }
    let candidates = statements::statements(&context.question);
    if candidates.is_empty() || !context.turn.request.use_memory {
        return Ok(Vec::new());
    }
    let hashes: Vec<String> = candidates.iter().map(|candidate| fingerprint::of_words(&candidate.text)).collect();
    let query = Statement::new(
        "SELECT (SELECT count(*) FROM memories WHERE user_id = ?1) AS count,
                (SELECT json_group_array(hash) FROM memories
                 WHERE user_id = ?1 AND hash IN (SELECT value FROM json_each(?2))) AS known",
    )
    .bind(&context.tenant.user)
    .bind(json(&hashes)?);
    let row: Option<Row> = ports.batch(vec![query]).await?.at(0)?.first()?;
    let (count, known) = row.map_or((0, String::new()), |row| (row.count, row.known));
    let free = usize::try_from(constants::MEMORIES - count).unwrap_or(0);
    let state = if context.turn.request.accept_memories { "active" } else { "proposed" };
    Ok(candidates
        .into_iter()
        .zip(hashes)
        .filter(|(_, hash)| !known.contains(hash.as_str()))
        .take(free)
        .map(|(candidate, _)| Offered {
            id: MemoryId::new(ports.now(), ports.bytes()),
            kind: candidate.kind.to_owned(),
            text: candidate.text,
            state: state.to_owned(),
        })
        .collect())
}

/// The statements that keep what is offered. What is accepted without asking is embedded at once, in
/// one call; if the model fails it is found by its words. Again they change nothing: the same words
/// are kept once, by their hash.
pub async fn keep<P: Embedder + Clock>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    offered: &[Offered],
) -> Vec<Statement> {
    let accepted = context.turn.request.accept_memories && !offered.is_empty();
    let mut vectors = Vec::new();
    if accepted {
        let texts: Vec<String> = offered.iter().map(|memory| memory.text.clone()).collect();
        let tokens = texts.iter().map(|text| estimated_tokens(text)).sum();
        vectors = ports.embed(&EMBEDDING, &texts, tokens).await.unwrap_or_default();
    }
    let mut statements = Vec::new();
    for (place, memory) in offered.iter().enumerate() {
        let embedding = vectors.get(place).map(|vector| memories::encode(vector));
        statements.push(propose(ports, claim, context, memory, embedding));
        if accepted {
            statements.push(index(claim, context, memory));
        }
    }
    // What can be recalled has changed: answers from before are out of reach.
    statements.extend(accepted.then(|| users::bump_by(claim).into()));
    statements
}

fn propose<P: Clock>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    memory: &Offered,
    embedding: Option<String>,
) -> Statement {
    claim
        .fenced_statement(
            "INSERT INTO memories (id, user_id, kind, text, hash, source, confidence, state, pinned, embedding, created_at)
             SELECT ?3, ?4, ?5, ?6, ?7, ?8, 0.6, ?9, 0, ?12, ?10
             WHERE EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)
               AND (SELECT count(*) FROM memories WHERE user_id = ?4) < ?11
             ON CONFLICT DO NOTHING",
        )
        .bind(&memory.id)
        .bind(&claim.user)
        .bind(memory.kind.as_str())
        .bind(memory.text.as_str())
        .bind(fingerprint::of_words(&memory.text))
        .bind(context.turn.turn_id.as_str())
        .bind(memory.state.as_str())
        .bind(ports.now())
        .bind(constants::MEMORIES)
        .bind(embedding)
}

fn index(claim: &Claim, context: &Context, memory: &Offered) -> Statement {
    claim
        .fenced_statement(
            "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
             SELECT number, ?4, text FROM memories WHERE id = ?3 AND state = 'active'
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&memory.id)
        .bind(Scope::of_user(context.tenant.number).terms())
}
