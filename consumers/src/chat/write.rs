//! Asking a route's models in turn, until one answers.

use pipeline::{
    budget::{ledger, purpose::Purpose},
    chat::{
        catalogue::{Catalogue, Route},
        channel::{Channel, TurnEvent},
        generation::{Generation, Tokens, estimated_tokens},
        turn::{Ask, Spent},
    },
    failure::{Failure, FailureKind},
    job::{item::Claim, protocol},
    platform::ports::{Channels, Clock, Database, Deployment, Generator, KeyValue, Meter},
};

use super::{
    context::Context,
    prompt::Prompt,
    publisher::{Attempt, QUERIES_TO_END, StreamPublisher},
    route::Choice,
    thinking,
};

/// What a model made of a prompt.
#[derive(Debug)]
pub struct Written {
    /// The answer, without thoughts.
    pub text: String,
    /// The model.
    pub model: String,
    /// What it took.
    pub spent: Spent,
    /// Why it ended: `stop` or `length`.
    pub finish: &'static str,
}

/// Why no model answered.
#[derive(Debug)]
pub enum Unwritten {
    /// Nobody wants the answer any more.
    Unwanted,
    /// Every model failed; the last failure, or the one that says most.
    Failed(Failure),
}

/// Most tokens of an answer: the caller's wish within the route's limit.
pub fn max_tokens(ask: &Ask, route: &Route) -> u32 {
    ask.max_tokens.unwrap_or(route.max_tokens).clamp(1, route.max_tokens)
}

/// A turn with the route that was chosen for it.
#[derive(Clone, Copy, Debug)]
pub struct RoutedTurn<'a> {
    /// The turn.
    pub context: &'a Context,
    /// Prices.
    pub catalogue: &'a Catalogue,
    /// Models and limits.
    pub route: &'a Route,
    /// Why this route.
    pub choice: &'a Choice,
    /// Where it is published.
    pub channel: &'a Channel,
}

/// D1 queries before a model is asked: a renewal, a reservation.
const QUERIES_OF_MODEL: u64 = 3;

/// Asks them. Asking again after a crash is billed again; the channel hears `restarted`, and only one
/// answer is ever committed.
pub async fn write<P>(ports: &P, claim: &Claim, routed: &RoutedTurn<'_>, prompt: &Prompt) -> Result<Written, Unwritten>
where
    P: Database + KeyValue + Generator + Channels + Deployment + Meter + Clock,
{
    let max_tokens = max_tokens(&routed.context.turn.request, routed.route);
    let mut failure = Failure::bug("the route names no model");
    for (place, model) in routed.route.models.iter().enumerate() {
        // However many models a route names: the turn's end has its queries.
        if ports.asked().queries_left() < QUERIES_OF_MODEL + QUERIES_TO_END {
            break;
        }
        if place > 0 && !protocol::renew(ports, claim).await.map_err(Unwritten::Failed)? {
            return Err(Unwritten::Unwanted);
        }
        let price = routed.catalogue.price(model);
        let generation = Generation {
            model: model.clone(),
            messages: prompt.messages.clone(),
            max_tokens,
            price,
            prompt_tokens: prompt.tokens as u64,
        };
        // What the day no longer pays for, a cheaper model of the route may still do.
        if let Err(refused) = ledger::reserve(ports, Purpose::Interactive, &claim.user, generation.most_neurons()).await
        {
            if place == 0 || failure.kind == FailureKind::Exhausted {
                failure = refused;
            }
            continue;
        }
        match ask(ports, claim, routed, prompt, (place, &generation)).await {
            // The allowance is everybody's: no other model would do better.
            Err(Unwritten::Failed(other)) if other.kind != FailureKind::Exhausted => {
                // A passing failure says more than that a model is unknown.
                if failure.kind != FailureKind::Transient || other.kind == FailureKind::Transient {
                    failure = other;
                }
            }
            ended => return ended,
        }
    }
    Err(Unwritten::Failed(failure))
}

/// Asks the model at one place of the route, and publishes what it says.
async fn ask<P>(
    ports: &P,
    claim: &Claim,
    routed: &RoutedTurn<'_>,
    prompt: &Prompt,
    (place, generation): (usize, &Generation),
) -> Result<Written, Unwritten>
where
    P: Database + Generator + Channels + Meter + Clock,
{
    let turn = &routed.context.turn;
    let started = TurnEvent::Started {
        turn_id: turn.turn_id.clone(),
        conversation_id: turn.conversation_id.clone(),
        route: routed.choice.route.name().to_owned(),
        model: generation.model.clone(),
    };
    let mut publisher = StreamPublisher::new(ports, claim, routed.channel, Attempt::Model(place), started);
    let generated = ports.generate(generation, &mut publisher).await;
    if publisher.unwanted {
        return Err(Unwritten::Unwanted);
    }
    let tokens = generated.map_err(Unwritten::Failed)?;
    publisher.finish().await;
    if publisher.unwanted {
        return Err(Unwritten::Unwanted);
    }
    if !is_answer(&publisher.text) {
        return Err(Unwritten::Failed(Failure::transient(format!("{} answered nothing", generation.model))));
    }
    Ok(written(&publisher.text, tokens, prompt, generation))
}

/// The share of characters that nobody can read from which on a text is no answer.
const UNREADABLE_SHARE: f64 = 0.1;

/// True for text that says something.
#[expect(clippy::cast_precision_loss, reason = "an answer is far below 2^52 characters")]
fn is_answer(text: &str) -> bool {
    let answer = thinking::without_thoughts(text);
    let unreadable = answer.chars().filter(|character| {
        *character == char::REPLACEMENT_CHARACTER || (character.is_control() && !character.is_whitespace())
    });
    answer.chars().any(char::is_alphanumeric)
        && (unreadable.count() as f64) < answer.chars().count() as f64 * UNREADABLE_SHARE
}

fn written(text: &str, tokens: Tokens, prompt: &Prompt, generation: &Generation) -> Written {
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
        model: generation.model.clone(),
        text: thinking::without_thoughts(text).to_owned(),
    }
}
