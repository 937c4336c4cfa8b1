//! One range of an upload that is compressed: what it unfolds to, from the cursor on.
//!
//! Each message inflates from the last place before its range at which that can begin. Offsets of documents count
//! what the upload unfolds to; only what is read from R2 is counted in compressed bytes.

use pipeline::{
    constants,
    failure::Failure,
    job::cursors::{InflateCursor, Inside, UnpackCursor},
    platform::ports::{Deployment, ObjectStore},
};
use uploads::{
    Format,
    inflate::{Inflater, Progress},
    split::{self, End, Split, Window},
};

use super::range::{Range, most_documents};

/// Bytes that one message reads and inflates at most between its range's begin and end. What cannot be compressed
/// is a little longer compressed, and the block that is read last may go on behind the end.
const MOST: u64 = 2 * constants::WRITTEN_DOCUMENT_BYTES + constants::COMPRESSED_BLOCK_BYTES;

/// A compressed upload that is being read.
struct Stream<'a, P> {
    ports: &'a P,
    key: &'a str,
    bytes: u64,
    inflater: Inflater,
    /// How much is read next.
    piece: u64,
}

/// Inflates the range at the cursor, and more until it holds a whole document or as much as any may have; `begin`
/// was read already. `None` if the upload is not there. Reading twice is harmless.
pub(super) async fn read<P: ObjectStore + Deployment>(
    ports: &P,
    key: &str,
    format: &Format,
    cursor: &UnpackCursor,
    begin: &[u8],
) -> Result<Option<Range>, Failure> {
    let from = cursor.inflating.clone().unwrap_or_default();
    let mut inflater = Inflater::at(&from).map_err(|why| Failure::bug(format!("where inflating goes on: {why}")))?;
    inflater.give(begin);
    let mut stream = Stream { ports, key, bytes: cursor.bytes, inflater, piece: constants::COMPRESSED_READ_BYTES.0 };
    let Some(mut progress) = stream.come_to(cursor.offset).await? else { return Ok(None) };
    let least = ports.plan().units().range_bytes;
    let mut length = least;
    // What stands before the range, back to where a block begins, is not the range's.
    let most = stream.inflater.work() + MOST;
    loop {
        if progress == Progress::Reached {
            let Some(more) = stream.inflate(cursor.offset.saturating_add(length), most).await? else { return Ok(None) };
            progress = more;
        }
        if progress == Progress::Hungry {
            return Ok(Some(on_the_way(cursor, &from, &stream.inflater)));
        }
        let is_longest = length >= constants::WRITTEN_DOCUMENT_BYTES;
        let mut inside = cursor.inside.clone();
        let look = Look { format, offset: cursor.offset, is_longest, most: most_documents(length > least) };
        let found = look.through(&stream.inflater, &progress, &mut inside);
        if found.wants_more() && is_longest {
            return Err(Failure::bug("a range that holds nothing, and no more to look at"));
        }
        if !found.wants_more() {
            return Ok(Some(range(cursor, inside, found, &stream.inflater)));
        }
        length = found.longer(length, constants::WRITTEN_DOCUMENT_BYTES);
    }
}

/// What was found, and where the next message goes on.
fn range(cursor: &UnpackCursor, inside: Inside, found: Split, inflater: &Inflater) -> Range {
    Range {
        cursor: cursor.clone(),
        inside,
        bytes: inflater.from(cursor.offset).to_vec(),
        known: inflater.end(),
        inflating: Some(inflater.cursor_before(cursor.offset.saturating_add(found.next))),
        found,
    }
}

/// Nothing was found so far: the next message goes on from where this one came to, if it came anywhere.
fn on_the_way(cursor: &UnpackCursor, from: &InflateCursor, inflater: &Inflater) -> Range {
    let end = if inflater.cursor_before(cursor.offset) == *from {
        End::Broken("too little stands in too many of its blocks".to_owned())
    } else {
        End::More
    };
    range(cursor, cursor.inside.clone(), Split::ending(0, end, Vec::new()), inflater)
}

/// How what is inflated is looked through.
struct Look<'a> {
    format: &'a Format,
    offset: u64,
    is_longest: bool,
    most: usize,
}

impl Look<'_> {
    /// Finds the whole documents of it.
    fn through(&self, inflater: &Inflater, progress: &Progress, inside: &mut Inside) -> Split {
        let is_last = *progress == Progress::Ended;
        if is_last && self.offset > inflater.end() {
            return Split::broken(0, "the upload ends inside of a file that is too long", Vec::new());
        }
        let window = Window { bytes: inflater.from(self.offset), is_last, is_longest: self.is_longest };
        let found = split::split(self.format, inside, window, self.most);
        match progress {
            // What is whole stays. What was found last may be what is damaged, but nothing says where damage begins.
            Progress::Broken(why) if found.wants_more() || found.end == End::Done => {
                Split { end: End::Broken(why.clone()), ..found }
            }
            _ => found,
        }
    }
}

impl<P: ObjectStore> Stream<'_, P> {
    /// Inflates what stands before a range, as much of it as a message may.
    async fn come_to(&mut self, offset: u64) -> Result<Option<Progress>, Failure> {
        let mut progress = Progress::Reached;
        while progress == Progress::Reached && self.inflater.end() < offset {
            let next = (self.inflater.end() + constants::RANGE_BYTES).min(offset);
            let Some(more) = self.inflate(next, constants::INFLATED_PER_MESSAGE).await? else { return Ok(None) };
            progress = if self.is_spent(constants::INFLATED_PER_MESSAGE) && more == Progress::Reached {
                Progress::Hungry
            } else {
                more
            };
        }
        Ok(Some(progress))
    }

    /// Inflates until so many bytes are there. Hungry is who has worked for more than `most` before it came there;
    /// `None`, if the upload is not there.
    async fn inflate(&mut self, until: u64, most: u64) -> Result<Option<Progress>, Failure> {
        const LIMIT: u64 = constants::INFLATED_BYTES as u64;
        loop {
            let at = self.inflater.wants();
            let progress = self.inflater.inflate(until.min(LIMIT + 1), at >= self.bytes, most);
            if self.inflater.end() > LIMIT {
                let why = format!("it unfolds to more than {LIMIT} bytes; send the others in another upload");
                return Ok(Some(Progress::Broken(why)));
            }
            if progress != Progress::Hungry || self.is_spent(most) {
                return Ok(Some(progress));
            }
            let end = (at + self.piece).min(self.bytes);
            let Some(object) = self.ports.get(self.key, Some((at, end))).await? else { return Ok(None) };
            if object.bytes.is_empty() {
                return Err(Failure::bug(format!("nothing stands at byte {at} of an upload of {}", self.bytes)));
            }
            self.inflater.give(&object.bytes);
            self.piece = (2 * self.piece).min(constants::COMPRESSED_READ_BYTES.1);
        }
    }

    /// True if a message has done so much that another should go on, which can.
    fn is_spent(&self, most: u64) -> bool {
        self.inflater.work() > most && self.inflater.has_moved_on()
    }
}
