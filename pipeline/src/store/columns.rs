//! How values that D1 has no type for stand in its columns.

use serde::{Deserialize, Deserializer, Serializer};

use crate::time::Timestamp;

/// Reads a boolean, which D1 keeps as a number and may return as a float.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    f64::deserialize(deserializer).map(|number| number != 0.0)
}

/// The pack that a row of `chunks` is of: its number's upper part ([`ChunkRow`](crate::ids::ChunkRow)). Shifted, not
/// divided: D1 binds numbers as floats.
macro_rules! pack_of {
    ($chunk:literal) => {
        concat!($chunk, ".id >> 14")
    };
}
pub(in crate::store) use pack_of;

/// Writes a time as D1 keeps it; to clients it is text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(in crate::store) fn in_milliseconds<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.milliseconds())
}

#[cfg(test)]
mod tests {
    use crate::ids::ChunkRow;

    #[test]
    fn a_chunks_pack_is_found_in_its_number() {
        assert_eq!(pack_of!("c"), format!("c.id >> {}", ChunkRow::PER_ITEM.ilog2()));
    }
}
