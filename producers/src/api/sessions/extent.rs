//! How much of its log a channel keeps, and how much of it is read and sent at once.
//!
//! Both are bounded by events and by bytes: an event may have two hundred bytes or thirty thousand.

use pipeline::constants::{CHANNEL_BYTES, CHANNEL_EVENTS, PAGE_BYTES, PAGE_EVENTS};

/// Which events a log holds. Every event knows how many bytes there are up to its end, counted from the first
/// event there ever was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The number of the last event, kept or not.
    pub last: i64,
    /// Bytes up to the end of the last event.
    pub end: i64,
    /// The number before that of the oldest event that is kept.
    pub before: i64,
    /// Bytes before that event.
    pub start: i64,
}

impl Extent {
    /// With one more event of so many bytes.
    #[must_use]
    pub fn with(self, bytes: usize) -> Self {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        Self { last: self.last + 1, end: self.end.saturating_add(bytes), ..self }
    }

    /// True if something has to go.
    pub const fn is_full(self) -> bool {
        self.last - self.before > CHANNEL_EVENTS || self.end - self.start > CHANNEL_BYTES
    }

    /// True if an event goes when the log is full: a quarter goes at once, so that this is seldom, and the last
    /// stays whatever its size.
    pub const fn goes(self, number: i64, end: i64) -> bool {
        number < self.last && (number <= self.last - CHANNEL_EVENTS / 4 * 3 || end <= self.end - CHANNEL_BYTES / 4 * 3)
    }

    /// Without the events up to this one.
    #[must_use]
    pub const fn without(self, number: i64, end: i64) -> Self {
        Self { before: number, start: end, ..self }
    }
}

/// A run of events that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    events: usize,
    bytes: usize,
}

impl Page {
    /// Takes one more event of so many bytes; false if it has no place any more. The first always has.
    pub const fn takes(&mut self, bytes: usize) -> bool {
        let is_full = self.events > 0 && (self.events >= PAGE_EVENTS || self.bytes.saturating_add(bytes) > PAGE_BYTES);
        if !is_full {
            self.events += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        }
        !is_full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A log as its channel keeps it: ends of events by number. What was kept at most, in bytes and events.
    fn keep(sizes: &[usize]) -> (i64, usize) {
        let mut extent = Extent::default();
        let mut log: Vec<(i64, i64)> = Vec::new();
        let (mut most_bytes, mut most_events) = (0, 0);
        for bytes in sizes {
            extent = extent.with(*bytes);
            log.push((extent.last, extent.end));
            if extent.is_full() {
                let gone = log.iter().take_while(|(number, end)| extent.goes(*number, *end)).count();
                if let Some((number, end)) = log.drain(..gone).next_back() {
                    extent = extent.without(number, end);
                }
            }
            assert_eq!(i64::try_from(log.len()).unwrap(), extent.last - extent.before);
            most_bytes = most_bytes.max(extent.end - extent.start);
            most_events = most_events.max(log.len());
        }
        (most_bytes, most_events)
    }

    #[test]
    fn a_log_is_bounded_by_events_and_by_bytes() {
        let (bytes, events) = keep(&vec![100; 5_000]);
        assert_eq!((bytes, events), (100 * CHANNEL_EVENTS, usize::try_from(CHANNEL_EVENTS).unwrap()));
        let (bytes, events) = keep(&vec![32 * 1024; 2_000]);
        assert!(bytes <= CHANNEL_BYTES && events == 32, "{bytes} {events}");
    }

    #[test]
    fn the_last_event_stays_whatever_its_size() {
        let most = usize::try_from(CHANNEL_BYTES).unwrap();
        assert_eq!(keep(&[10, most + 1]).1, 1);
    }

    #[test]
    fn a_page_ends_by_events_and_by_bytes() {
        let mut page = Page::default();
        assert_eq!((0..1_000).filter(|_| page.takes(10)).count(), PAGE_EVENTS);
        let mut page = Page::default();
        assert_eq!((0..1_000).filter(|_| page.takes(32 * 1024)).count(), 4);
        assert!(Page::default().takes(usize::MAX), "one event is a page, however large");
    }

    proptest! {
        #[test]
        fn whatever_comes_a_log_stays_within_its_bounds(sizes in prop::collection::vec(0usize..40_000, 1..400)) {
            prop_assert!(keep(&sizes).0 <= CHANNEL_BYTES);
        }
    }
}
