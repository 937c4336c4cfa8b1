//! How long this crate and tiktoken-rs take to count the tokens of files, side by side in one run:
//! `cargo run --release -p tokenizer --example speed -- README.md …`

use std::{env, error::Error, fs, hint::black_box, time::Instant};

use tiktoken_rs::cl100k_base_singleton;

/// Odd, so that there is a median.
const TIMES: usize = 51;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<40} {:>8} {:>8} {:>14} {:>14}",
        "ms per 100 KB, median", "bytes", "tokens", "tiktoken-rs", "tokenizer"
    );
    let mut paths: Vec<String> = env::args().skip(1).collect();
    if paths.is_empty() {
        paths = ["README.md", "ARCHITECTURE.md", "Cargo.lock"].map(str::to_owned).to_vec();
    }
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let theirs = milliseconds(&text, || cl100k_base_singleton().encode_ordinary(&text).len());
        let ours = milliseconds(&text, || tokenizer::count(&text));
        let tokens = tokenizer::count(&text);
        println!("{path:<40} {:>8} {tokens:>8} {theirs:>14.2} {ours:>14.2}", text.len());
    }
    Ok(())
}

/// The median time of counting, as if the text had 100 KB.
#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
fn milliseconds(text: &str, count: impl Fn() -> usize) -> f64 {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let started = Instant::now();
            black_box(count());
            started.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(TIMES / 2).copied().unwrap_or(0.0) * 102_400.0 / text.len().max(1) as f64
}
