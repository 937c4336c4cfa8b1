//! A Worker that is too large is not deployed: `local/setup/size.sh`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use local_dev::product::root;

/// What the script says of a Worker of this wasm and this JavaScript.
fn measured(name: &str, wasm: &[u8], script: &[u8], most: &[&str]) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("size").join(name);
    fs::create_dir_all(&folder).unwrap();
    let (wasm_file, script_file) = (folder.join("bindings_bg.wasm"), folder.join("index.js"));
    fs::write(&wasm_file, wasm).unwrap();
    fs::write(&script_file, script).unwrap();
    let script = root().join("local/setup/size.sh");
    Command::new("bash").arg(script).arg("a Worker").arg(wasm_file).arg(script_file).args(most).output().unwrap()
}

/// Bytes that nothing makes shorter.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_worker_has_at_most_4_mb_of_wasm() {
    let allowed = measured("allowed", &vec![0; 4_000_000], b"", &[]);
    let said = String::from_utf8_lossy(&allowed.stderr).into_owned();
    assert!(allowed.status.success() && said.contains("4000000 bytes of wasm, of 4000000"), "{said}");
    assert!(!measured("larger", &vec![0; 4_000_001], b"", &[]).status.success());
}

#[test]
fn one_that_was_built_in_a_hurry_may_be_as_large_as_is_said() {
    assert!(measured("hurried", &vec![0; 5_000_000], b"", &["5000000"]).status.success());
    assert!(!measured("outgrown", &vec![0; 5_000_001], b"", &["5000000"]).status.success());
}

#[test]
fn a_worker_has_at_most_3_mb_compressed_its_script_with_it() {
    assert!(measured("compressed", &noise(2_800_000), &noise(100_000), &[]).status.success());
    assert!(!measured("with-script", &noise(2_800_000), &noise(300_000), &[]).status.success());
}
