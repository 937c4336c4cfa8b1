//! How many of the messages that are delivered together one invocation has D1 queries for.
//!
//! They share the invocation, which has 50 D1 queries for all of them. A stage's message may take
//! most of these, so its queue delivers one at a time. A dead letter takes few, and several come together.

use pipeline::platform::asked::{Asked, QUERIES_TO_RECORD};

/// D1 queries of a dead letter at most, its usage row with it.
pub const QUERIES_OF_DEAD_LETTER: u64 = 8 + QUERIES_TO_RECORD;

/// True while the invocation can take one more message: the first always. The others go back to their queue as
/// they came, which is nobody's failed attempt.
pub fn allows_another_message(asked: Asked) -> bool {
    asked.is_nothing() || asked.queries_left() >= QUERIES_OF_DEAD_LETTER - QUERIES_TO_RECORD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_taken_and_others_while_queries_are_left() {
        let mut asked = Asked::default();
        assert!(allows_another_message(asked));
        asked.count_queries(39).unwrap();
        assert!(allows_another_message(asked));
        asked.count_queries(1).unwrap();
        assert!(!allows_another_message(asked));
    }
}
