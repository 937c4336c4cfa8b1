//! How large the database is, as D1 last said to this isolate with an answer.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Notes what an answer said.
pub(crate) fn note(bytes: u64) {
    BYTES.set(bytes);
}

/// What the last answer said; 0 before the first.
pub(crate) fn known() -> u64 {
    BYTES.get()
}
