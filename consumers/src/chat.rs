//! Chat: a question into an answer with sources, published while it is written.
//!
//! In: a chat item, whose job says which turn of which conversation is asked (`jobs.turn`).
//! Does, per message:
//! 1. reads the question and the messages before it ([`context`]);
//! 2. finds memories and sources that are about it ([`sources`]);
//! 3. chooses the route ([`route`]) from the catalogue;
//! 4. if the conversation outgrew its token budget, summarises its beginning ([`history`]), and goes on in
//!    another message;
//! 5. builds the prompt ([`prompt`]) and asks the route's models in turn, publishing in the channel as
//!    they answer ([`publisher`]); if none can, what was found is the answer ([`fallback`]);
//! 6. checks the citations ([`citations`]) and commits answer, proposed memories ([`memory_proposals`])
//!    and the end of the job in one fenced transaction;
//! 7. publishes the end, and caches the answer for who asks the same within the hour.
//!
//! Sends on: the next question of the conversation, if one waits.

pub mod citations;
pub mod context;
pub mod fallback;
pub mod history;
pub mod memory_proposals;
pub mod prompt;
pub mod publisher;
pub mod quote;
pub mod route;
pub mod sources;
pub mod statements;
pub mod thinking;
pub mod write;

use std::borrow::Cow;

use futures_util::future::join;
use pipeline::{
    budget::{allowances::Allowances, day::Budget, ledger, purpose::Purpose},
    chat::{
        catalogue::{Catalogue, Route},
        channel::{Channel, TurnEvent, Update},
        generation::{Collect, Generation, PromptMessage},
        profile::Profile,
        turn::{Ask, CachedAnswer, Detail, Routed, Spent, TurnResult},
    },
    failure::{Failure, FailureKind},
    ids::MemoryId,
    job::{
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::{commit, complete},
    },
    platform::{
        object_keys,
        ports::{
            Channels, Clock, Database, Deployment, Embedder, Generator, KeyValue, Meter, ObjectStore, Queue, Random,
            VectorIndex,
        },
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        conversations::messages::{self, NewAnswer},
    },
};
use retrieval::{Mode, Search, SearchRequest, memories};

use self::{
    context::Context,
    prompt::{Parts, Prompt},
    publisher::Attempt,
    route::Choice,
    sources::Source,
    write::{Asked, Unwritten, Written},
};
use crate::tokens;

/// Chunks looked at for one answer.
const SOURCES: i64 = 8;
/// Attempts after which an answer is made of what was found, if no model answers.
const MODEL_ATTEMPTS: i64 = 3;
/// Share of a route's window that the conversation may take before it is summarised.
const HISTORY_SHARE: f64 = 1.0 / 3.0;
/// Why an answer may be worse than on another day.
const SMALLER: &str = "the smallest model answered, because the day's neurons are nearly spent";
/// Seconds an answer may be given again.
const RESPONSE_SECONDS: u32 = 3_600;

/// What was found for the question.
#[derive(Debug, Default)]
struct Findings {
    memories: Vec<(MemoryId, String)>,
    sources: Vec<Source>,
    degraded: Option<String>,
}

/// Runs the stage. See the module for its steps.
pub async fn chat<P>(ports: &P, claim: &Claim) -> Result<Outcome, Failure>
where
    P: Database
        + ObjectStore
        + KeyValue
        + Embedder
        + Generator
        + Channels
        + VectorIndex
        + Queue
        + Deployment
        + Meter
        + Clock
        + Random,
{
    let Some(context) = context::read(ports, claim).await? else {
        // The conversation was deleted: nobody waits for an answer.
        return complete(ports, claim, Transaction::default(), &Progress::default(), Move::Finish).await;
    };
    let budget = Budget::new(Allowances::load(ports).await.allowances, &claim.day);
    let mut findings = find(ports, &context, &budget).await?;
    let code = findings.sources.iter().filter(|source| source.is_code).count();
    let features = route::features(&context.question, code * 2 > findings.sources.len());
    let mut choice = route::choose(features, context.turn.request.route);
    if budget.wants_smaller_models() {
        choice = choice.smallest("the day's neurons are nearly spent");
        findings.degraded.get_or_insert_with(|| SMALLER.to_owned());
    }
    if context.turn.request.is_by_guest() {
        choice = choice.smallest("a guest asks");
    }
    let catalogue = Catalogue::load(ports).await.catalogue;
    let route = catalogue.route(choice.route);
    if let Some(outcome) = summarise(ports, claim, &context, &catalogue, &route).await? {
        return Ok(outcome);
    }
    let prompt = build_prompt(&context, &findings, &route);
    let channel = Channel::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
    let asked = Asked { context: &context, catalogue: &catalogue, route: &route, choice: &choice, channel: &channel };
    let written = match write::write(ports, claim, &asked, &prompt).await {
        // Cancelled, or another worker has taken over: the fence would refuse all that follows.
        Err(Unwritten::Unwanted) => return Ok(Outcome::Done),
        Err(Unwritten::Failed(failure)) if may_recover(&failure, claim) => return Err(failure),
        Err(Unwritten::Failed(failure)) => Err(failure),
        Ok(written) => Ok(written),
    };
    let answer = compose(&context, &findings, &prompt, &choice, written);
    finish(ports, claim, &context, &channel, answer, &budget).await
}

