//! The models and the index in memory: bags of words for embeddings, scripts for answers.

use serde_json::{Map, Value as Json};

use pipeline::{
    chat::generation::{Flow, Generated, Generation, Sink, Tokens, estimated_tokens},
    constants,
    failure::Failure,
    model::{EMBEDDING, EmbeddingModel, RerankingModel, scores},
    platform::{
        errors,
        ports::{Embedder, Generator, Reranker, VectorIndex, VectorMatch, VectorRecord},
    },
    time::Span,
};

use crate::{
    fate::{Judgement, Script},
    in_memory::InMemory,
    service::Service,
};

impl InMemory {
    /// Neurons the models have worked for, whatever became of their answers.
    pub fn billed(&self) -> f64 {
        self.billed.get()
    }

    /// Of them those for which neurons had been set aside: what the ledger may never miss.
    pub fn billed_after_reserving(&self) -> f64 {
        self.billed_after_reserving.get()
    }

    /// Works and is counted, whether the answer arrives or not.
    pub(crate) fn bill(&self, neurons: f64) {
        self.billed.set(self.billed.get() + neurons);
        if self.reserved.get() {
            self.billed_after_reserving.set(self.billed_after_reserving.get() + neurons);
        }
        self.count(|usage| usage.neurons += neurons);
    }
}

/// A bag of hashed words: texts that share words are near each other.
fn bag_of_words(dimensions: usize, text: &str) -> Vec<f32> {
    let mut vector = vec![1e-3; dimensions];
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word
            .to_lowercase()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let place = usize::try_from(hash % dimensions as u64).unwrap_or(0);
        vector[place] += 1.0;
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / length).collect()
}

impl InMemory {
    /// Makes every answer cost its prompt and so many tokens, whatever it says.
    pub fn set_answer_tokens(&self, tokens: u64) {
        self.answer_tokens.set(tokens);
    }

    /// Lets vectors be compared as those of this model are.
    pub fn set_embedding_model(&self, name: &'static str) {
        self.embedding_model.set(Some(name));
    }
}

impl Embedder for InMemory {
    fn embedding_model(&self) -> String {
        self.embedding_model.get().unwrap_or(EMBEDDING.name).to_owned()
    }

    async fn embed(
        &self,
        model: &EmbeddingModel,
        texts: &[String],
        word_pieces: u64,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        self.call(Service::Models, || {
            self.take_texts(texts)?;
            self.take_neurons(model.neurons(word_pieces))?;
            self.bill(model.neurons(word_pieces));
            self.embedded.set(self.embedded.get() + texts.len());
            Ok(texts.iter().map(|text| bag_of_words(model.dimensions, text)).collect())
        })
        .await
    }
}

impl Reranker for InMemory {
    async fn rerank(&self, model: &RerankingModel, query: &str, texts: &[String]) -> Result<Vec<f64>, Failure> {
        self.call(Service::Models, || {
            let neurons = model.neurons(query, texts);
            self.take_neurons(neurons)?;
            self.judged.borrow_mut().push((query.to_owned(), texts.to_vec()));
            let judgement = self.judgements.borrow_mut().pop_front();
            if let Some(Judgement::Fails(failure)) = judgement {
                return Err(failure);
            }
            self.bill(neurons);
            match judgement {
                Some(Judgement::Scores(given)) if given.len() != texts.len() => {
                    Err(Failure::bug(format!("{} scores were written for {} texts", given.len(), texts.len())))
                }
                Some(Judgement::Scores(given)) => Ok(given),
                Some(Judgement::Answers(answer)) => scores(answer, texts.len()),
                _ => Ok(vec![0.0; texts.len()]),
            }
        })
        .await
    }
}

