//! Chat: a question into an answer with sources, published while it is written.
//!
//! In: a chat item, whose job says which turn of which conversation is asked (`jobs.turn`).
//! Does, per message:
//! 1. reads the question and the messages before it ([`context`]), of which a follow-up needs some ([`follow_up`]),
//!    and what it asks for ([`asking`]);
//! 2. finds memories and sources that are about it ([`findings`]);
//! 3. chooses the route ([`route`]) from the catalogue, and narrows the sources to passages ([`passages`]);
//! 4. if the conversation outgrew its token budget, summarises its beginning ([`mod@summarise`]), and goes
//!    on in another message;
//! 5. if what was found cannot answer the question ([`answerable`]), says so; else builds the prompt ([`prompt`])
//!    and asks the route's models in turn, publishing in the channel as they answer ([`publisher`]);
//! 6. checks what was written, sentence by sentence ([`check`]), and makes the answer of it ([`compose`]): with
//!    citations ([`citations`]), or of what the sources say ([`fallback`]);
//! 7. commits answer, proposed memories ([`memory_proposals`]) and the end of the job in one fenced transaction;
//! 8. publishes the end, and caches the answer for who asks the same within the hour.
//!
//! Sends on: the next question of the conversation, if one waits.

pub mod answer_filter;
pub mod answerable;
pub mod asking;
pub mod check;
pub mod citations;
pub mod compose;
pub mod context;
pub mod fallback;
pub mod findings;
pub mod follow_up;
pub mod history;
pub mod memory_proposals;
pub mod passages;
pub mod prompt;
pub mod publisher;
pub mod quote;
pub mod repetition;
pub mod route;
pub mod sources;
pub mod statements;
pub mod stop;
pub mod summarise;
pub mod thinking;
pub mod write;
pub mod written;

use std::borrow::Cow;

use self::{
    compose::Grounds,
    context::Context,
    findings::Findings,
    prompt::{ClientParts, Parts, Prompt},
    publisher::Attempt,
    route::Choice,
    write::RoutedTurn,
    written::{Failed, Unwritten},
};
use crate::tokens;
use pipeline::{
    budget::{day::Budget, user_day},
    chat::{
        catalogue::{Catalogue, Route},
        channel::{Channel, TurnEvent, Update},
        generation::PromptMessage,
        profile::Profile,
        tools::OfferedTools,
        turn::{Detail, TurnAnswer, TurnResult, Unanswered},
    },
    failure::{Failure, FailureKind},
    job::{
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::{commit, complete},
    },
    platform::{
        object_keys,
        ports::{
            Channels, Clock, Database, Deployment, Embedder, Generator, Isolate, KeyValue, Meter, ObjectStore, Queue,
            Random, VectorIndex,
        },
        statement::json,
        transaction::Transaction,
    },
    store::{
        self,
        conversations::messages::{self, NewAnswer},
    },
    time::{HOUR, Span},
};

