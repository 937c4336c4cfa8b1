//! Which operations of a history are done, and under which faults.

use pipeline::time::Span;
use test_platform::Service;

use super::draw::Draw;

/// Operations of one history.
pub(super) const OPERATIONS: usize = 120;

/// What is done of a history, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The operations that are done: their numbers, and the draws they begin with if they are not
    /// simply the next.
    pub(super) operations: Vec<(usize, Option<Draw>)>,
    /// No call fails or kills its worker; some still pause theirs.
    pub(super) is_calm: bool,
    /// A service that is out for a while.
    pub(super) outage: Option<Outage>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { operations: (0..OPERATIONS).map(|number| (number, None)).collect(), is_calm: false, outage: None }
    }
}

/// A service that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Which.
    pub service: Service,
    /// For how long.
    pub span: Span,
}

impl Outage {
    /// The operation with which it begins: work is under way then.
    pub(super) const BEGINS_WITH: usize = OPERATIONS / 4;
}