impl Generator for InMemory {
    async fn generate<S: Sink>(&self, generation: &Generation, sink: &mut S) -> Result<Generated, Failure> {
        self.call(Service::Models, || {
            self.generations.borrow_mut().push(generation.clone());
            self.take_neurons(generation.most_neurons())
        })
        .await?;
        let script = self.scripts.borrow_mut().pop_front();
        let last = generation.messages.last().map(|message| message.content.clone()).unwrap_or_default();
        let (text, calls, broken) = match script {
            Some(Script::Fails(failure)) => return Err(failure),
            Some(Script::Says(text)) => (text.to_owned(), "[]", false),
            Some(Script::Calls(calls, text)) => (text.to_owned(), calls, false),
            Some(Script::BreaksOff(text)) => (text.to_owned(), "[]", true),
            None => (last.lines().last().unwrap_or_default().to_owned(), "[]", false),
        };
        let calls = serde_json::from_str(calls).map_err(|error| Failure::bug(format!("a script: {error}")))?;
        let mut words = 0;
        for word in text.split_inclusive(' ') {
            self.advance(Span::milliseconds(50));
            words += 1;
            if sink.accept(word).await == Flow::Stop {
                break;
            }
        }
        let tokens = match self.answer_tokens.get() {
            0 => Tokens { prompt: 100, completion: words },
            completion => {
                let prompt = generation.messages.iter().map(|message| estimated_tokens(&message.text())).sum();
                Tokens { prompt, completion }
            }
        };
        self.bill(generation.price.neurons(tokens));
        if broken { Err(Failure::transient("AI: broke off")) } else { Ok(Generated { tokens, calls }) }
    }
}

fn matches(filter: &Map<String, Json>, metadata: &str) -> bool {
    if filter.is_empty() {
        return true;
    }
    let metadata: Map<String, Json> = serde_json::from_str(metadata).unwrap_or_default();
    filter.iter().all(|(name, wanted)| wanted.is_object() || metadata.get(name) == Some(wanted))
}

impl VectorIndex for InMemory {
    async fn upsert(&self, namespace: &str, vectors: &[VectorRecord]) -> Result<(), Failure> {
        self.count(|usage| usage.vectors_upserted += vectors.len() as u64);
        self.call(Service::Vectors, || {
            self.take_vectors(namespace, vectors)?;
            for vector in vectors {
                self.show_later(&vector.id);
                self.vectors.borrow_mut().insert(vector.id.clone(), (namespace.to_owned(), vector.clone()));
            }
            Ok(())
        })
        .await
    }

    async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top_k: usize,
        filter: Option<String>,
    ) -> Result<Vec<VectorMatch>, Failure> {
        self.count(|usage| usage.vectors_queried += 1);
        self.call(Service::Vectors, || {
            let filter: Map<String, Json> =
                filter.and_then(|filter| serde_json::from_str(&filter).ok()).unwrap_or_default();
            let vectors = self.vectors.borrow();
            let mut matches: Vec<VectorMatch> = vectors
                .iter()
                .filter(|(id, (owner, record))| {
                    owner == namespace && self.is_shown(id) && matches(&filter, &record.metadata)
                })
                .map(|(id, (_, record))| {
                    let score: f32 = record.values.iter().zip(vector).map(|(one, other)| one * other).sum();
                    VectorMatch { id: id.clone(), score: f64::from(score) }
                })
                .collect();
            matches.sort_by(|one, other| other.score.total_cmp(&one.score));
            matches.truncate(top_k);
            Ok(matches)
        })
        .await
    }

    async fn remove(&self, ids: &[String]) -> Result<(), Failure> {
        self.call(Service::Vectors, || {
            let (count, most) = (ids.len(), constants::VECTORS_PER_DELETE);
            if count > most {
                return Err(errors::of_vectorize(&format!(
                    "VECTOR_DELETE_ERROR (code = 40007): too many ids in payload; max id count is {most}, got {count}"
                )));
            }
            self.vectors.borrow_mut().retain(|id, _| !ids.contains(id));
            Ok(())
        })
        .await
    }
}
