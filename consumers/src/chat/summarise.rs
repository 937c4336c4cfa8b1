//! Summarises the beginning of a conversation that outgrew its token budget.

use pipeline::{
    budget::{ledger, purpose::Purpose},
    chat::{
        catalogue::{Catalogue, Route, RouteName},
        client::Sampling,
        generation::{Collect, Generation, Patience, PromptMessage, estimated_tokens},
    },
    failure::Failure,
    job::{
        item::{Claim, Move, Progress},
        outcome::Outcome,
        protocol::complete,
    },
    platform::{
        ports::{Clock, Database, Deployment, Generator, KeyValue, Meter, Queue},
        transaction::Transaction,
    },
    store,
};

use super::{context::Context, history, prompt, thinking};
use crate::tokens;

/// Share of a route's window that the conversation may take before it is summarised.
const HISTORY_SHARE: f64 = 1.0 / 3.0;
/// Tokens of the prompt that asks for a summary, beside what is to be summarised.
const RULES_TOKENS: usize = 100;

/// D1 queries of a model's summary: a reservation, and what ends the message in whatever way.
const QUERIES_OF_SUMMARY: u64 = 16;

/// Commits a summary, with which another message of the item goes on. `None` if all fits as it is.
pub async fn summarise<P>(
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
    if context.turn.request.is_by_guest() || context.earlier.first().is_none_or(|earlier| earlier.number == 0) {
        return Ok(None);
    }
    let token_budget = prompt::share(prompt::tokens(route.window), HISTORY_SHARE);
    let count = history::outgrown(&context.earlier, token_budget, &tokens::beginning);
    let gone = &context.earlier[..count];
    let Some(through) = gone.last().map(|message| message.number) else { return Ok(None) };
    let previous = context.summary.as_deref();
    let small = catalogue.route(RouteName::Simple);
    let token_budget = prompt::tokens(small.window).saturating_sub(history::SUMMARY_TOKENS as usize + RULES_TOKENS);
    let messages = history::summary_prompt(previous, gone, token_budget, &tokens::beginning);
    let summary = by_model(ports, claim, catalogue, &small, &messages).await;
    let summary = summary.unwrap_or_else(|| history::excerpts(previous, gone));
    let mut work = Transaction::default();
    work.write(store::conversations::summarise(claim, &context.turn.conversation_id, &summary, through));
    complete(ports, claim, work, &Progress::default(), Move::Continue("{}".to_owned())).await.map(Some)
}

/// What the first of a route's models that answers makes of it. Without neurons for it, excerpts do.
async fn by_model<P>(
    ports: &P,
    claim: &Claim,
    catalogue: &Catalogue,
    route: &Route,
    messages: &[PromptMessage],
) -> Option<String>
where
    P: Database + KeyValue + Generator + Deployment + Meter + Clock,
{
    for model in &route.models {
        // However many models the route names: excerpts do, too.
        if ports.asked().queries_left() < QUERIES_OF_SUMMARY {
            break;
        }
        let generation = Generation {
            model: model.clone(),
            messages: messages.to_vec(),
            max_tokens: history::SUMMARY_TOKENS,
            price: catalogue.price(model),
            prompt_tokens: messages.iter().map(|message| estimated_tokens(&message.content)).sum(),
            sampling: Sampling::default(),
            format: None,
            tools: None,
            patience: Patience::USUAL,
        };
        if ledger::reserve(ports, Purpose::Interactive, &claim.user, generation.most_neurons()).await.is_err() {
            continue;
        }
        let mut text = Collect::default();
        let generated = ports.generate(&generation, &mut text).await;
        let text = thinking::without_thoughts(&text.0);
        if generated.is_ok() && !text.is_empty() {
            return Some(text.to_owned());
        }
    }
    None
}
