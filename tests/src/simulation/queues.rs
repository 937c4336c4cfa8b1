//! What queues keep back in a history with an outage.

use std::collections::BTreeMap;

use pipeline::{job::message::Message, time::Timestamp};

/// A message that its queue delivers later.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) at: Timestamp,
    pub(super) message: Message,
    pub(super) is_dead: bool,
}

/// What the queues keep back, and how often they have delivered what.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    pub(super) late: Vec<Late>,
    pub(super) deliveries: BTreeMap<String, u32>,
}
