//! Chat: a question into an answer with sources, told live.
//!
//! In: a chat item, whose job says which turn of which conversation is asked (`jobs.turn`).
//! Does, per message:
//! 1. reads the question and what was said before it;
//! 2. finds memories and sources that are about it ([`sources`]);
//! 3. chooses the route ([`route`]) from the catalogue;
//! 4. if the conversation outgrew its room, summarises its beginning ([`history`]), and goes on in
//!    another message;
//! 5. builds the prompt ([`prompt`]) and asks the route's models in turn, telling the room as they
//!    answer ([`teller`]); if none can, what was found is the answer ([`fallback`]);
//! 6. settles the citations ([`citations`]) and commits answer, offered memories and the end of the
//!    job in one fenced transaction;
//! 7. tells the room, and remembers the answer for who asks the same within the hour.
//!
//! Sends on: the next question of the conversation, if one waits.

pub mod candidates;
pub mod citations;
pub mod fallback;
pub mod history;
pub mod prompt;
pub mod quote;
pub mod route;
pub mod sources;
pub mod teller;
pub mod thinking;

use futures_util::future::join;
use pipeline::{
    catalogue::{Catalogue, Route},
    chat::{Ask, CachedAnswer, Detail, Offered, Routed, Spent, Turn, TurnResult},
    failure::{Failure, FailureKind},
    fingerprint,
    garbage::Work,
    generation::{Collect, Generation, PromptMessage, Role, Tokens, estimated_tokens},
    ids::MemoryId,
    item::{self, Claim, Move, Progress, commit, settle},
    limits,
    model::EMBEDDING,
    object_keys,
    outcome::Outcome,
    ports::{Clock, Database, Embedder, Generator, KeyValue, Queue, Random, Rooms, VectorIndex},
    profile::Profile,
    room::{Room, Telling, TurnEvent},
    scope::Scope,
    statement::{Statement, json},
    tenant::Tenant,
    time::DAY,
};
use retrieval::{Mode, Search, SearchRequest, memories};
use serde::Deserialize;

use self::{
    history::Numbered,
    prompt::{Parts, Prompt},
    route::Choice,
    sources::Source,
    teller::Teller,
};
use crate::chunk::tokens;

/// Chunks looked at for one answer.
const SOURCES: i64 = 8;
/// Attempts after which an answer is made of what was found, if no model answers.
const MODEL_ATTEMPTS: i64 = 3;
/// A question with fewer telling words is looked for together with the one before it.
const FEW_TERMS: usize = 3;
/// Share of a route's room that the conversation may take before it is summarised.
const HISTORY_SHARE: u64 = 3;
/// Seconds an answer may be given again.
const RESPONSE_SECONDS: u32 = 3_600;

/// All a turn stands on.
#[derive(Debug)]
struct Context {
    turn: Turn,
    tenant: Tenant,
    question: String,
    summary: Option<String>,
    said: Vec<Numbered>,
}

/// What was found for the question.
#[derive(Debug, Default)]
struct Findings {
    memories: Vec<(MemoryId, String)>,
    sources: Vec<Source>,
    degraded: Option<String>,
}

/// What a model made of a prompt.
#[derive(Debug)]
struct Written {
    text: String,
    model: String,
    spent: Spent,
    finish: &'static str,
}

/// Why no model answered.
#[derive(Debug)]
enum Unwritten {
    /// Nobody wants the answer any more.
    Unwanted,
    /// Every model failed; the last failure, or the one that says most.
    Failed(Failure),
}

