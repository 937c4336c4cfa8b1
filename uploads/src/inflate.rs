//! Inflates a gzip stream slice by slice: each goes on where another noted that it can.
//!
//! A stream can be entered between two of its blocks by who knows the 32 KB before and the bits that the block
//! before left over of its last byte. An [`Inflater`] notes where blocks begin while it inflates; the last such place
//! before what is wanted next is where the next slice begins. So no more than one block is inflated twice.

mod header;

use crc32fast::Hasher;
use data_encoding::BASE64;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        BlockBoundaryState, DecompressorOxide, decompress,
        inflate_flags::{
            TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        },
    },
};
use pipeline::{
    constants,
    job::cursors::{InflateCursor, MemberCursor},
};

pub use self::header::MAGIC;
use self::header::header_length;

/// How far back a stream refers.
const WINDOW: usize = 32 * 1024;
/// More than a header with a file's name and attributes takes.
const HEADER_BYTES: usize = 128 * 1024;
/// Blocks that are shorter than this are noted together.
const SPACING: usize = 4 * 1024;

/// What beginning a member costs, in bytes that are read or made in the same time: 20 µs, most of them for the tables
/// of its codes. Who sends a hundred thousand empty ones sends a megabyte.
const WORK_OF_MEMBER: u64 = 8 * 1024;
/// The same for a block: an empty one takes 4 µs.
const WORK_OF_BLOCK: u64 = 1024;

/// What is read at once takes no longer than this: 4 ms.
const WORK_AT_ONCE: u64 = 4 * constants::READ_AT_ONCE_BYTES as u64;

/// How far inflating came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All that was asked for is inflated; more may follow.
    Reached,
    /// It needs more of the stream.
    Hungry,
    /// The stream has ended, and its checksums are right.
    Ended,
    /// It cannot be inflated on, and why.
    Broken(String),
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Header,
    Blocks,
    Trailer,
    End,
}

/// Where a slice can begin.
#[derive(Clone, Debug)]
struct Mark {
    compressed: u64,
    /// Bytes of the output before it.
    output: usize,
    member: Option<MemberCursor>,
}

/// A slice of a stream that is being inflated.
pub struct Inflater {
    /// What it was given and has not used up, but for the first `used`.
    input: Vec<u8>,
    used: usize,
    /// Where the input begins in the stream.
    input_at: u64,
    /// What was inflated before, as far as it is referred to, and `filled - window` bytes of what follows.
    output: Vec<u8>,
    filled: usize,
    /// Where the output begins in what the stream unfolds to.
    output_at: u64,
    part: Part,
    state: Box<DecompressorOxide>,
    /// Of the member, as far as the first `counted` bytes of the output.
    checksum: Hasher,
    counted: usize,
    member_bytes: u32,
    /// Where blocks begin, this slice's own begin first.
    marks: Vec<Mark>,
    /// What its members and blocks cost by themselves, whatever they hold.
    begun: u64,
}

impl Inflater {
    /// Goes on where another slice ended.
    ///
    /// # Errors
    /// The cursor is none.
    pub fn at(cursor: &InflateCursor) -> Result<Self, String> {
        let output = BASE64.decode(cursor.window.as_bytes()).map_err(|error| error.to_string())?;
        let filled = output.len();
        let member = cursor.member.unwrap_or_default();
        Ok(Self {
            input: Vec::new(),
            used: 0,
            input_at: cursor.compressed,
            output,
            filled,
            output_at: cursor.inflated.saturating_sub(filled as u64),
            part: if cursor.member.is_some() { Part::Blocks } else { Part::Header },
            state: between_blocks(member),
            checksum: Hasher::new_with_initial(member.checksum),
            counted: filled,
            member_bytes: member.bytes,
            marks: vec![Mark { compressed: cursor.compressed, output: filled, member: cursor.member }],
            begun: 0,
        })
    }

