//! Messages as earlier versions wrote them: read for ever. Lines are only ever added.

use pipeline::{
    ids::ItemId,
    job::message::{Decoded, Message, Stage},
};

#[test]
fn every_message_ever_written_is_read() {
    let lines = include_str!("../../golden/message_v1.jsonl").lines();
    let expected = [(Stage::Chunk, 1), (Stage::Embed, 549_755_813_888), (Stage::Upsert, 3), (Stage::Purge, 4)];
    assert_eq!(lines.clone().count(), expected.len());
    for (line, (stage, item)) in lines.zip(expected) {
        let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
        assert_eq!((message.stage, message.item), (stage, ItemId(item)));
    }
}

#[test]
fn version_two_adds_the_chat_stage() {
    let line = include_str!("../../golden/message_v2.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Chat, ItemId(7)));
}

#[test]
fn version_three_adds_the_archive_stage() {
    let line = include_str!("../../golden/message_v3.jsonl").trim();
    let Decoded::Known(message) = Message::decode(line) else { panic!("{line} is not read") };
    assert_eq!((message.stage, message.item), (Stage::Archive, ItemId(9)));
}

#[test]
fn what_is_written_now_is_what_was_written_then() {
    let goldens = [
        include_str!("../../golden/message_v1.jsonl"),
        include_str!("../../golden/message_v2.jsonl"),
        include_str!("../../golden/message_v3.jsonl"),
    ];
    for golden in goldens {
        let first = golden.lines().next().unwrap();
        let Decoded::Known(message) = Message::decode(first) else { panic!("{first} is not read") };
        assert_eq!(message.encode(), first);
    }
}
