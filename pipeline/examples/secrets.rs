//! What the rules find in files, and how long that takes.
//!
//! ```text
//! cargo run --release -p pipeline --example secrets -- FOLDER…
//! ```
//!
//! names file, line and rule of the first secret of each file; `SHOW=1` shows what was found as well.
#![expect(clippy::print_stdout, reason = "a tool")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Of so many runs the fastest counts: others were interrupted.
const RUNS: usize = 7;

#[expect(clippy::cast_precision_loss, reason = "bytes, far below 2^53")]
fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for folder in std::env::args_os().skip(1) {
        collect(Path::new(&folder), &mut files)?;
    }
    let is_shown = std::env::var_os("SHOW").is_some();
    let (mut texts, mut bytes, mut found, mut took) = (0_u64, 0, 0_u64, Duration::ZERO);
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let secret = pipeline::secrets::find_unmarked(&text);
        took += (0..RUNS).map(|_| run(&text)).min().unwrap_or_default();
        texts += 1;
        bytes += text.len();
        let Some(secret) = secret else { continue };
        found += 1;
        let shown = if is_shown { secret.text } else { "" };
        println!("{}:{} {} {shown}", file.display(), secret.line, secret.rule);
    }
    let megabytes = bytes as f64 / 1e6;
    println!("{found} of {texts} texts; {megabytes:.1} MB, {:.0} MB a second", megabytes / took.as_secs_f64());
    println!("{:.3} ms for 256 KB", took.as_secs_f64() * 1e3 * 262_144.0 / bytes as f64);
    Ok(())
}

fn run(text: &str) -> Duration {
    let began = Instant::now();
    std::hint::black_box(pipeline::secrets::find(std::hint::black_box(text)).is_some());
    began.elapsed()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_symlink() {
        return Ok(());
    }
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
