//! Vectors on their way from embed to upsert, as bytes in R2.
//!
//! Layout, little endian: `u32` count, `u32` dimensions, count x `i64` chunk rows, then count x
//! dimensions x `f32`.

use crate::{failure::Failure, ids::ChunkRow};

/// Packs vectors, each with the chunk it stands for. All have `dimensions` values.
pub fn encode(dimensions: usize, vectors: &[(ChunkRow, Vec<f32>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + vectors.len() * (8 + dimensions * 4));
    for number in [vectors.len(), dimensions] {
        bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    for (row, _) in vectors {
        bytes.extend(row.0.to_le_bytes());
    }
    for (_, values) in vectors {
        for value in values {
            bytes.extend(value.to_le_bytes());
        }
    }
    bytes
}

/// Unpacks what [`encode`] packed.
pub fn decode(bytes: &[u8]) -> Result<Vec<(ChunkRow, Vec<f32>)>, Failure> {
    read(bytes).ok_or_else(|| Failure::bug("vectors in R2 are cut short"))
}

fn read(bytes: &[u8]) -> Option<Vec<(ChunkRow, Vec<f32>)>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let (dimensions, rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let dimensions = usize::try_from(u32::from_le_bytes(*dimensions)).ok()?;
    let rows = rest.get(..count.checked_mul(8)?)?;
    let values = rest.get(count * 8..)?;
    if values.len() != count.checked_mul(dimensions)?.checked_mul(4)? {
        return None;
    }
    let rows = rows.chunks_exact(8).map(|chunk| chunk.try_into().map(i64::from_le_bytes));
    let vectors = values.chunks_exact((dimensions * 4).max(1));
    rows.zip(vectors)
        .map(|(row, vector)| {
            let values = vector.chunks_exact(4).map(|chunk| chunk.try_into().map(f32::from_le_bytes));
            Some((ChunkRow(row.ok()?), values.collect::<Result<_, _>>().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_unpacks(rows in prop::collection::vec((any::<i64>(), [-1f32..1.0, -1f32..1.0]), 0..20)) {
            let vectors: Vec<_> = rows.iter().map(|(row, values)| (ChunkRow(*row), values.to_vec())).collect();
            prop_assert_eq!(decode(&encode(2, &vectors)).unwrap(), vectors);
        }

        #[test]
        fn odd_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_cut_is_noticed() {
        let bytes = encode(2, &[(ChunkRow(1), vec![0.5, 0.5])]);
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