/// A passing failure is tried again a few times; a spent allowance or an unknown model is not.
fn may_recover(failure: &Failure, claim: &Claim) -> bool {
    failure.kind == FailureKind::Transient && claim.attempts < MODEL_ATTEMPTS
}

/// Step 2. A model or index that fails leaves what words alone find.
async fn find<P>(ports: &P, context: &Context, budget: &Budget) -> Result<Findings, Failure>
where
    P: Database + KeyValue + Embedder + VectorIndex + Clock,
{
    let ask = &context.turn.request;
    let query = context::query(context);
    let filters = ask.source_filters().filter(|_| context.tenant.document_count > 0);
    let has_sources = filters.is_some();
    let search = Search {
        request: SearchRequest {
            query: query.clone(),
            top_k: SOURCES,
            mode: Mode::Hybrid,
            group_by: None,
            after: None,
            filters: filters.unwrap_or_default(),
        },
        top_k: usize::try_from(SOURCES).unwrap_or(8),
        after: None,
    };
    let looks = ask.may_use_memory() || has_sources;
    let vector = if looks { retrieval::embed_query(ports, &query, budget).await.ok() } else { None };
    let vector = vector.map(|(vector, _)| vector);
    let recalled = async {
        if !ask.may_use_memory() {
            return Ok(Vec::new());
        }
        memories::recall(ports, &context.tenant, &query, vector.as_deref()).await
    };
    let found = async {
        if !has_sources {
            return Ok(None);
        }
        retrieval::search_with(ports, &context.tenant, &search, vector.clone(), budget).await.map(Some)
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

/// Step 4. `None` if all fits as it is.
async fn summarise<P>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    catalogue: &Catalogue,
    route: &Route,
) -> Result<Option<Outcome>, Failure>
where
    P: Database + KeyValue + Generator + Queue + Deployment + Meter + Clock,
{
    // What a client keeps itself is its own to shorten; of what a guest may know not all is here.
    let is_by_guest = context.turn.request.is_by_guest();
    if is_by_guest || context.earlier.first().is_none_or(|earlier| earlier.number == 0) {
        return Ok(None);
    }
    let token_budget = prompt::share(whole(route.window), HISTORY_SHARE);
    let count = history::outgrown(&context.earlier, token_budget, &tokens::count);
    let gone = &context.earlier[..count];
    let Some(through) = gone.last().map(|message| message.number) else { return Ok(None) };
    let previous = context.summary.as_deref();
    let small = catalogue.route(pipeline::chat::catalogue::RouteName::Simple);
    let token_budget = whole(small.window).saturating_sub(history::SUMMARY_TOKENS as usize + 100);
    let messages = history::summary_prompt(previous, gone, token_budget, &tokens::count);
    let mut summary = None;
    for model in &small.models {
        let mut text = Collect::default();
        let price = catalogue.price(model);
        let generation =
            Generation { model: model.clone(), messages: messages.clone(), max_tokens: history::SUMMARY_TOKENS, price };
        // Without neurons for it, excerpts do.
        if ledger::reserve(ports, Purpose::Interactive, &claim.user, generation.most_neurons()).await.is_err() {
            continue;
        }
        let generated = ports.generate(&generation, &mut text).await;
        let text = thinking::without_thoughts(&text.0).to_owned();
        if generated.is_ok() && !text.is_empty() {
            summary = Some(text);
            break;
        }
    }
    let summary = summary.unwrap_or_else(|| history::excerpts(previous, gone));
    let mut work = Transaction::default();
    work.write(store::conversations::summarise(claim, &context.turn.conversation_id, &summary, through));
    complete(ports, claim, work, &Progress::default(), Move::Continue("{}".to_owned())).await.map(Some)
}

/// A number of tokens as sizes in memory are counted.
fn whole(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(0)
}

fn build_prompt(context: &Context, findings: &Findings, route: &Route) -> Prompt {
    let is_by_guest = context.turn.request.is_by_guest();
    let history: Vec<PromptMessage> = context.earlier.iter().map(|earlier| earlier.message.clone()).collect();
    let about = context.tenant.profile.as_deref().filter(|_| !is_by_guest).and_then(Profile::about);
    // The owner may write what they like; a guest may not speak for the product.
    let question = if is_by_guest { Cow::from(quote::defuse(&context.question)) } else { Cow::from(&context.question) };
    let parts = Parts {
        profile: about.as_deref(),
        instructions: context.turn.request.instructions.as_deref(),
        memories: &findings.memories,
        sources: &findings.sources,
        summary: context.summary.as_deref(),
        history: &history,
        question: &question,
    };
    let answer = u64::from(write::max_tokens(&context.turn.request, route));
    prompt::build(&parts, whole(route.window.saturating_sub(answer)), &tokens::count)
}

/// Stands before an answer to a question about facts for which nothing was found.
const NOTHING_FOUND: &str = "I found nothing about this in your documents or memories.";
/// The same for a guest.
const NOTHING_OPEN: &str = "I found nothing about this in what is open to guests.";

/// Step 6, first half: text, citations and what is kept beside them.
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
                && context.earlier.is_empty()
                && context.summary.is_none()
            {
                let nothing = if context.turn.request.is_by_guest() { NOTHING_OPEN } else { NOTHING_FOUND };
                cited.text = format!("{nothing}\n\n{}", cited.text);
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
        proposals: Vec::new(),
        finish: finish.to_owned(),
    };
    CachedAnswer { answer: cited.text, detail }
}

