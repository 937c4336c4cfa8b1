//! Reranking: the first hits in the order in which a model puts them that reads the query and a text together.
//!
//! What it is worth is not measured: docs/retrieval.md.

use pipeline::{
    budget::{day::Budget, ledger, purpose::Purpose},
    failure::Failure,
    insertion_sort::insertion_sort,
    model::RERANKING,
    platform::ports::{Clock, Database, Deployment, KeyValue, Meter, Reranker},
    tenant::Tenant,
};
use retrieval::{Hit, Search, SearchRequest};

/// Hits that the model looks at. With 512 tokens each they cost 2.9 neurons: a day has enough for 3,000 searches.
const RERANKED: usize = 20;

/// Bytes that a token has in English prose, about: what is cut by it is what the model would not read.
const BYTES_PER_TOKEN: usize = 4;

/// The same search for as many hits as the model looks at, at least: what is far down may come forward.
pub fn wider(search: &Search) -> Search {
    let top_k = search.top_k.max(RERANKED);
    let request = SearchRequest { top_k: i64::try_from(top_k).unwrap_or(i64::MAX), ..search.request.clone() };
    Search { request, top_k, after: search.after.clone() }
}

/// Puts the first hits in the order of the model. True if it was asked: one hit has no order.
///
/// # Errors
/// There are no neurons for it, or the model fails; the hits are as they were.
pub async fn rerank<P>(
    ports: &P,
    tenant: &Tenant,
    budget: &Budget,
    query: &str,
    hits: &mut Vec<Hit>,
) -> Result<bool, Failure>
where
    P: Database + KeyValue + Reranker + Deployment + Meter + Clock,
{
    let count = hits.len().min(RERANKED);
    if count < 2 {
        return Ok(false);
    }
    if budget.is_without_neurons() {
        return Err(Failure::exhausted("today's neurons are spent"));
    }
    let window = RERANKING.window * BYTES_PER_TOKEN;
    // Of prose at least half of what the model reads is the text; of what has shorter tokens less.
    let query = beginning(query, window / 2);
    let texts: Vec<String> = hits.iter().take(count).map(|hit| beginning(&text(hit), window).to_owned()).collect();
    ledger::reserve(ports, Purpose::Interactive, &tenant.user, RERANKING.neurons(query, &texts)).await?;
    let scores = ports.rerank(&RERANKING, query, &texts).await?;
    reorder(hits, scores);
    Ok(true)
}

/// What a hit says, led by its document's title, as it was embedded.
fn text(hit: &Hit) -> String {
    match hit.chunk.title.as_deref() {
        None | Some("") => hit.chunk.text.clone(),
        Some(title) => format!("{title}\n{}", hit.chunk.text),
    }
}

fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Puts as many hits as have scores in the order of these, the highest first. What scores alike stays in its order, and
/// so do the hits behind.
fn reorder<T>(hits: &mut Vec<T>, scores: Vec<f64>) {
    let count = scores.len().min(hits.len());
    let behind = hits.split_off(count);
    let mut scored: Vec<(f64, T)> = scores.into_iter().zip(hits.drain(..)).collect();
    insertion_sort(&mut scored, |(one, _), (other, _)| one > other);
    hits.extend(scored.into_iter().map(|(_, hit)| hit).chain(behind));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_highest_comes_first_and_what_scores_alike_stays_as_it_was() {
        let mut hits = vec!["a", "b", "c", "d", "e"];
        reorder(&mut hits, vec![0.1, -2.0, 0.7, 0.1]);
        assert_eq!(hits, ["c", "a", "d", "b", "e"]);
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(beginning("été", 1), "");
        assert_eq!(beginning("été", 2), "é");
        assert_eq!(beginning("été", 100), "été");
    }

    proptest! {
        #[test]
        fn the_first_hits_are_put_in_order_and_none_is_lost(
            count in 0usize..40,
            scores in prop::collection::vec(prop::sample::select(vec![-1.5, 0.0, 0.25, 3.0]), 0..=RERANKED),
        ) {
            let mut hits: Vec<usize> = (0..count).collect();
            reorder(&mut hits, scores.clone());
            let first = scores.len().min(count);
            // A stable sort of the library's says the same.
            let mut expected: Vec<usize> = (0..first).collect();
            expected.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
            expected.extend(first..count);
            prop_assert_eq!(hits, expected);
        }
    }
}
