//! What the index and the models refuse, and what they do not show yet, as production does.

use std::collections::BTreeSet;

use pipeline::{
    constants,
    failure::Failure,
    platform::ports::VectorRecord,
    time::{Span, Timestamp},
};

use crate::in_memory::InMemory;

/// The two ways in which Workers AI says that the day's neurons are spent.
const SPENT: [&str; 2] = [
    "3036: You have used up your daily free allocation of 10,000 neurons.",
    "4006: you have used up your daily free allocation of 10,000 neurons, please upgrade to a paid plan",
];

impl InMemory {
    /// Lets vectors be found only so long after they were upserted.
    pub fn set_visibility_lag(&self, lag: Span) {
        self.visibility_lag.set(lag);
    }

    /// Lets the account have so many neurons left, whatever its allowances say.
    pub fn set_neurons_left(&self, neurons: f64) {
        self.neurons_left.set(Some(neurons));
    }

    /// Lets the embedding model refuse calls whose texts are longer together.
    pub fn set_longest_call(&self, bytes: usize) {
        self.longest_call.set(bytes);
    }

    /// Takes what a call costs, unless the account has no more: said in the one way and the other in turn.
    pub(crate) fn take_neurons(&self, neurons: f64) -> Result<(), Failure> {
        let Some(left) = self.neurons_left.get() else { return Ok(()) };
        if left >= neurons {
            self.neurons_left.set(Some(left - neurons));
            return Ok(());
        }
        let turn = self.times_spent.get();
        self.times_spent.set(turn + 1);
        Err(Failure::exhausted(format!("AI: {}", SPENT[turn % SPENT.len()])))
    }

    /// Refuses a call that is too long, though its texts are not too many.
    pub(crate) fn take_texts(&self, texts: &[String]) -> Result<(), Failure> {
        if texts.len() > constants::TEXTS_PER_EMBEDDING_CALL {
            return Err(Failure::bug(format!("AI: 5004: Invalid data: {} texts", texts.len())));
        }
        if texts.iter().map(String::len).sum::<usize>() > self.longest_call.get() {
            return Err(Failure::transient("AI: InferenceUpstreamError: 1031"));
        }
        Ok(())
    }

    /// Refuses vectors that Vectorize does not take.
    pub(crate) fn take_vectors(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure> {
        let refuse = |code: u32, why: String| {
            Err(Failure::bug(format!("Vectorize: VECTOR_UPSERT_ERROR (code = {code}): {why}")))
        };
        let most = constants::VECTORS_PER_UPSERT;
        if vectors.len() > most {
            return refuse(40007, format!("too many vectors in payload; max is {most}, got {}", vectors.len()));
        }
        if let Some(long) = vectors.iter().find(|vector| vector.id.len() > constants::VECTOR_ID_BYTES) {
            return refuse(40008, format!("an id of {} bytes", long.id.len()));
        }
        let stored = self.vectors.borrow();
        let mut namespaces: BTreeSet<&str> = stored.values().map(|(namespace, _)| namespace.as_str()).collect();
        namespaces.insert(namespace);
        if namespaces.len() > constants::VECTOR_NAMESPACES {
            return refuse(40012, format!("more than {} namespaces", constants::VECTOR_NAMESPACES));
        }
        Ok(())
    }

    /// Notes from when on a vector is found.
    pub(crate) fn show_later(&self, id: &str) {
        if self.visibility_lag.get() > Span::ZERO {
            self.shown_at.borrow_mut().insert(id.to_owned(), self.now.get().plus(self.visibility_lag.get()));
        }
    }

    /// True once a vector is found by queries.
    pub(crate) fn is_shown(&self, id: &str) -> bool {
        let now: Timestamp = self.now.get();
        self.shown_at.borrow().get(id).is_none_or(|shown_at| *shown_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{
        failure::FailureKind,
        model::EMBEDDING,
        platform::ports::{Embedder as _, VectorIndex as _},
        time::{MILLISECOND, MINUTE},
    };

    use super::*;
    use crate::ready;

    fn vector(id: &str) -> VectorRecord {
        VectorRecord { id: id.to_owned(), values: vec![1.0], metadata: "{}".to_owned() }
    }

    fn upsert(memory: &InMemory, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure> {
        ready(memory.upsert(namespace, vectors))
    }

    #[test]
    fn an_upsert_takes_a_thousand_vectors_with_ids_of_64_bytes() {
        let memory = InMemory::default();
        let thousand: Vec<VectorRecord> = (0..1_000).map(|number| vector(&number.to_string())).collect();
        upsert(&memory, "user", &thousand).unwrap();
        let refused = upsert(&memory, "user", &[thousand, vec![vector("more")]].concat()).unwrap_err();
        assert!(refused.why.contains("VECTOR_UPSERT_ERROR (code = 40007)"), "{refused}");
        upsert(&memory, "user", &[vector(&"x".repeat(64))]).unwrap();
        assert_eq!(upsert(&memory, "user", &[vector(&"x".repeat(65))]).unwrap_err().kind, FailureKind::Bug);
    }

    #[test]
    fn an_index_has_a_thousand_namespaces() {
        let memory = InMemory::default();
        for number in 0..1_000 {
            upsert(&memory, &format!("user-{number}"), &[vector(&number.to_string())]).unwrap();
        }
        assert_eq!(upsert(&memory, "one more", &[vector("more")]).unwrap_err().kind, FailureKind::Bug);
        upsert(&memory, "user-7", &[vector("more")]).unwrap();
    }

    #[test]
    fn a_vector_is_found_after_its_lag() {
        let memory = InMemory::default();
        memory.set_visibility_lag(2 * MINUTE);
        upsert(&memory, "user", &[vector("late")]).unwrap();
        let found = || ready(memory.query("user", &[1.0], 5, None)).unwrap().len();
        memory.advance(2 * MINUTE - MILLISECOND);
        assert_eq!(found(), 0);
        memory.advance(MILLISECOND);
        assert_eq!(found(), 1);
    }

    #[test]
    fn spent_neurons_are_said_in_both_ways() {
        let memory = InMemory::default();
        memory.set_neurons_left(0.0);
        let spent = || ready(memory.embed(&EMBEDDING, &["text".to_owned()], 1)).unwrap_err();
        let (first, second) = (spent(), spent());
        assert!(first.why.contains("3036") && second.why.contains("4006"), "{first} {second}");
        assert_eq!((first.kind, second.kind), (FailureKind::Exhausted, FailureKind::Exhausted));
    }
}