/// Steps 6 and 7.
async fn finish<P>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    channel: &Channel,
    mut answer: CachedAnswer,
    budget: &Budget,
) -> Result<Outcome, Failure>
where
    P: Database + KeyValue + Embedder + Channels + Queue + Clock + Random,
{
    let proposals = memory_proposals::find(ports, context).await?;
    let mut work = Transaction::default();
    memory_proposals::insert(ports, claim, context, &proposals, &mut work).await;
    if !answer.detail.memories.is_empty() {
        work.write(store::memories::mark_recalled(claim, &answer.detail.memories, ports.now())?);
    }
    answer.detail.proposals = proposals;
    let turn = &context.turn;
    let new = NewAnswer {
        conversation: &turn.conversation_id,
        turn: &turn.turn_id,
        question: turn.number,
        content: &answer.answer,
        detail: &json(&answer.detail)?,
        session: turn.session_id.as_ref(),
        now: ports.now(),
    };
    work.write(messages::insert_answer(claim, new));
    let result = TurnResult::new(&claim.job, turn, answer.clone(), false);
    if !commit(ports, claim, work, &Progress::default(), Move::Finish).await? {
        return Ok(Outcome::Done);
    }
    let result = serde_json::to_value(&result).map_err(|error| Failure::bug(error.to_string()))?;
    publish_end(ports, claim, channel, TurnEvent::Done { result: Box::new(result) }).await;
    cache(ports, &turn.request, &answer, budget).await;
    Ok(Outcome::Done)
}

/// What became of the turn stands in D1: where this is not published, who waits looks there.
async fn publish_end<P: Channels>(ports: &P, claim: &Claim, channel: &Channel, event: TurnEvent) {
    let attempt = Attempt::End.name(&claim.token);
    let _ = ports.publish(channel, Update { job: claim.job.clone(), attempt, events: vec![event] }).await;
}

/// A cache that is not written costs a model's answer next time, nothing else.
async fn cache<P: Database + KeyValue + Clock>(ports: &P, ask: &Ask, answer: &CachedAnswer, budget: &Budget) {
    // What is degraded now need not be in a minute.
    if answer.detail.degraded.is_some() {
        return;
    }
    // What it proposed is proposed already.
    let answer = CachedAnswer { detail: Detail { proposals: Vec::new(), ..answer.detail.clone() }, ..answer.clone() };
    if let Some(key) = &ask.cache_key
        && let Ok(text) = json(&answer)
        && retrieval::cache::admit(ports, 1, budget).await.unwrap_or(false)
    {
        let _ = ports.put_value(&object_keys::cached_response(key), text.into_bytes(), RESPONSE_SECONDS).await;
    }
}

/// Publishes in its channel that a turn was given up.
pub async fn publish_failure<P: Database + ObjectStore + Channels + Clock>(ports: &P, claim: &Claim, why: &str) {
    if let Ok(Some(context)) = context::read(ports, claim).await {
        let channel = Channel::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
        publish_end(ports, claim, &channel, TurnEvent::Failed { detail: why.to_owned() }).await;
    }
}
