//! Embeddings as text, for a database that hands out nothing shorter.
//!
//! Each dimension is a character, from `#` over `?`, which is nothing, to `[`: 28 steps to either side of which the
//! largest takes the largest value. None of them needs an escape in JSON, and a thousand embeddings are a fifth of what
//! their numbers would be. Only directions are compared, so no scale is kept. A cosine changes by a few thousandths.
//!
//! Earlier versions wrote base64 of 32-bit numbers, little endian. It holds other characters, so that code which knows
//! nothing else takes what is written here for no embedding at all.

use std::iter;

use data_encoding::BASE64;

/// Steps from nothing to the largest value.
const STEPS: f32 = 28.0;
/// The character of a dimension in which a vector has nothing.
const NOTHING: u8 = b'?';
/// Steps of the vector that others are compared with, which is not kept: whatever characters it meets, the sum of some
/// thousand products fits 32 bits.
const FINE_STEPS: f32 = 4_095.0;

/// A vector as text.
pub fn encode(vector: &[f32]) -> String {
    steps(vector, STEPS).map(character).collect()
}

/// Vectors as text, one behind the other.
pub fn encode_all(vectors: &[Vec<f32>]) -> String {
    vectors.iter().map(|vector| encode(vector)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from -28 to 28 around a character")]
fn character(steps: i32) -> char {
    char::from((i32::from(NOTHING) + steps) as u8)
}

/// The values of a vector in steps, of which the largest value has `most`.
#[expect(clippy::cast_possible_truncation, reason = "rounded, and no larger than the steps there are")]
fn steps(vector: &[f32], most: f32) -> impl Iterator<Item = i32> {
    let largest = vector.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { most / largest } else { 0.0 };
    vector.iter().map(move |value| (value * scale).round() as i32)
}

/// What a text says of a vector: where it points, in length one. `None` for what is no embedding of as many dimensions.
#[expect(clippy::cast_precision_loss, reason = "from -28 to 28")]
pub fn decode(kept: &str, dimensions: usize) -> Option<Vec<f32>> {
    if kept.len() != dimensions {
        return None;
    }
    let steps = kept.bytes().map(|character| (i32::from(character) - i32::from(NOTHING)) as f32);
    let mut vector: Vec<f32> = steps.collect();
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    for value in &mut vector {
        *value /= length;
    }
    Some(vector)
}

/// The cosine of the angle between two vectors; nothing if one of them has no length.
pub fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |one: &[f32], other: &[f32]| -> f64 {
        iter::zip(one, other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    if lengths > 0.0 { dot(one, other) / lengths } else { 0.0 }
}

/// Where a vector points: what others are compared with.
#[derive(Clone, Debug)]
pub struct Direction {
    /// In fine steps: sums of whole numbers cost a third of others.
    steps: Vec<i32>,
    length: f64,
}

impl Direction {
    /// Of a vector.
    pub fn of(vector: &[f32]) -> Self {
        let steps: Vec<i32> = steps(vector, FINE_STEPS).collect();
        let square: f64 = steps.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        Self { steps, length: square.sqrt() }
    }

    /// Its cosine to an embedding as it is kept; `None` for what is no embedding of as many dimensions.
    pub fn cosine(&self, kept: &str) -> Option<f64> {
        if kept.len() == self.steps.len() {
            return Some(self.cosine_to(kept.bytes().map(|character| i32::from(character) - i32::from(NOTHING))));
        }
        let bytes = BASE64.decode(kept.as_bytes()).ok()?;
        let (values, rest) = bytes.as_chunks();
        let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
        let is_whole = rest.is_empty() && values.len() == self.steps.len();
        is_whole.then(|| self.cosine_to(steps(&values, STEPS)))
    }

    /// Its cosine to the nearest of several embeddings as [`encode_all`] writes them; `None` for what is none.
    pub fn best_cosine(&self, kept: &str) -> Option<f64> {
        let dimensions = self.steps.len();
        if kept.is_empty() || dimensions == 0 || !kept.len().is_multiple_of(dimensions) {
            return None;
        }
        let mut best = f64::NEG_INFINITY;
        for window in kept.as_bytes().chunks_exact(dimensions) {
            let steps = window.iter().map(|character| i32::from(*character) - i32::from(NOTHING));
            best = best.max(self.cosine_to(steps));
        }
        Some(best)
    }

    fn cosine_to(&self, other: impl Iterator<Item = i32>) -> f64 {
        let (mut product, mut square) = (0, 0);
        for (one, other) in iter::zip(&self.steps, other) {
            product += one * other;
            square += other * other;
        }
        let lengths = self.length * f64::from(square).sqrt();
        if lengths > 0.0 { f64::from(product) / lengths } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMENSIONS: usize = 384;

    /// Numbers that look drawn, from 0 to 1.
    fn drawn(seed: &mut u64) -> f32 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(*seed >> 48).unwrap()) / 65_536.0
    }

    /// As the values of an embedding are spread: a bell.
    fn vector(seed: &mut u64) -> Vec<f32> {
        (0..DIMENSIONS).map(|_| (0..6).map(|_| drawn(seed)).sum::<f32>() - 3.0).collect()
    }

    fn between(one: &[f32], other: &[f32], share: f32) -> Vec<f32> {
        one.iter().zip(other).map(|(one, other)| one * share + other * (1.0 - share)).collect()
    }

    fn base64(vector: &[f32]) -> String {
        BASE64.encode(&vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    }

    #[test]
    fn a_character_for_each_dimension() {
        assert_eq!(encode(&[0.5, -0.5, 0.0, 0.25]), "[#?M");
        assert_eq!(encode(&[0.0, 0.0]), "??");
        let direction = Direction::of(&[2.0, 0.0]);
        assert!((direction.cosine(&encode(&[0.5, 0.0])).unwrap() - 1.0).abs() < 1e-9);
        assert!(direction.cosine(&encode(&[0.0, 0.0])).unwrap().abs() < 1e-9);
        let windows = encode_all(&[vec![0.0, 1.0], vec![0.5, 0.0]]);
        assert!((direction.best_cosine(&windows).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!((direction.best_cosine(""), direction.best_cosine("###")), (None, None));
        assert_eq!((direction.cosine(""), direction.cosine("###"), direction.cosine("AACAPw==")), (None, None, None));
    }

    /// A thousand memories, from unrelated ones to paraphrases, and what is asked of them: whoever comes before
    /// another by its text does by its numbers, or both are as near as a hundredth.
    #[test]
    fn as_text_memories_are_ranked_as_their_numbers_rank_them() {
        let mut seed = 7;
        for _ in 0..20 {
            let asked = vector(&mut seed);
            let direction = Direction::of(&asked);
            let cosines = (0..1_000).map(|number| {
                let other = vector(&mut seed);
                let memory = between(&asked, &other, f32::from(u16::try_from(number).unwrap()) / 1_100.0);
                (cosine(&asked, &memory), direction.cosine(&encode(&memory)).unwrap())
            });
            let mut cosines: Vec<(f64, f64)> = cosines.collect();
            assert!(cosines.iter().all(|(exact, kept)| (exact - kept).abs() < 0.01));
            let best = |cosines: &[(f64, f64)]| cosines[..20].iter().map(|(exact, _)| *exact).collect::<Vec<_>>();
            cosines.sort_by(|one, other| other.0.total_cmp(&one.0));
            let by_numbers = best(&cosines);
            cosines.sort_by(|one, other| other.1.total_cmp(&one.1));
            for (by_numbers, by_text) in by_numbers.into_iter().zip(best(&cosines)) {
                assert!((by_numbers - by_text).abs() < 0.01, "{by_numbers} {by_text}");
            }
        }
    }

    #[test]
    fn a_vector_that_is_read_back_points_where_it_did() {
        let mut seed = 3;
        for _ in 0..200 {
            let vector = vector(&mut seed);
            let read = decode(&encode(&vector), DIMENSIONS).unwrap();
            assert!(cosine(&vector, &read) > 0.999, "{}", cosine(&vector, &read));
            assert!((cosine(&read, &read).sqrt() - 1.0).abs() < 1e-6);
        }
        assert_eq!((decode("##", 3), decode("", 0)), (None, Some(Vec::new())));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_compared_all_the_same() {
        let mut seed = 11;
        let (one, other) = (vector(&mut seed), vector(&mut seed));
        let memory = between(&one, &other, 0.5);
        let kept = Direction::of(&one).cosine(&base64(&memory)).unwrap();
        assert!((kept - cosine(&one, &memory)).abs() < 0.01, "{kept}");
        assert!(BASE64.decode(encode(&memory).as_bytes()).is_err(), "it takes this for no embedding");
    }
}
