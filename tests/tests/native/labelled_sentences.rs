//! Sentences as language models write them, held against the texts that they were given; labelled by hand
//! (`tests/answers/checked.jsonl`).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests; the measured shares are printed")]

use std::collections::BTreeMap;

use consumers::chat::{
    check::{self, evidence::Evidence},
    sources,
};
use pipeline::{
    chat::turn::Support,
    ids::{ChunkRow, DocumentId},
};
use retrieval::{FoundChunk, Hit};
use serde::Deserialize;

#[derive(Deserialize)]
struct Labelled {
    id: String,
    sources: Vec<String>,
    question: String,
    sentence: String,
    supported: bool,
    why: String,
}

fn hit(text: &str) -> Hit {
    let chunk = FoundChunk {
        id: ChunkRow(0),
        document_id: DocumentId::parse("doc_000000000000000000000001").unwrap(),
        external_id: None,
        title: Some("a text".to_owned()),
        kind: "doc".to_owned(),
        chunk_index: 0,
        start: 0,
        end: 1,
        start_line: Some(1),
        end_line: Some(1),
        text: text.to_owned(),
        hit_at: None,
        evicted_at: None,
    };
    Hit { chunk, score: 1.0, similarity: Some(0.9), found_by: vec!["vector"] }
}

/// What is let through is what a reader would believe: that counts more than what is marked without need.
#[test]
fn labelled_sentences_are_supported_by_their_sources_or_not() {
    let labelled: Vec<Labelled> =
        include_str!("../../answers/checked.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(labelled.len() >= 150, "{}", labelled.len());
    let mut by_reason: BTreeMap<(bool, &str), (usize, usize)> = BTreeMap::new();
    for case in &labelled {
        let found = sources::relevant(&case.question, case.sources.iter().map(|text| hit(text)).collect());
        let evidence = Evidence::new(&found, &[], std::iter::once(case.question.as_str()));
        let checked = check::check(&case.sentence, &evidence);
        let is_supported = checked.sentences.iter().all(|sentence| sentence.support != Support::Unsupported)
            && checked.sentences.iter().any(|sentence| sentence.support == Support::Supported);
        let (right, all) = by_reason.entry((case.supported, case.why.as_str())).or_default();
        *all += 1;
        *right += usize::from(is_supported == case.supported);
        // The rules were developed on all of them: whoever goes on should add cases that nobody has seen.
        if is_supported != case.supported {
            println!("{} {} {}: {} {:?}", case.id, case.supported, case.why, case.sentence, checked.sentences);
        }
    }
    let count = |supported: bool| {
        let of = by_reason.iter().filter(|((label, _), _)| *label == supported);
        of.fold((0, 0), |(right, all), (_, (more, of))| (right + more, all + of))
    };
    println!("{by_reason:?}");
    let ((kept, supported), (caught, invented)) = (count(true), count(false));
    println!("supported: {kept} of {supported} pass; invented: {caught} of {invented} are caught");
    // Somewhat less than was measured: 66 of 81 and 46 of 80. Of what is kept in other words meaning decides, which no
    // port in memory knows.
    assert!(caught * 100 >= invented * 78 && kept * 100 >= supported * 55, "{by_reason:?}");
    for kind in ["invented command", "invented name", "wrong path"] {
        let (right, all) = by_reason[&(false, kind)];
        assert_eq!(right, all, "{kind}");
    }
}