/// Attempts after which an answer is made of what was found, if no model answers.
const MODEL_ATTEMPTS: i64 = 3;
/// Tokens of the prompt of a draft: what a small model reads in its time on two cores, and has time left to write.
const DRAFT_TOKENS: usize = 1_000;
/// Why an answer may be worse than on another day.
const SMALLER: &str = "the smallest model answered, because the day's neurons are nearly spent";
/// How long an answer may be given again.
const RESPONSE_KEPT: Span = HOUR;

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
        + Isolate
        + Clock
        + Random,
{
    let Some(context) = context::read(ports, claim).await? else {
        // The conversation was deleted: nobody waits for an answer.
        return complete(ports, claim, Transaction::default(), &Progress::default(), Move::Finish).await;
    };
    let budget = user_day::budget_for(ports, &claim.day, &claim.user).await;
    let mut findings = findings::find(ports, &context, &budget).await?;
    let choice = choose(&context, &mut findings, &budget);
    let catalogue = Catalogue::load(ports).await.catalogue;
    let route = catalogue.route(choice.route);
    if let Some(outcome) = summarise::summarise(ports, claim, &context, &catalogue, &route).await? {
        return Ok(outcome);
    }
    let reach = [Some(choice.route), context.turn.request.route].map(|route| catalogue.reach(route));
    findings.sources = passages::narrow(&context.query, findings.sources, prompt::tokens(route.source_tokens));
    let drafts_only = ports.drafts_only() && context.turn.request.client.is_none();
    let build = |findings: &Findings, most| build_prompt(&context, findings, (&route, most), reach);
    let mut grounds =
        Grounds::new(&context, findings, &choice, drafts_only, &|findings: &Findings| build(findings, None));
    let channel = Channel::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
    if let Some(gap) = grounds.gap() {
        return finish(ports, claim, &context, &channel, grounds.refuse(&gap), &budget).await;
    }
    if grounds.are_drafted() {
        grounds = grounds.narrowed_to_quotes(&|findings: &Findings| build(findings, Some(DRAFT_TOKENS)));
    }
    let routed = RoutedTurn { grounds: &grounds, catalogue: &catalogue, route: &route, channel: &channel };
    let written = match write::write(ports, claim, &routed).await {
        // Cancelled, or another worker has taken over: the fence would refuse all that follows.
        Err(Unwritten::Unwanted) => return Ok(Outcome::Done),
        Err(Unwritten::Failed(failed)) if may_recover(&grounds, &failed, claim) => return Err(failed.failure),
        Err(Unwritten::Failed(failed)) => Err(failed),
        Ok(written) => Ok(written),
    };
    let answer = grounds.compose(ports, written, &budget).await;
    finish(ports, claim, &context, &channel, answer, &budget).await
}

/// Step 3. The smallest model answers guests, and everybody near the day's end; then the answer says so.
fn choose(context: &Context, findings: &mut Findings, budget: &Budget) -> Choice {
    let code = findings.sources.iter().filter(|source| source.is_code).count();
    let features = route::features(&context.question, code * 2 > findings.sources.len());
    let choice = route::choose(features, context.turn.request.route);
    if budget.wants_smaller_models() {
        findings.degraded.get_or_insert_with(|| SMALLER.to_owned());
        return choice.smallest("the day's neurons are nearly spent");
    }
    if context.turn.request.is_by_guest() { choice.smallest("a guest asks") } else { choice }
}

/// A passing failure is tried again a few times; a spent allowance or an unknown model is not, nor is for a client
/// what was paid for: it is told, and decides itself. A draft is not waited for twice: the sources are shown already.
fn may_recover(grounds: &Grounds<'_>, failed: &Failed, claim: &Claim) -> bool {
    let is_paid_by_client = grounds.context.turn.request.client.is_some() && failed.spent.neurons > 0.0;
    let is_over = is_paid_by_client || grounds.are_drafted();
    failed.failure.kind == FailureKind::Transient && claim.attempts < MODEL_ATTEMPTS && !is_over
}

fn build_prompt(
    context: &Context,
    findings: &Findings,
    (route, most_tokens): (&Route, Option<usize>),
    [reach, most]: [u64; 2],
) -> Prompt {
    let answer = u64::from(write::max_tokens(&context.turn.request, route));
    let room = |tokens: u64| prompt::tokens(tokens.saturating_sub(answer));
    let client = context.turn.request.client.as_ref().map(|client| ClientParts {
        is_plain: client.is_plain,
        is_formatted: client.format.is_some(),
        reach: room(reach),
        most: room(most),
        leaves_out_oldest: client.leaves_out_oldest,
    });
    let history: Vec<PromptMessage> = context.earlier.iter().map(|earlier| earlier.message.clone()).collect();
    let is_by_guest = context.turn.request.is_by_guest();
    let tools = context.turn.request.client.as_ref().and_then(|client| client.tools.as_ref()).map(OfferedTools::text);
    // A small model has no room for it.
    let may_know = !is_by_guest && most_tokens.is_none();
    let about = context.tenant.profile.as_deref().filter(|_| may_know).and_then(Profile::about);
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
        following: context.turn.request.following(),
        tools: tools.as_deref(),
        client,
    };
    let window = room(route.window);
    prompt::build(&parts, most_tokens.map_or(window, |most| window.min(most)), &tokens::beginning)
}

