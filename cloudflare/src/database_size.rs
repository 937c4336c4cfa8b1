//! How large the database is, as D1 last said to this isolate: every answer of D1 names it.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Notes what an answer said.
pub(crate) fn note(bytes: u64) {
    BYTES.set(bytes);
}

/// Bytes of the database; 0 while D1 has not answered yet.
pub(crate) fn last() -> u64 {
    BYTES.get()
}
