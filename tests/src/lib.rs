//! What the tests share: the whole product over ports in memory, and checks of what is stored.

pub mod agent;
pub mod compatibility;
pub mod corpus;
pub mod described;
pub mod freeplan;
pub mod memories;
pub mod rig;
pub mod scripted_model;
pub mod simulation;
pub mod socket;
pub mod stored;
pub mod unspaced;

use std::{cell::Cell, panic, sync::Once};

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does what may well panic and is caught: no panic of this thread is shown meanwhile.
pub fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !IS_QUIET.get() {
                loud(panicked);
            }
        }));
    });
    let was_quiet = IS_QUIET.replace(true);
    let result = work();
    IS_QUIET.set(was_quiet);
    result
}

/// Says a measured figure where a test runner does not swallow it: it is part of the result.
pub fn report(figure: &str) {
    use std::io::Write as _;
    // A closed stderr has nobody to tell.
    let _ = writeln!(std::io::stderr(), "    {figure}");
}