/// Steps 7 and 8.
async fn finish<P>(
    ports: &P,
    claim: &Claim,
    context: &Context,
    channel: &Channel,
    mut answer: TurnAnswer,
    budget: &Budget,
) -> Result<Outcome, Failure>
where
    P: Database + KeyValue + Embedder + Channels + Queue + Deployment + Clock + Random,
{
    // A question that was refused leaves nothing.
    let is_refused = answer.detail.unanswered == Some(Unanswered::TooLong);
    let proposals = if is_refused { Vec::new() } else { memory_proposals::find(ports, context).await? };
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
    cache(ports, context, &answer, budget).await;
    Ok(Outcome::Done)
}

/// What became of the turn stands in D1: where this is not published, who waits looks there.
async fn publish_end<P: Channels>(ports: &P, claim: &Claim, channel: &Channel, event: TurnEvent) {
    let attempt = Attempt::End.name(&claim.token);
    let _ = ports.publish(channel, Update { job: claim.job.clone(), attempt, events: vec![event] }).await;
}

/// A cache that is not written costs a model's answer next time, nothing else.
async fn cache<P: Database + KeyValue + Deployment + Clock>(
    ports: &P,
    context: &Context,
    answer: &TurnAnswer,
    budget: &Budget,
) {
    // Whoever plugs in a better model would be given the old answers for an hour.
    if ports.drafts_only() {
        return;
    }
    // What is degraded now need not be in a minute, and what was published a moment ago is found by meaning then.
    if answer.detail.degraded.is_some() || !context.tenant.is_settled(context.read_at) {
        return;
    }
    // What it proposed is proposed already.
    let answer = TurnAnswer { detail: Detail { proposals: Vec::new(), ..answer.detail.clone() }, ..answer.clone() };
    if let Some(key) = &context.turn.request.cache_key
        && let Ok(text) = json(&answer)
        && retrieval::cache::admit(ports, 1, budget).await.unwrap_or(false)
    {
        let _ = ports.put_value(&object_keys::cached_response(key), text.into_bytes(), RESPONSE_KEPT).await;
    }
}