    /// Takes more of the stream.
    pub fn give(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.input_at += self.used as u64;
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Byte of the stream at which what it is given next stands.
    pub fn wants(&self) -> u64 {
        self.input_at + self.input.len() as u64
    }

    /// Bytes that the stream has unfolded to so far.
    pub fn end(&self) -> u64 {
        self.output_at + self.filled as u64
    }

    /// What this slice took so far: bytes that it read, bytes that it made of them, and what its members and blocks
    /// cost beside, in bytes that take as long.
    pub fn work(&self) -> u64 {
        let begin = self.marks.first();
        let read = self.position().saturating_sub(begin.map_or(0, |mark| mark.compressed));
        read + (self.filled - begin.map_or(0, |mark| mark.output)) as u64 + self.begun
    }

    /// True once a slice can begin behind the begin of this one.
    pub fn has_moved_on(&self) -> bool {
        self.marks.len() > 1
    }

    /// What was inflated from this byte on.
    pub fn from(&self, offset: u64) -> &[u8] {
        let begin = usize::try_from(offset.saturating_sub(self.output_at)).unwrap_or(usize::MAX);
        self.output.get(begin..self.filled).unwrap_or_default()
    }

    /// The last place at or before this byte at which another slice can begin.
    pub fn cursor_before(&self, offset: u64) -> InflateCursor {
        let is_before = |mark: &&Mark| self.output_at + mark.output as u64 <= offset;
        let Some(mark) = self.marks.iter().rev().find(is_before).or(self.marks.first()) else {
            return InflateCursor::default();
        };
        let window = &self.output[mark.output.saturating_sub(WINDOW)..mark.output];
        InflateCursor {
            compressed: mark.compressed,
            inflated: self.output_at + mark.output as u64,
            member: mark.member,
            window: BASE64.encode(window),
        }
    }

    /// Inflates until so many bytes of the whole are there. `is_all` says that it was given all of the stream. It is
    /// hungry as soon as it has worked for more than `most`, if another slice can go on from there.
    pub fn inflate(&mut self, until: u64, is_all: bool, most: u64) -> Progress {
        loop {
            if self.work() > most && self.has_moved_on() && self.end() < until && self.part != Part::End {
                return Progress::Hungry;
            }
            let stopped = match self.part {
                Part::Header => self.read_header(is_all),
                Part::Blocks => self.read_block(until, is_all),
                Part::Trailer => self.read_trailer(is_all),
                Part::End => Some(Progress::Ended),
            };
            if let Some(progress) = stopped {
                return progress;
            }
        }
    }

    fn position(&self) -> u64 {
        self.input_at + self.used as u64
    }

    fn rest(&self) -> &[u8] {
        self.input.get(self.used..).unwrap_or_default()
    }

    /// Zeros may follow the last member, which fill a tape's last record.
    fn read_header(&mut self, is_all: bool) -> Option<Progress> {
        let rest = self.rest();
        let is_first = self.position() == 0;
        if !is_first && rest.len() < MAGIC.len() && !is_all {
            return Some(Progress::Hungry);
        }
        if !is_first && rest.first().is_none_or(|byte| *byte == 0) {
            self.part = Part::End;
            return None;
        }
        if !is_first && !rest.starts_with(&MAGIC) {
            return Some(Progress::Broken("what follows what is compressed is not; send it by itself".to_owned()));
        }
        match header_length(rest) {
            Err(why) => Some(Progress::Broken(why.to_owned())),
            Ok(None) if is_all => Some(Progress::Broken("it ends inside of its header".to_owned())),
            Ok(None) if rest.len() > HEADER_BYTES => Some(Progress::Broken("its header has no end".to_owned())),
            Ok(None) => Some(Progress::Hungry),
            Ok(Some(length)) => {
                self.used += length;
                self.state = between_blocks(MemberCursor::default());
                self.checksum = Hasher::new();
                self.counted = self.filled;
                self.member_bytes = 0;
                self.part = Part::Blocks;
                self.begun += WORK_OF_MEMBER;
                self.mark(MemberCursor::default());
                None
            }
        }
    }

    fn read_block(&mut self, until: u64, is_all: bool) -> Option<Progress> {
        let wanted = usize::try_from(until.saturating_sub(self.output_at)).unwrap_or(usize::MAX);
        if self.filled >= wanted {
            return Some(Progress::Reached);
        }
        if self.output.len() < wanted {
            self.output.resize(wanted, 0);
        }
        let more = if is_all { 0 } else { TINFL_FLAG_HAS_MORE_INPUT };
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY | more;
        let (input, output) = (&self.input[self.used..], &mut self.output[..wanted]);
        let (status, read, written) = decompress(&mut self.state, input, output, self.filled, flags);
        self.used += read;
        self.filled += written;
        match status {
            TINFLStatus::BlockBoundary => {
                self.mark_block();
                None
            }
            TINFLStatus::Done => {
                self.part = Part::Trailer;
                None
            }
            TINFLStatus::HasMoreOutput => Some(self.unless_too_long(Progress::Reached)),
            TINFLStatus::NeedsMoreInput => Some(self.unless_too_long(Progress::Hungry)),
            TINFLStatus::FailedCannotMakeProgress => Some(Progress::Broken("it ends in its middle".to_owned())),
            _ => Some(Progress::Broken("what is compressed is damaged".to_owned())),
        }
    }

    /// Whoever goes on inside of a block inflates it from its begin, so no block may be too long for that.
    fn unless_too_long(&self, progress: Progress) -> Progress {
        let begin = self.marks.last();
        let inflated = self.filled - begin.map_or(0, |mark| mark.output);
        let compressed = self.position().saturating_sub(begin.map_or(0, |mark| mark.compressed));
        if inflated <= constants::INFLATED_BLOCK_BYTES && compressed <= constants::COMPRESSED_BLOCK_BYTES {
            return progress;
        }
        Progress::Broken(
            "a block of it is longer than gzip makes any; compress it by gzip, or send it plain".to_owned(),
        )
    }

    fn read_trailer(&mut self, is_all: bool) -> Option<Progress> {
        let Some((trailer, _)) = self.rest().split_first_chunk::<8>() else {
            let broken = Progress::Broken("it ends inside of its checksum".to_owned());
            return Some(if is_all { broken } else { Progress::Hungry });
        };
        let announced = u64::from_le_bytes(*trailer);
        self.count();
        let found = u64::from(self.member_bytes) << 32 | u64::from(self.checksum.clone().finalize());
        if announced != found {
            return Some(Progress::Broken("its checksum is wrong: what it holds is damaged".to_owned()));
        }
        self.used += trailer_length();
        self.part = Part::Header;
        None
    }

    /// Adds what was inflated since to the member's checksum.
    fn count(&mut self) {
        let new = &self.output[self.counted..self.filled];
        self.checksum.update(new);
        self.member_bytes = self.member_bytes.wrapping_add(u32::try_from(new.len()).unwrap_or(u32::MAX));
        self.counted = self.filled;
    }

    fn mark_block(&mut self) {
        let Some(BlockBoundaryState { num_bits, bit_buf, .. }) = self.state.block_boundary_state() else { return };
        self.begun += WORK_OF_BLOCK;
        self.count();
        self.mark(MemberCursor {
            bits: num_bits,
            bit_buffer: bit_buf,
            checksum: self.checksum.clone().finalize(),
            bytes: self.member_bytes,
        });
    }

    fn mark(&mut self, member: MemberCursor) {
        if let [.., before, _] = self.marks.as_slice()
            && self.filled - before.output < SPACING
        {
            self.marks.pop();
        }
        self.marks.push(Mark { compressed: self.position(), output: self.filled, member: Some(member) });
    }
}

const fn trailer_length() -> usize {
    size_of::<u64>()
}

fn between_blocks(member: MemberCursor) -> Box<DecompressorOxide> {
    let state =
        BlockBoundaryState { num_bits: member.bits, bit_buf: member.bit_buffer, ..BlockBoundaryState::default() };
    Box::new(DecompressorOxide::from_block_boundary_state(&state))
}

/// All that a stream unfolds to; `None` if it is more than so many bytes, or takes long.
///
/// # Errors
/// It cannot be inflated, and why.
pub fn whole(stream: &[u8], most: usize) -> Result<Option<Vec<u8>>, String> {
    let mut inflater = Inflater::at(&InflateCursor::default())?;
    inflater.give(stream);
    match inflater.inflate(most as u64 + 1, true, WORK_AT_ONCE) {
        Progress::Broken(why) => Err(why),
        Progress::Ended if inflater.end() <= most as u64 => Ok(Some(inflater.from(0).to_vec())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