/// Runs the stage. See the module for its steps.
pub async fn chat<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database + KeyValue + Embedder + Generator + Rooms + VectorIndex + Queue + Clock + Random,
{
    let Some(context) = read(ports, claim).await? else {
        // The conversation was deleted: nobody waits for an answer.
        return settle(ports, claim, Work::default(), &Progress::default(), Move::Finish).await;
    };
    let findings = find(ports, &context).await?;
    let code = findings.sources.iter().filter(|source| source.is_code).count();
    let features = route::features(&context.question, code * 2 > findings.sources.len());
    let choice = route::choose(features, context.turn.request.route);
    let catalogue = Catalogue::load(ports).await.catalogue;
    let route = catalogue.route(choice.route);
    if let Some(outcome) = summarise(ports, claim, &context, &catalogue, &route).await? {
        return Ok(outcome);
    }
    let prompt = build_prompt(&context, &findings, &route);
    let room = Room::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
    let asked = Asked { context: &context, catalogue: &catalogue, route: &route, choice: &choice, room: &room };
    let written = match write(ports, claim, &asked, &prompt).await {
        Ok(written) => Ok(written),
        // Cancelled, or another worker has taken over: the fence would refuse all that follows.
        Err(Unwritten::Unwanted) => return Ok(Outcome::Done),
        Err(Unwritten::Failed(failure)) if may_recover(&failure, claim) => return Err(failure),
        Err(Unwritten::Failed(failure)) => Err(failure),
    };
    let answer = compose(&context, &findings, &prompt, &choice, written);
    finish(ports, claim, &context, &room, answer).await
}

/// A passing failure is tried again a few times; a spent allowance or an unknown model is not.
fn may_recover(failure: &Failure, claim: &Claim) -> bool {
    failure.kind == FailureKind::Transient && claim.attempts < MODEL_ATTEMPTS
}

/// Steps 1. `None` if the conversation is gone.
async fn read<P: Database>(ports: &P, claim: &Claim) -> Result<Option<Context>, Failure> {
    #[derive(Deserialize)]
    struct JobRow {
        turn: Option<String>,
        #[serde(flatten)]
        tenant: Tenant,
    }
    #[derive(Deserialize)]
    struct ConversationRow {
        summary: Option<String>,
    }
    #[derive(Deserialize)]
    struct Row {
        number: i64,
        role: Role,
        content: String,
    }
    let job = Statement::new(
        "SELECT j.turn, u.id AS user, u.number, u.index_version, u.document_count, u.profile
         FROM jobs j JOIN users u ON u.id = j.user_id WHERE j.id = ?1 AND j.user_id = ?2",
    )
    .bind(&claim.job)
    .bind(&claim.user);
    let conversation = Statement::new(
        "SELECT c.summary FROM jobs j JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
         WHERE j.id = ?1 AND j.user_id = ?2",
    )
    .bind(&claim.job)
    .bind(&claim.user);
    let turns = Statement::new(
        "SELECT t.number, t.role, t.content
         FROM jobs j JOIN conversations c ON c.user_id = j.user_id AND c.id = j.turn ->> '$.conversation_id'
         JOIN turns t ON t.user_id = c.user_id AND t.conversation_id = c.id
              AND t.number > c.summarised_through AND t.number <= j.turn ->> '$.number'
         WHERE j.id = ?1 AND j.user_id = ?2 ORDER BY t.number",
    )
    .bind(&claim.job)
    .bind(&claim.user);
    let answers = ports.batch(vec![job, conversation, turns]).await?;
    let Some(job) = answers.at(0)?.first::<JobRow>()? else { return Ok(None) };
    let text = job.turn.ok_or_else(|| Failure::bug("a chat job without a turn"))?;
    let turn: Turn =
        serde_json::from_str(&text).map_err(|error| Failure::bug(format!("a chat job's turn: {error}")))?;
    let Some(conversation) = answers.at(1)?.first::<ConversationRow>()? else { return Ok(None) };
    let mut rows: Vec<Row> = answers.at(2)?.all()?;
    let Some(question) = rows.pop().filter(|row| row.number == turn.number) else { return Ok(None) };
    let numbered =
        |row: Row| Numbered { number: row.number, message: PromptMessage { role: row.role, content: row.content } };
    // A client that keeps the history itself sends it along; it is older than all that is stored.
    let sent = turn.request.history.iter().map(|message| Numbered { number: 0, message: message.clone() });
    let said = sent.chain(rows.into_iter().map(numbered)).collect();
    Ok(Some(Context { said, question: question.content, summary: conversation.summary, tenant: job.tenant, turn }))
}

