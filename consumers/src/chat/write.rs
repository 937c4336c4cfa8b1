//! Asking a route's models in turn, until one answers.

use pipeline::{
    budget::{ledger, purpose::Purpose},
    chat::{
        catalogue::{Catalogue, Route},
        channel::{Channel, TurnEvent},
        generation::{Collect, Generation, Patience, Sink as _, Tokens, estimated_tokens},
        tools::CalledFunction,
        turn::{Ask, Spent},
    },
    failure::{Failure, FailureKind},
    job::{item::Claim, protocol},
    platform::ports::{Channels, Clock, Database, Deployment, Generator, KeyValue, Meter},
};

use super::{
    answer_filter::AnswerFilter,
    compose::Grounds,
    prompt::Prompt,
    publisher::{Attempt, DRAFT, QUERIES_TO_END, Shown, StreamPublisher},
    thinking,
    written::{Failed, Unwritten, Written},
};

/// Most tokens of an answer: the caller's wish within the route's limit.
pub fn max_tokens(ask: &Ask, route: &Route) -> u32 {
    ask.max_tokens.unwrap_or(route.max_tokens).clamp(1, route.max_tokens)
}

/// A turn with the route that was chosen for it.
#[derive(Clone, Copy, Debug)]
pub struct RoutedTurn<'a> {
    /// The turn, and what its answer stands on.
    pub grounds: &'a Grounds<'a>,
    /// Prices.
    pub catalogue: &'a Catalogue,
    /// Models and limits.
    pub route: &'a Route,
    /// Where it is published.
    pub channel: &'a Channel,
}

/// A draft has so little time, that a model which thinks aloud and then is silent has no more of it.
const OF_DRAFT: Patience = Patience { reading: DRAFT, writing: DRAFT };
/// D1 queries before a model is asked: a renewal, a reservation.
const QUERIES_OF_MODEL: u64 = 3;

