//! A Worker that is too large is not deployed: `local/setup/size.sh`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use local_dev::product::root;

/// A module of so many bytes that holds nothing but these; beside them, if they are told, the names of its functions.
fn module(content: &[u8], names: Option<&[u8]>) -> Vec<u8> {
    let section = |name: &str, content: &[u8]| {
        let length = u32::try_from(1 + name.len() + content.len()).unwrap();
        // A length in five bytes, seven bits each.
        let length =
            (0..5).map(|place| u8::try_from(length >> (7 * place) & 127).unwrap() | if place < 4 { 128 } else { 0 });
        let head: Vec<u8> = std::iter::once(0).chain(length).chain([u8::try_from(name.len()).unwrap()]).collect();
        [head.as_slice(), name.as_bytes(), content].concat()
    };
    let sections = [section("content", content), names.map(|names| section("name", names)).unwrap_or_default()];
    [b"\0asm\x01\0\0\0".as_slice(), &sections.concat()].concat()
}

/// Bytes of a module around its content.
const AROUND: usize = 8 + 6 + 1 + 7;

/// What the script says of a Worker whose wasm holds this, and this JavaScript.
fn measured(name: &str, content: &[u8], script: &[u8], most: &[&str]) -> Output {
    measured_module(name, &module(content, None), script, most)
}

fn measured_module(name: &str, wasm: &[u8], script: &[u8], most: &[&str]) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("size").join(name);
    fs::create_dir_all(&folder).unwrap();
    let (wasm_file, script_file) = (folder.join("bindings_bg.wasm"), folder.join("index.js"));
    fs::write(&wasm_file, wasm).unwrap();
    fs::write(&script_file, script).unwrap();
    let script = root().join("local/setup/size.sh");
    let mut command = Command::new("bash");
    command.current_dir(root()).arg(script).arg("a Worker").arg(wasm_file).arg(script_file).args(most);
    command.output().unwrap()
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
    let allowed = measured("allowed", &vec![0; 4_000_000 - AROUND], b"", &[]);
    let said = String::from_utf8_lossy(&allowed.stderr).into_owned();
    assert!(allowed.status.success() && said.contains("4000000 bytes of wasm, of 4000000"), "{said}");
    assert!(!measured("larger", &vec![0; 4_000_001 - AROUND], b"", &[]).status.success());
}

#[test]
fn one_that_was_built_in_a_hurry_may_be_as_large_as_is_said() {
    assert!(measured("hurried", &vec![0; 5_000_000 - AROUND], b"", &["5000000"]).status.success());
    assert!(!measured("outgrown", &vec![0; 5_000_001 - AROUND], b"", &["5000000"]).status.success());
}

#[test]
fn a_worker_has_at_most_3_mb_compressed_its_script_with_it() {
    assert!(measured("compressed", &noise(2_800_000), &noise(100_000), &[]).status.success());
    assert!(!measured("with-script", &noise(2_800_000), &noise(300_000), &[]).status.success());
}

#[test]
fn names_of_functions_are_not_deployed_and_do_not_count() {
    let named = |content: usize| module(&vec![0; content - AROUND], Some(&vec![0; 500_000]));
    let allowed = measured_module("named", &named(3_999_900), b"", &[]);
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    assert!(!measured_module("named-larger", &named(4_000_001), b"", &[]).status.success());
    assert!(!measured_module("no-wasm", &[0; 10], b"", &[]).status.success(), "what cannot be read is not deployed");
}
