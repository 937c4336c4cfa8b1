//! Sentences that say in other words what a source says: by their embeddings.
//!
//! A model's cosines have a scale of their own, and that of the model in production was not measured. So no number is
//! compared with a threshold: a sentence is taken to say what a line says if it lies at least as near to it as the
//! question does, for which the line was found. Measured with all-MiniLM-L6-v2 on `tests/answers/checked.jsonl`: of 25
//! sentences in other words 23 lie so near, of ten that say something else three.

use pipeline::{budget::day::Budget, model::EMBEDDING, platform::ports::Embedder};
use retrieval::embedding_text::cosine;

use super::{Checked, CheckedSentence, Judged, Support, Undecided};
use crate::chat::{
    check::{check_part, evidence::Evidence, parts},
    history::beginning,
};

/// Most bytes that are embedded for one answer: some 500 tokens, which cost less than a neuron.
const BYTES: usize = 2_000;
/// Most bytes of the question: what is longer brings a text along, and would leave nothing for the sentences.
const QUESTION_BYTES: usize = 500;
/// How much nearer the question may lie: what a sentence is rounded by.
const TOLERANCE: f64 = 0.02;

/// Why what stands in a source in other words may be taken for unsupported.
const NOT_COMPARED: &str = "what is said in other words could not be compared with the sources";

/// Checks an answer by its words, and by meaning where they do not decide. Without neurons, or a model that answers,
/// words alone decide, and it is said that they did.
pub async fn check<P: Embedder>(
    ports: &P,
    answer: &str,
    question: &str,
    evidence: &Evidence,
    budget: &Budget,
) -> (Checked, Option<&'static str>) {
    let parts = parts::parts(answer);
    let mut judged: Vec<Judged> = parts.iter().map(|part| check_part(answer, part, evidence)).collect();
    let question = beginning(question, QUESTION_BYTES);
    let mut bytes = question.len();
    let mut undecided: Vec<(&mut CheckedSentence, &Undecided)> = Vec::new();
    for judged in &mut judged {
        if let Some(open) = &judged.undecided {
            let more = open.sentence.len() + open.line.len();
            if bytes + more <= BYTES {
                bytes += more;
                undecided.push((&mut judged.sentence, open));
            }
        }
    }
    let mut not_compared = (!undecided.is_empty()).then_some(NOT_COMPARED);
    if !undecided.is_empty() && !budget.is_without_neurons() {
        let texts = undecided.iter().flat_map(|(_, open)| [open.sentence.clone(), open.line.clone()]);
        let texts: Vec<String> = std::iter::once(question.to_owned()).chain(texts).collect();
        if let Ok(vectors) = ports.embed(&EMBEDDING, &texts, bytes as u64 / 4 + 2 * texts.len() as u64).await {
            settle(undecided, &vectors);
            not_compared = None;
        }
    }
    (Checked::new(answer, judged), not_compared)
}

fn settle(undecided: Vec<(&mut CheckedSentence, &Undecided)>, vectors: &[Vec<f32>]) {
    let Some((question, pairs)) = vectors.split_first() else { return };
    for ((sentence, open), pair) in undecided.into_iter().zip(pairs.chunks_exact(2)) {
        if cosine(&pair[0], &pair[1]) >= cosine(question, &pair[1]) - TOLERANCE {
            sentence.support = Support::Supported;
            sentence.by = vec![open.by.clone()];
        }
    }
}