/// Asks them. Asking again after a crash is billed again; the channel hears `restarted`, and only one
/// answer is ever committed.
pub async fn write<P>(ports: &P, claim: &Claim, routed: &RoutedTurn<'_>) -> Result<Written, Unwritten>
where
    P: Database + KeyValue + Generator + Channels + Deployment + Meter + Clock,
{
    let prompt = &routed.grounds.prompt;
    let mut failed = Failed { failure: Failure::bug(NO_MODEL), spent: Spent::default() };
    for (place, model) in models(routed, prompt).enumerate() {
        // However many models a route names: the turn's end has its queries.
        if ports.asked().queries_left() < QUERIES_OF_MODEL + QUERIES_TO_END {
            break;
        }
        if place > 0 && !protocol::renew(ports, claim).await? {
            return Err(Unwritten::Unwanted);
        }
        let generation = generation(routed, prompt, model);
        // What the day no longer pays for, a cheaper model of the route may still do.
        if let Err(refused) = ledger::reserve(ports, Purpose::Interactive, &claim.user, generation.most_neurons()).await
        {
            if place == 0 || failed.failure.kind == FailureKind::Exhausted {
                failed.failure = refused;
            }
            continue;
        }
        match ask(ports, claim, routed, (place, &generation)).await {
            Err(Unwritten::Failed(other)) => {
                // The allowance is everybody's: no other model would do better. Nor is there time for another draft.
                let is_last = other.failure.kind == FailureKind::Exhausted || routed.grounds.are_drafted();
                failed.add(other);
                if is_last {
                    break;
                }
            }
            ended => return ended,
        }
    }
    Err(Unwritten::Failed(failed))
}

/// The failure of a turn that no model can answer.
const NO_MODEL: &str = "no model of the route takes the question";

/// The models of the route that can read the prompt, and answer as the question wants it. Words of a client that are
/// too long are read by none: what it may say does not hang on which of them is well.
fn models<'a>(routed: &'a RoutedTurn<'_>, prompt: &Prompt) -> impl Iterator<Item = &'a String> {
    let ask = &routed.grounds.context.turn.request;
    let client = ask.client.as_ref();
    let is_formatted = client.is_some_and(|client| client.format.is_some());
    let is_about_tools = ask.is_about_tools();
    let needs = prompt.tokens as u64 + u64::from(max_tokens(ask, routed.route));
    routed.route.models.iter().filter(move |model| {
        prompt.too_long.is_none()
            && (client.is_none() || needs <= routed.catalogue.context(model))
            && (!is_formatted || routed.catalogue.knows_json(model))
            && (!is_about_tools || routed.catalogue.knows_tools(model))
    })
}

fn generation(routed: &RoutedTurn<'_>, prompt: &Prompt, model: &str) -> Generation {
    let ask = &routed.grounds.context.turn.request;
    Generation {
        model: model.to_owned(),
        messages: prompt.messages.clone(),
        max_tokens: max_tokens(ask, routed.route),
        price: routed.catalogue.price(model),
        prompt_tokens: prompt.tokens as u64,
        sampling: ask.client.as_ref().map(|client| client.sampling).unwrap_or_default(),
        format: ask.client.as_ref().and_then(|client| client.format.clone()),
        tools: ask.client.as_ref().and_then(|client| client.tools.clone()),
        patience: if routed.grounds.are_drafted() { OF_DRAFT } else { Patience::USUAL },
    }
}

/// Asks the model at one place of the route, and publishes what it says.
async fn ask<P>(
    ports: &P,
    claim: &Claim,
    routed: &RoutedTurn<'_>,
    (place, generation): (usize, &Generation),
) -> Result<Written, Unwritten>
where
    P: Database + Generator + Channels + Deployment + Meter + Clock,
{
    let Grounds { context, prompt, choice, .. } = routed.grounds;
    let turn = &context.turn;
    let started = TurnEvent::Started {
        turn_id: turn.turn_id.clone(),
        conversation_id: turn.conversation_id.clone(),
        route: choice.route.name().to_owned(),
        model: generation.model.clone(),
    };
    let filter = AnswerFilter::new(&turn.request, prompt.sources);
    let announced = (Attempt::Model(place), started);
    let shown = shown(routed.grounds);
    let mut publisher = StreamPublisher::new(ports, claim, routed.channel, announced, filter, shown);
    publisher.begin().await;
    let neurons = ports.usage().neurons;
    let generated = generate(ports, generation, &mut publisher).await;
    if publisher.unwanted {
        return Err(Unwritten::Unwanted);
    }
    let (tokens, calls) = match generated {
        Ok(generated) => generated,
        Err(failure) => {
            let spent = spent_in_vain(generation, &publisher.text, ports.usage().neurons - neurons);
            return Err(Unwritten::Failed(Failed { failure, spent }));
        }
    };
    publisher.finish().await;
    if publisher.unwanted {
        return Err(Unwritten::Unwanted);
    }
    let written = written(&publisher.text, calls, tokens, prompt, generation);
    if written.calls.is_empty() && !is_answer(&written.text, turn.request.client.is_some()) {
        let failure = Failure::transient(format!("{} answered nothing", generation.model));
        return Err(Unwritten::Failed(Failed { failure, spent: written.spent }));
    }
    Ok(written)
}

/// What a model took that broke off: its caller is told what the day is charged.
fn spent_in_vain(generation: &Generation, text: &str, neurons: f64) -> Spent {
    if neurons <= 0.0 {
        return Spent::default();
    }
    Spent { prompt_tokens: generation.prompt_tokens, completion_tokens: estimated_tokens(text), neurons }
}

/// What is shown of an answer while it is written. Drafts are checked first: until then the answer is what the sources
/// say.
fn shown<'a>(grounds: &'a Grounds<'_>) -> Shown<'a> {
    let client = grounds.context.turn.request.client.as_ref();
    if grounds.are_drafted() {
        return Shown::Instead(grounds.meanwhile(), grounds.must_be_found().then_some(&grounds.evidence));
    }
    match client {
        Some(client) if client.is_plain || client.format.is_some() => Shown::AsIs,
        _ if grounds.evidence.is_empty() => Shown::Unchecked,
        _ => Shown::Checked(&grounds.evidence),
    }
}

/// Passes an answer on; what it took, and what it calls. Of a model that must call, what it says instead is no answer,
/// and not passed on: a client could not take it back.
async fn generate<P>(
    ports: &P,
    generation: &Generation,
    publisher: &mut StreamPublisher<'_, P>,
) -> Result<(Tokens, Vec<CalledFunction>), Failure>
where
    P: Database + Generator + Channels + Meter + Clock,
{
    let Some(tools) = &generation.tools else {
        let generated = ports.generate(generation, publisher).await?;
        return Ok((generated.tokens, Vec::new()));
    };
    let mut said = Collect::default();
    let generated = ports.generate(generation, &mut said).await?;
    let calls = tools.calls(&generated.calls);
    if !calls.is_empty() || !tools.choice.is_forced() {
        publisher.accept(&said.0).await;
    }
    Ok((generated.tokens, calls))
}

/// The share of characters that nobody can read from which on a text is no answer.
const UNREADABLE_SHARE: f64 = 0.1;

/// True for text that says something: to a client also what has no letter, such as `{}`.
#[expect(clippy::cast_precision_loss, reason = "an answer is far below 2^52 characters")]
fn is_answer(answer: &str, is_for_client: bool) -> bool {
    let unreadable = answer.chars().filter(|character| {
        *character == char::REPLACEMENT_CHARACTER || (character.is_control() && !character.is_whitespace())
    });
    (if is_for_client { !answer.is_empty() } else { answer.chars().any(char::is_alphanumeric) })
        && (unreadable.count() as f64) < answer.chars().count() as f64 * UNREADABLE_SHARE
}

fn written(
    text: &str,
    calls: Vec<CalledFunction>,
    tokens: Tokens,
    prompt: &Prompt,
    generation: &Generation,
) -> Written {
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
        finish: match calls[..] {
            [] if counted.completion >= u64::from(generation.max_tokens) => "length",
            [] => "stop",
            _ => "tool_calls",
        },
        model: generation.model.clone(),
        calls,
        text: thinking::without_thoughts(text).to_owned(),
    }
}
