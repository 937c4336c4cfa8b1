//! Streams as gzip makes them, damaged ones, and ones that nobody should send.

use std::io::Write as _;

use flate2::{Compression, GzBuilder, write::GzEncoder};
use proptest::prelude::*;

use super::*;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Text whose blocks are as those of source code.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut number = 1_u64;
    while text.len() < bytes {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = writeln!(text, "let value{} = {};", number >> 50, number >> 40);
    }
    text.truncate(bytes);
    text
}

/// Inflates a stream in slices of `slice` bytes, each from a cursor alone, given `piece` bytes at a time.
fn sliced(stream: &[u8], slice: u64, piece: usize) -> (Vec<u8>, Progress, u64) {
    let (mut cursor, mut content, mut most) = (InflateCursor::default(), Vec::new(), 0);
    loop {
        let offset = content.len() as u64;
        let mut inflater = Inflater::at(&cursor).unwrap();
        let progress = loop {
            let from = usize::try_from(inflater.wants()).unwrap();
            match inflater.inflate(offset + slice, from == stream.len(), u64::MAX) {
                Progress::Hungry => inflater.give(&stream[from..(from + piece).min(stream.len())]),
                progress => break progress,
            }
        };
        most = most.max(inflater.work());
        content.extend_from_slice(inflater.from(offset));
        if progress != Progress::Reached {
            return (content, progress, most);
        }
        cursor = inflater.cursor_before(offset + slice);
        assert!(cursor.inflated <= offset + slice && cursor.window.len() <= 44 * 1024);
    }
}

#[test]
fn a_slice_inflates_little_more_than_its_own_bytes() {
    let content = text(3_000_000);
    let (found, progress, most) = sliced(&gzip(&content), 147_456, 65_536);
    assert_eq!(progress, Progress::Ended);
    assert!(found == content, "the content differs");
    assert!(most < 700_000, "{most} bytes read and made in one slice");
}

#[test]
fn members_follow_each_other_and_zeros_the_last() {
    let mut stream = gzip(b"one ");
    stream.extend(
        GzBuilder::new()
            .filename("b.tar")
            .comment("c")
            .extra([1, 2, 3])
            .write(Vec::new(), Compression::best())
            .finish()
            .unwrap(),
    );
    stream.extend(gzip(b"two"));
    let whole_length = stream.len();
    for after in [&b""[..], b"\0", b"\0\0\0\0"] {
        stream.truncate(whole_length);
        stream.extend_from_slice(after);
        assert_eq!(whole(&stream, 100).unwrap().unwrap(), b"one two", "{after:?}");
        assert_eq!(sliced(&stream, 2, 1).0, b"one two", "{after:?}");
    }
    for after in [&b"{\"content\": \"plain\"}\n"[..], b"garbage", b"\x1f"] {
        stream.truncate(whole_length);
        stream.extend_from_slice(after);
        assert!(whole(&stream, 100).is_err(), "{after:?} is passed over");
        assert!(matches!(sliced(&stream, 2, 1).1, Progress::Broken(_)), "{after:?} is passed over");
    }
}

#[test]
fn members_that_hold_nothing_are_work_and_end_a_slice() {
    let stream = [gzip(b"").repeat(100_000), gzip(b"behind")].concat();
    assert_eq!(whole(&stream, 256 * 1024).unwrap(), None, "it is not read at once");
    let most = 1024 * 1024;
    let (mut cursor, mut slices) = (InflateCursor::default(), 0);
    loop {
        let mut inflater = Inflater::at(&cursor).unwrap();
        let from = usize::try_from(cursor.compressed).unwrap();
        inflater.give(&stream[from..]);
        let progress = inflater.inflate(100, true, most);
        assert!(inflater.work() <= most + 2 * WORK_OF_MEMBER, "{} of {most}", inflater.work());
        slices += 1;
        if progress == Progress::Ended {
            assert_eq!(inflater.from(0), b"behind");
            break;
        }
        assert_eq!(progress, Progress::Hungry);
        let next = inflater.cursor_before(0);
        assert!(next.compressed > cursor.compressed, "it goes on");
        cursor = next;
    }
    assert!(slices > 100, "{slices} slices");
}

#[test]
fn what_is_damaged_or_ends_early_says_so() {
    let stream = gzip(&text(20_000));
    let why = |stream: &[u8]| whole(stream, 100_000).unwrap_err();
    assert!(why(&stream[..stream.len() - 3]).contains("checksum"), "{}", why(&stream[..stream.len() - 3]));
    assert!(why(&stream[..stream.len() / 2]).contains("ends in its middle"));
    assert!(why(&stream[..7]).contains("header"));
    assert!(why(b"plain").contains("no gzip"));
    let mut damaged = stream.clone();
    *damaged.iter_mut().nth_back(6).unwrap() ^= 1;
    assert!(why(&damaged).contains("checksum is wrong"));
    let (content, progress, _) = sliced(&damaged, 5_000, 1_000);
    assert_eq!(content.len(), 20_000);
    assert!(matches!(progress, Progress::Broken(_)), "{progress:?}");
}

#[test]
fn what_unfolds_to_more_than_is_wanted_is_not_unfolded() {
    let stream = gzip(&vec![0; 10_000_000]);
    assert_eq!(whole(&stream, 1_000_000).unwrap(), None);
    assert_eq!(whole(&gzip(&[0; 1_000]), 1_000).unwrap().unwrap().len(), 1_000);
    assert_eq!(whole(&gzip(&[0; 1_001]), 1_000).unwrap(), None);
}

#[test]
fn a_block_longer_than_gzip_makes_any_is_refused() {
    // One block with a fixed code: a literal zero, and then, for ever, 258 bytes of what stands before.
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let (mut buffer, mut bits) = (0_u64, 0);
    let mut put = |code: u64, length: u32| {
        buffer |= code << bits;
        bits += length;
        while bits >= 8 {
            stream.push(u8::try_from(buffer & 0xff).unwrap());
            buffer >>= 8;
            bits -= 8;
        }
    };
    put(0b011, 3);
    put(0b0000_1100, 8);
    for _ in 0..100_000 {
        put(0b1010_0011, 8);
        put(0, 5);
    }
    let why = whole(&stream, 100_000_000).unwrap_err();
    assert!(why.contains("ends in its middle"), "{why}");
    let (_, progress, _) = sliced(&stream, 147_456, 65_536);
    assert!(matches!(&progress, Progress::Broken(why) if why.contains("longer than gzip")), "{progress:?}");
}

proptest! {
    #[test]
    fn wherever_slices_end_the_content_is_the_same(
        sizes in prop::collection::vec(0usize..120_000, 1..4), slice in 100_u64..200_000, piece in 50usize..100_000,
    ) {
        let (mut stream, mut content) = (Vec::new(), Vec::new());
        for size in sizes {
            stream.extend(gzip(&text(size)));
            content.extend(text(size));
        }
        let (found, progress, _) = sliced(&stream, slice.max(content.len() as u64 / 200 + 1), piece);
        prop_assert_eq!(progress, Progress::Ended);
        prop_assert!(found == content);
    }
}