/// Step 2. A model or index that fails leaves what words alone find.
async fn find<P>(ports: &P, context: &Context) -> Result<Findings, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let ask = &context.turn.request;
    let query = query(context);
    let search = Search {
        request: SearchRequest {
            query: query.clone(),
            top_k: SOURCES,
            mode: Mode::Hybrid,
            group_by: None,
            after: None,
            filters: ask.filters.clone(),
        },
        top_k: usize::try_from(SOURCES).unwrap_or(8),
        after: None,
    };
    let looks = ask.use_memory || context.tenant.document_count > 0;
    let vector = if looks { retrieval::embed_query(ports, &query).await.ok().map(|(vector, _)| vector) } else { None };
    let recalled = async {
        if !ask.use_memory {
            return Ok(Vec::new());
        }
        memories::recall(ports, &context.tenant, &query, vector.as_deref()).await
    };
    let found = async {
        if context.tenant.document_count == 0 {
            return Ok(None);
        }
        retrieval::search_with(ports, &context.tenant, &search, vector.clone()).await.map(Some)
    };
    let (found, recalled) = join(found, recalled).await;
    let found = found?;
    let degraded = found.as_ref().is_some_and(|found| found.mode != Mode::Hybrid);
    Ok(Findings {
        memories: sources::memories(recalled?),
        sources: found.map(|found| sources::relevant(&query, found.hits)).unwrap_or_default(),
        degraded: degraded.then(|| "sources were found by keyword alone".to_owned()),
    })
}

/// What is looked for: the question, with the one before it if it says little by itself.
fn query(context: &Context) -> String {
    let question = &context.question;
    let before = context.said.iter().rev().find(|said| said.message.role == Role::User);
    let query = match before {
        Some(before) if retrieval::keyword::terms(question).len() < FEW_TERMS => {
            format!("{} {question}", before.message.content)
        }
        _ => question.clone(),
    };
    history::beginning(&query, limits::QUERY_BYTES).to_owned()
}

/// Step 4. `None` if all fits as it is.
async fn summarise<P>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    catalogue: &Catalogue,
    route: &Route,
) -> Result<Option<Outcome>, Failure>
where
    P: Database + Generator + Queue + Clock,
{
    let room = usize::try_from(route.window / HISTORY_SHARE).unwrap_or(0);
    let count = history::outgrown(&context.said, room, &tokens::count);
    let Some(through) = context.said[..count].last().map(|said| said.number).filter(|number| *number > 0) else {
        // Nothing to do, or what is too long is the client's own to shorten.
        return Ok(None);
    };
    let gone = &context.said[..count];
    let previous = context.summary.as_deref();
    let small = catalogue.route(pipeline::catalogue::RouteName::Simple);
    let room = usize::try_from(small.window).unwrap_or(0).saturating_sub(history::SUMMARY_TOKENS as usize + 100);
    let messages = history::summary_prompt(previous, gone, room, &tokens::count);
    let mut summary = None;
    for model in &small.models {
        let mut text = Collect::default();
        let price = catalogue.price(model);
        let generation =
            Generation { model: model.clone(), messages: messages.clone(), max_tokens: history::SUMMARY_TOKENS, price };
        let generated = ports.generate(&generation, &mut text).await;
        let said = thinking::said(&text.0).to_owned();
        if generated.is_ok() && !said.is_empty() {
            summary = Some(said);
            break;
        }
    }
    let summary = summary.unwrap_or_else(|| history::excerpts(previous, gone));
    let keep = claim
        .fenced(
            "UPDATE conversations SET summary = ?3, summarised_through = ?4
             WHERE user_id = ?5 AND id = ?6 AND summarised_through < ?4
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(summary)
        .bind(through)
        .bind(&claim.user)
        .bind(&context.turn.conversation_id);
    settle(ports, claim, vec![keep].into(), &Progress::default(), Move::Continue("{}".to_owned())).await.map(Some)
}

fn build_prompt(context: &Context, findings: &Findings, route: &Route) -> Prompt {
    let said: Vec<PromptMessage> = context.said.iter().map(|said| said.message.clone()).collect();
    let about = context.tenant.profile.as_deref().and_then(Profile::about);
    let parts = Parts {
        profile: about.as_deref(),
        instructions: context.turn.request.instructions.as_deref(),
        memories: &findings.memories,
        sources: &findings.sources,
        summary: context.summary.as_deref(),
        history: &said,
        question: &context.question,
    };
    let room = route.window.saturating_sub(u64::from(max_tokens(&context.turn.request, route)));
    prompt::build(&parts, usize::try_from(room).unwrap_or(0), &tokens::count)
}

fn max_tokens(ask: &Ask, route: &Route) -> u32 {
    ask.max_tokens.unwrap_or(route.max_tokens).clamp(1, route.max_tokens)
}

/// What a model is asked with.
struct Asked<'a> {
    context: &'a Context,
    catalogue: &'a Catalogue,
    route: &'a Route,
    choice: &'a Choice,
    room: &'a Room,
}

