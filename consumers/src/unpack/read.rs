//! Reads one range of an upload, compressed or not.

use pipeline::{
    constants,
    failure::Failure,
    job::cursors::UnpackCursor,
    platform::ports::{Deployment, ObjectStore},
};
use uploads::{
    Format, inflate,
    split::{self, Split, Window},
};

use super::{
    compressed,
    range::{Range, most_documents},
};

/// Reads the range at the cursor, and more of it until it holds a whole document or as much as any may have.
/// `None` if the upload is not there. Reading twice is harmless.
pub async fn read<P: ObjectStore + Deployment>(
    ports: &P,
    key: &str,
    format: &Format,
    cursor: &UnpackCursor,
) -> Result<Option<Range>, Failure> {
    if cursor.inflating.is_some() {
        return compressed::read(ports, key, format, cursor, &[]).await;
    }
    let least = ports.plan().units().range_bytes;
    let mut length = least;
    loop {
        let end = (cursor.offset + length).min(cursor.bytes);
        let bytes = if cursor.offset < end {
            let Some(object) = ports.get(key, Some((cursor.offset, end))).await? else { return Ok(None) };
            object.bytes
        } else {
            Vec::new()
        };
        if cursor.may_be_compressed && cursor.offset == 0 && bytes.starts_with(&inflate::MAGIC) {
            return compressed::read(ports, key, format, cursor, &bytes).await;
        }
        let is_longest = length >= constants::WRITTEN_DOCUMENT_BYTES;
        let window = Window { bytes: &bytes, is_last: end == cursor.bytes, is_longest };
        let mut inside = cursor.inside.clone();
        let found = if cursor.offset > cursor.bytes {
            Split::broken(0, "the upload ends inside of a file that is too long", Vec::new())
        } else {
            split::split(format, &mut inside, window, most_documents(length > least))
        };
        if !found.wants_more() {
            return Ok(Some(Range {
                cursor: cursor.clone(),
                inside,
                bytes,
                found,
                known: cursor.bytes,
                inflating: None,
            }));
        }
        if window.is_last || is_longest {
            return Err(Failure::bug("a range that holds nothing, and no more to look at"));
        }
        length = found.longer(length, constants::WRITTEN_DOCUMENT_BYTES);
    }
}
