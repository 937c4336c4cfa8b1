// The data of ICU's crates, of which this folder leaves two parts out: `ICU4X_DATA_DIR` in .cargo/config.toml names it,
// and each of them includes this file in place of its own.
include!(concat!(env!("ICU4X_DATA_DIR"), "/", env!("CARGO_PKG_NAME"), ".rs"));