/// Step 5: the route's models in turn, until one answers.
async fn write<P>(ports: &P, claim: &Claim, asked: &Asked<'_>, prompt: &Prompt) -> Result<Written, Unwritten>
where
    P: Database + Generator + Rooms + Clock,
{
    let turn = &asked.context.turn;
    let max_tokens = max_tokens(&turn.request, asked.route);
    let mut failure = Failure::bug("the route names no model");
    for (place, model) in asked.route.models.iter().enumerate() {
        if place > 0 && !item::renew(ports, claim).await.map_err(Unwritten::Failed)? {
            return Err(Unwritten::Unwanted);
        }
        let price = asked.catalogue.price(model);
        let generation = Generation { model: model.clone(), messages: prompt.messages.clone(), max_tokens, price };
        let started = TurnEvent::Started {
            turn_id: turn.turn_id.clone(),
            conversation_id: turn.conversation_id.clone(),
            route: asked.choice.route.name().to_owned(),
            model: model.clone(),
        };
        let mut teller = Teller::new(ports, claim, asked.room, place, started);
        let generated = ports.generate(&generation, &mut teller).await;
        if teller.unwanted {
            return Err(Unwritten::Unwanted);
        }
        match generated {
            Ok(tokens) => {
                teller.finish().await;
                if teller.unwanted {
                    return Err(Unwritten::Unwanted);
                }
                if is_answer(&teller.text) {
                    return Ok(written(&teller.text, model, tokens, prompt, &generation));
                }
                failure = Failure::transient(format!("{model} answered nothing"));
            }
            // The allowance is everybody's: no other model would do better.
            Err(exhausted) if exhausted.kind == FailureKind::Exhausted => return Err(Unwritten::Failed(exhausted)),
            // A passing failure says more than that a model is unknown.
            Err(other) if failure.kind != FailureKind::Transient || other.kind == FailureKind::Transient => {
                failure = other;
            }
            Err(_) => {}
        }
    }
    Err(Unwritten::Failed(failure))
}

/// True for text that says something: garbage is no answer.
fn is_answer(text: &str) -> bool {
    let said = thinking::said(text);
    let garbage = said.chars().filter(|character| {
        *character == char::REPLACEMENT_CHARACTER || (character.is_control() && !character.is_whitespace())
    });
    said.chars().any(char::is_alphanumeric) && garbage.count() * 10 < said.chars().count()
}

fn written(text: &str, model: &str, tokens: Tokens, prompt: &Prompt, generation: &Generation) -> Written {
    let counted = Tokens {
        prompt: if tokens.prompt > 0 { tokens.prompt } else { prompt.tokens as u64 },
        completion: if tokens.completion > 0 { tokens.completion } else { estimated_tokens(text) },
    };
    Written {
        spent: Spent {
            prompt_tokens: counted.prompt,
            completion_tokens: counted.completion,
            neurons: generation.price.neurons(counted),
        },
        finish: if counted.completion >= u64::from(generation.max_tokens) { "length" } else { "stop" },
        model: model.to_owned(),
        text: thinking::said(text).to_owned(),
    }
}

/// Said before an answer to a question about facts for which nothing was found.
const NOTHING_FOUND: &str = "I found nothing about this in your documents or memories.";

/// Step 6, first half: text, citations and what is told beside them.
fn compose(
    context: &Context,
    findings: &Findings,
    prompt: &Prompt,
    choice: &Choice,
    written: Result<Written, Failure>,
) -> CachedAnswer {
    let grounded = !findings.sources.is_empty() || !prompt.memories.is_empty();
    let routed = |model: Option<String>| Routed { name: choice.route, model, why: choice.why.clone() };
    let (cited, route, usage, degraded, finish) = match written {
        Ok(written) => {
            let mut cited = citations::cite(&written.text, &findings.sources[..prompt.sources]);
            if !grounded
                && fallback::asks_for_facts(&context.question)
                && context.said.is_empty()
                && context.summary.is_none()
            {
                cited.text = format!("{NOTHING_FOUND}\n\n{}", cited.text);
            }
            (cited, routed(Some(written.model)), written.spent, findings.degraded.clone(), written.finish)
        }
        Err(failure) => {
            let why = fallback::reason(&failure);
            let cited = fallback::answer(&findings.sources, why);
            (
                cited,
                routed(None),
                Spent::default(),
                Some(format!("{why}; the answer is what was found, word for word")),
                "stop",
            )
        }
    };
    let detail = Detail {
        citations: cited.citations,
        route,
        usage,
        grounded,
        degraded,
        memories: prompt.memories.clone(),
        offered: Vec::new(),
        finish: finish.to_owned(),
    };
    CachedAnswer { answer: cited.text, detail }
}

/// Steps 6 and 7.
async fn finish<P>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    room: &Room,
    mut answer: CachedAnswer,
) -> Result<Outcome, Failure>
where
    P: Database + KeyValue + Embedder + Rooms + Queue + Clock + Random,
{
    let offered = if context.turn.request.use_memory { offers(ports, context) } else { Vec::new() };
    let mut work = offer(ports, claim, context, &offered).await?;
    work.extend(
        (!answer.detail.memories.is_empty())
            .then(|| mark_recalled(ports, claim, &answer.detail.memories))
            .transpose()?,
    );
    answer.detail.offered = offered;
    let turn = &context.turn;
    work.push(
        claim
            .fenced(
                "INSERT INTO turns (user_id, conversation_id, number, id, role, content, detail, created_at)
                 SELECT user_id, id, ?5 + 1, ?6, 'assistant', ?7, ?8, ?9 FROM conversations
                 WHERE user_id = ?3 AND id = ?4 AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)
                 ON CONFLICT DO NOTHING",
            )
            .bind(&claim.user)
            .bind(&turn.conversation_id)
            .bind(turn.number)
            .bind(&turn.turn_id)
            .bind(answer.answer.as_str())
            .bind(json(&answer.detail)?)
            .bind(ports.now()),
    );
    let result = TurnResult {
        job_id: claim.job.clone(),
        turn_id: turn.turn_id.clone(),
        conversation_id: turn.conversation_id.clone(),
        status: "succeeded".to_owned(),
        answer: answer.answer.clone(),
        detail: answer.detail.clone(),
        cached: false,
    };
    if !commit(ports, claim, work.into(), &Progress::default(), Move::Finish).await? {
        return Ok(Outcome::Done);
    }
    let result = serde_json::to_value(&result).map_err(|error| Failure::bug(error.to_string()))?;
    let events = vec![TurnEvent::Done { result: Box::new(result) }];
    // The answer stands in D1: a room that is not told is asked there by who waits.
    let _ =
        ports.tell(room, Telling { job: claim.job.clone(), attempt: teller::attempt_name(claim, 99), events }).await;
    remember(ports, &turn.request, &answer).await;
    Ok(Outcome::Done)
}