/// Publishes in its channel that a turn was given up.
pub async fn publish_failure<P: Database + ObjectStore + Channels + Clock>(ports: &P, claim: &Claim, why: &str) {
    if let Ok(Some(context)) = context::read(ports, claim).await {
        let channel = Channel::of_turn(&claim.user, &claim.job, context.turn.session_id.as_ref());
        publish_end(ports, claim, &channel, TurnEvent::Failed { detail: why.to_owned() }).await;
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{
        ids::{ItemId, JobId},
        job::message::Stage,
    };
    use test_platform::{Script, ready};

    use super::*;
    use crate::fixture::Index;

    const ANSWERS: &str = "SELECT count(*) AS n FROM turns WHERE role = 'assistant'";
    const QUESTION: &str = "When do the ships sail?";

    /// An index with a document about ships, and a question about them.
    fn asked() -> (Index, ItemId) {
        let index = Index::new();
        index.publish(index.upload(&[("a.md", "ships sail at noon")]));
        index.sent();
        let item = index.ask(QUESTION);
        (index, item)
    }

    /// The text of the only answer, and what is kept beside it.
    fn answer(index: &Index) -> (String, Detail) {
        let rows = index.memory.look("SELECT content, detail FROM turns WHERE role = 'assistant'");
        assert_eq!(rows.len(), 1);
        let [content, detail] = ["content", "detail"].map(|column| rows[0][column].as_str().unwrap());
        (content.to_owned(), serde_json::from_str(detail).unwrap())
    }

    /// What was published of the only turn.
    fn heard(index: &Index) -> Vec<TurnEvent> {
        let job = index.memory.look("SELECT id FROM jobs WHERE kind = 'chat'")[0]["id"].as_str().unwrap().to_owned();
        index.memory.heard(&Channel::of_turn(&index.user, &JobId::parse(&job).unwrap(), None))
    }

    #[test]
    fn a_question_is_answered_with_its_source_and_the_end_published_once() {
        let (index, item) = asked();
        index.memory.script([Script::Says("They sail at noon [1].")]);
        assert_eq!(index.consume(Stage::Chat, item).outcome, Outcome::Done);
        let (text, detail) = answer(&index);
        assert!(text.starts_with("They sail at noon"), "{text}");
        assert_eq!(detail.citations[0].external_id.as_deref(), Some("a.md"));
        assert!(matches!(heard(&index).last(), Some(TurnEvent::Done { .. })));
        assert_eq!(index.number("SELECT count(*) AS n FROM jobs WHERE kind = 'chat' AND finished_at IS NOT NULL"), 1);
        // The message comes again: no model is asked, and nothing published.
        let before = heard(&index).len();
        assert_eq!(index.consume(Stage::Chat, item).outcome, Outcome::Done);
        assert_eq!((index.memory.generations().len(), heard(&index).len()), (1, before));
    }

    #[test]
    fn a_model_is_given_what_was_found() {
        let (index, item) = asked();
        index.consume(Stage::Chat, item);
        let prompt = &index.memory.generations()[0].messages;
        assert!(prompt.iter().any(|message| message.content.contains("ships sail at noon")), "{prompt:?}");
        assert!(prompt.last().unwrap().content.contains(QUESTION));
    }

    #[test]
    fn a_question_whose_conversation_is_gone_ends_unanswered() {
        let (index, item) = asked();
        index.memory.change("DELETE FROM conversations");
        assert_eq!(index.consume(Stage::Chat, item).outcome, Outcome::Done);
        assert_eq!((index.number(ANSWERS), index.memory.generations().len()), (0, 0));
        assert_eq!(index.memory.look("SELECT state FROM job_items WHERE stage = 'chat'")[0]["state"], "done");
    }

    #[test]
    fn a_lost_claim_answers_nothing() {
        let (index, item) = asked();
        let (late, now) = index.take_over(Stage::Chat, item);
        assert_eq!(ready(chat(&index.memory, &late)).unwrap(), Outcome::Done);
        assert_eq!(index.number(ANSWERS), 0);
        assert!(!heard(&index).iter().any(TurnEvent::is_last));
        assert_eq!(ready(chat(&index.memory, &now)).unwrap(), Outcome::Done);
        assert_eq!(index.number(ANSWERS), 1);
    }

    #[test]
    fn a_model_that_fails_is_tried_again_and_then_what_was_found_is_the_answer() {
        let (index, item) = asked();
        index.memory.script((0..20).map(|_| Script::Fails(Failure::transient("busy"))));
        assert!(matches!(index.consume(Stage::Chat, item).outcome, Outcome::Retry { .. }));
        assert_eq!(index.number(ANSWERS), 0);
        index.memory.advance(pipeline::time::MINUTE);
        assert_eq!(index.consume_to_the_end(Stage::Chat, item), Outcome::Done);
        let (text, detail) = answer(&index);
        assert!(text.contains("ships sail at noon"), "{text}");
        assert!(detail.route.model.is_none() && detail.degraded.is_some());
    }

    #[test]
    fn a_question_that_cannot_be_read_is_given_up() {
        let (index, item) = asked();
        index.memory.change("UPDATE jobs SET turn = json_remove(turn, '$.turn_id') WHERE kind = 'chat'");
        assert!(matches!(index.consume_to_the_end(Stage::Chat, item), Outcome::Dead { .. }));
        assert_eq!(index.number("SELECT count(*) AS n FROM dead_letters WHERE stage = 'chat'"), 1);
    }
}
