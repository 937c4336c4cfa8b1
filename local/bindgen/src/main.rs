//! Turns a Worker's wasm, as cargo leaves it, into a module that JavaScript can import:
//! `friend-bindgen target/wasm/…/gateway.wasm cloudflare/gateway/build` writes `bindings.js` and `bindings_bg.wasm`.
//!
//! A program of this workspace rather than an installed one: `Cargo.lock` keeps it equal to the `wasm-bindgen` that
//! the Workers are compiled with, and the build compiles the library alone, not a test runner and a downloader too.

use std::{env, error::Error, path::PathBuf};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(wasm), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: friend-bindgen INPUT.wasm OUTPUT_FOLDER".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .out_name("bindings")
        .module(true)?
        .typescript(false)
        // What cloudflare/instance.js needs to go on with a new instance after a trap.
        .reset_state_function(true)
        .force_enable_abort_handler(true);
    Ok(bindgen.generate(folder)?)
}