fn offers<P: Clock + Random>(ports: &P, context: &Context) -> Vec<Offered> {
    let state = if context.turn.request.accept_memories { "active" } else { "proposed" };
    candidates::candidates(&context.question)
        .into_iter()
        .map(|candidate| Offered {
            id: MemoryId::new(ports.now(), ports.bytes()),
            kind: candidate.kind.to_owned(),
            text: candidate.text,
            state: state.to_owned(),
        })
        .collect()
}

/// The statements that keep what is offered. What is accepted without asking is embedded at once;
/// if the model fails it is found by its words.
async fn offer<P: Database + Embedder + Clock>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    offered: &[Offered],
) -> Result<Vec<Statement>, Failure> {
    let mut statements = Vec::new();
    for memory in offered {
        let accepted = memory.state == "active";
        let texts = [memory.text.clone()];
        let vectors =
            if accepted { ports.embed(&EMBEDDING, &texts, estimated_tokens(&memory.text)).await.ok() } else { None };
        let vector = vectors.and_then(|vectors| vectors.into_iter().next());
        statements.push(propose(ports, claim, context, memory, vector.as_deref().map(memories::encode)));
        if accepted {
            statements.push(index(claim, context, memory));
        }
    }
    Ok(statements)
}

/// The same words are offered once: their hash is unique among the user's memories.
fn propose<P: Clock>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    memory: &Offered,
    embedding: Option<String>,
) -> Statement {
    claim
        .fenced(
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
        .bind(limits::MEMORIES)
        .bind(embedding)
}

fn index(claim: &Claim, context: &Context, memory: &Offered) -> Statement {
    claim
        .fenced(
            "INSERT OR REPLACE INTO memories_fts (rowid, scope, body)
             SELECT number, ?4, text FROM memories WHERE id = ?3 AND state = 'active'
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&memory.id)
        .bind(Scope::of_user(context.tenant.number).terms())
}

/// Once a day at most: it only tells their owner when they were last of use.
fn mark_recalled<P: Clock>(ports: &P, claim: &Claim, memories: &[MemoryId]) -> Result<Statement, Failure> {
    let now = ports.now();
    Ok(claim
        .fenced(
            "UPDATE memories SET recalled_at = ?4
             WHERE user_id = ?3 AND id IN (SELECT value FROM json_each(?5)) AND (recalled_at IS NULL OR recalled_at < ?6)
               AND EXISTS (SELECT 1 FROM job_items WHERE id = ?1 AND token = ?2)",
        )
        .bind(&claim.user)
        .bind(now)
        .bind(json(&memories)?)
        .bind(now.plus(-DAY)))
}

/// A cache that is not written costs a model's answer next time, nothing else.
async fn remember<P: Database + KeyValue + Clock>(ports: &P, ask: &Ask, answer: &CachedAnswer) {
    // What is degraded now need not be in a minute.
    if answer.detail.degraded.is_some() {
        return;
    }
    if let Some(key) = &ask.cache_key
        && let Ok(text) = json(answer)
        && retrieval::cache::admit(ports, 1).await.unwrap_or(false)
    {
        let _ = ports.put_value(&object_keys::cached_response(key), text.into_bytes(), RESPONSE_SECONDS).await;
    }
}

/// Tells the room that a turn was given up.
pub async fn tell_failure<P: Database + Rooms>(ports: &P, claim: &Claim, why: &str) {
    if let Ok(Some(context)) = read(ports, claim).await {
        let room = Room::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
        let events = vec![TurnEvent::Failed { detail: why.to_owned() }];
        let _ = ports
            .tell(&room, Telling { job: claim.job.clone(), attempt: teller::attempt_name(claim, 99), events })
            .await;
    }
}
