//! A sentence-embedding model on the CPU, by ONNX Runtime.
//!
//! Takes any BERT-like model given as ONNX with its tokenizer.json: all-MiniLM-L6-v2 in int8 comes
//! with the development kit; BAAI/bge-small-en-v1.5 is taken when its files are named.

use std::path::{Path, PathBuf};

use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
    value::Tensor,
};
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

/// How token vectors become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pooling {
    /// Mean of all tokens: `MiniLM`.
    Mean,
    /// The first token's: bge.
    Cls,
}

/// Anything that can go wrong while loading or running a model.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A loaded model.
#[derive(Debug)]
pub struct EmbeddingModel {
    tokenizer: Tokenizer,
    reader: Reader,
}

/// What makes a vector of tokens.
#[derive(Debug)]
enum Reader {
    /// The model, which knows what words mean.
    Onnx { session: Session, pooling: Pooling, wants_types: bool },
    /// A hash of each token, which knows only which words a text has.
    Words,
}

/// Tokens the model reads; the platform's bge-small reads as many.
pub const WINDOW: usize = pipeline::model::EMBEDDING.window;

impl EmbeddingModel {
    /// Loads `model.onnx` and `tokenizer.json`. `threads` is for one text's computation.
    pub fn load(
        environment: &Environment,
        model: &Path,
        tokenizer: &Path,
        pooling: Pooling,
        threads: usize,
    ) -> Result<Self, Error> {
        let builder = Session::builder(environment)?
            .with_intra_threads(threads)
            .map_err(|error| error.to_string())?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| error.to_string())?;
        let session = { builder }.commit_from_file(model).map_err(|error| error.to_string())?;
        let wants_types = session.inputs().iter().any(|input| input.name() == "token_type_ids");
        Ok(Self { tokenizer: load_tokenizer(tokenizer)?, reader: Reader::Onnx { session, pooling, wants_types } })
    }

    /// Its tokens without its work: vectors of texts are near each other if they have words in common.
    pub fn of_words(tokenizer: &Path) -> Result<Self, Error> {
        Ok(Self { tokenizer: load_tokenizer(tokenizer)?, reader: Reader::Words })
    }

    /// The text's tokens, special ones included, at most `limit` of them, and how many there were.
    pub fn tokens(&self, text: &str, limit: usize) -> Result<(Vec<i64>, usize), Error> {
        let encoding = self.tokenizer.encode(text, true)?;
        let all: Vec<i64> = encoding.get_ids().iter().map(|id| i64::from(*id)).collect();
        let count = all.len();
        if count <= limit {
            return Ok((all, count));
        }
        // What the platform does: the first tokens and the closing one.
        let mut kept = all[..limit - 1].to_vec();
        kept.extend(all.last());
        Ok((kept, count))
    }

    /// The vector of a tokenised text, of length one.
    pub fn embed(&mut self, tokens: &[i64]) -> Result<Vec<f32>, Error> {
        let Reader::Onnx { session, pooling, wants_types } = &mut self.reader else { return Ok(of_words(tokens)) };
        let length = tokens.len();
        let shape = [1, length];
        let ids = Tensor::from_array((shape, tokens.to_vec()))?;
        let mask = Tensor::from_array((shape, vec![1i64; length]))?;
        let types = Tensor::from_array((shape, vec![0i64; length]))?;
        let outputs = if *wants_types {
            session.run(ort::inputs!["input_ids" => ids, "attention_mask" => mask, "token_type_ids" => types])?
        } else {
            session.run(ort::inputs!["input_ids" => ids, "attention_mask" => mask])?
        };
        let (_, values) = outputs[0].try_extract_tensor::<f32>()?;
        let dimensions = values.len() / length.max(1);
        Ok(normalise(pool(values, dimensions, *pooling)))
    }
}

fn pool(values: &[f32], dimensions: usize, pooling: Pooling) -> Vec<f32> {
    match pooling {
        Pooling::Cls => values[..dimensions].to_vec(),
        Pooling::Mean => {
            let mut sums = vec![0f32; dimensions];
            for token in values.chunks_exact(dimensions) {
                for (sum, value) in sums.iter_mut().zip(token) {
                    *sum += value;
                }
            }
            sums
        }
    }
}

/// A vector of as many digits as one of the model's: the sum of a direction for each token.
fn of_words(tokens: &[i64]) -> Vec<f32> {
    let mut sums = vec![0f32; pipeline::model::EMBEDDING.dimensions];
    for token in tokens {
        let mut state = token.cast_unsigned();
        for sum in &mut sums {
            // The first sixteen bits around zero: exact in a float.
            *sum += f32::from(u16::try_from(next_random(&mut state) >> 48).unwrap_or_default()) - 32_767.5;
        }
    }
    normalise(sums)
}

/// The next number of `SplitMix64`: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn normalise(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    for value in &mut vector {
        *value /= length;
    }
    vector
}

fn load_tokenizer(path: &Path) -> Result<Tokenizer, Error> {
    let mut tokenizer = Tokenizer::from_file(path)?;
    // The file that comes with MiniLM bakes in padding and a cut at 128 tokens.
    tokenizer.with_padding(None::<PaddingParams>);
    tokenizer.with_truncation(None::<TruncationParams>)?;
    Ok(tokenizer)
}

/// The shared library inside the `onnxruntime` wheel, whatever its version.
pub fn runtime_library(models: &Path) -> Result<PathBuf, Error> {
    let folder = models.join("onnxruntime/onnxruntime/capi");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libonnxruntime.") && !name.contains("providers")
    };
    let found = std::fs::read_dir(&folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(is_library);
    found.ok_or_else(|| format!("no ONNX Runtime in {}", folder.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_near_as_the_words_they_have_in_common() {
        let [one, again, near, other] =
            [&[7, 8, 9, 10], &[7, 8, 9, 10], &[8, 9, 10, 11], &[21, 22, 23, 24]].map(|tokens| of_words(tokens));
        assert_eq!(one, again);
        assert_eq!(one.len(), pipeline::model::EMBEDDING.dimensions);
        let product = |left: &[f32], right: &[f32]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f32>();
        assert!((product(&one, &one) - 1.0).abs() < 1e-4);
        assert!((product(&one, &near) - 0.75).abs() < 0.2);
        assert!(product(&one, &other).abs() < 0.3);
    }
}
