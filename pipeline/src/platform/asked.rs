//! How often one invocation has asked the platform, against how often its plan lets one ask.
//!
//! Production refuses what is beyond; so do the ports in memory and a strict deployment on one machine.
//! Whoever loops asks what is left before the next round, and leaves the rest to another invocation.

use serde::Serialize;

use crate::{failure::Failure, plan::Plan, platform::statement::Statement};

/// D1 queries at the end of an invocation: its usage row, what it spent, and its reservation.
pub const QUERIES_TO_RECORD: u64 = 3;

/// Requests of one invocation so far, those that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Statements sent to D1.
    pub d1_queries: u64,
    /// Requests to Cloudflare's services, D1's among them.
    pub subrequests: u64,
    /// Requests to servers of others.
    pub outside: u64,
    /// Whose limits hold.
    #[serde(skip)]
    plan: Plan,
}

impl Asked {
    /// Begins with nothing asked so far, on this plan.
    pub fn on(plan: Plan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// Returns true if nothing was asked so far.
    pub const fn is_nothing(&self) -> bool {
        self.subrequests == 0 && self.outside == 0
    }

    /// Counts a transaction that goes to D1 in one request, and looks at the size of each of its statements.
    ///
    /// # Errors
    /// As of [`count_queries`](Self::count_queries), or D1 does not take a statement of this size.
    pub fn count_transaction(&mut self, statements: &[Statement]) -> Result<(), Failure> {
        self.count_queries(statements.len())?;
        statements.iter().try_for_each(Statement::check_size)
    }

    /// Counts statements that go to D1 in one request.
    ///
    /// # Errors
    /// They are more than an invocation may send: whoever sends them did not look what is left.
    pub fn count_queries(&mut self, statements: usize) -> Result<(), Failure> {
        self.d1_queries += statements as u64;
        self.count_subrequest()?;
        if self.d1_queries > self.plan.d1_queries() {
            return Err(Failure::bug("D1: D1_ERROR: Too many API requests by single worker invocation."));
        }
        Ok(())
    }

    /// Counts a request to one of Cloudflare's services.
    ///
    /// # Errors
    /// It is one more than an invocation may send.
    pub fn count_subrequest(&mut self) -> Result<(), Failure> {
        self.subrequests += 1;
        refuse_beyond(self.subrequests, self.plan.subrequests())
    }

    /// Counts a request to a server of others.
    ///
    /// # Errors
    /// It is one more than an invocation may send.
    pub fn count_outside(&mut self) -> Result<(), Failure> {
        self.outside += 1;
        refuse_beyond(self.outside, self.plan.outside())
    }

    /// Returns how many D1 queries the invocation may still send, those aside that end it.
    pub const fn queries_left(&self) -> u64 {
        (self.plan.d1_queries() - QUERIES_TO_RECORD).saturating_sub(self.d1_queries)
    }

    /// Returns how many requests to Cloudflare's services the invocation may still send.
    pub const fn subrequests_left(&self) -> u64 {
        self.plan.subrequests().saturating_sub(self.subrequests)
    }
}

fn refuse_beyond(asked: u64, most: u64) -> Result<(), Failure> {
    if asked > most {
        return Err(Failure::transient("Too many subrequests by single Worker invocation."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{constants, failure::FailureKind};

    #[test]
    fn a_statement_as_large_as_d1_takes_it_is_admitted_and_no_larger_one() {
        let admit = |statement: Statement| Asked::default().count_transaction(&[Statement::new("SELECT 1"), statement]);
        let with_text = |bytes| Statement::new("SELECT ?1").bind("x".repeat(bytes));
        let with_values = |count| (0..count).fold(Statement::new("SELECT 1"), |statement, _| statement.bind(1i64));
        let of_length = |bytes| Statement::new("x".repeat(bytes).leak());
        assert_eq!(admit(with_text(constants::D1_VALUE_BYTES)), Ok(()));
        assert_eq!(admit(with_values(constants::D1_PARAMETERS)), Ok(()));
        assert_eq!(admit(of_length(constants::D1_STATEMENT_BYTES)), Ok(()));
        for (larger, words) in [
            (with_text(constants::D1_VALUE_BYTES + 1), "string or blob too big"),
            (with_values(constants::D1_PARAMETERS + 1), "too many SQL variables"),
            (of_length(constants::D1_STATEMENT_BYTES + 1), "statement too long"),
        ] {
            let refused = admit(larger).unwrap_err();
            assert!(refused.kind == FailureKind::Bug && refused.why.contains(words), "{refused}");
        }
    }

    #[test]
    fn the_fifty_first_query_is_refused_and_every_statement_of_a_transaction_is_one() {
        let mut asked = Asked::default();
        asked.count_queries(20).unwrap();
        asked.count_queries(27).unwrap();
        assert_eq!(asked.queries_left(), 0, "three are for the usage row");
        asked.count_queries(3).unwrap();
        assert!(asked.count_queries(1).is_err());
    }

    #[test]
    fn the_paid_plan_allows_a_thousand_queries() {
        let mut asked = Asked::on(Plan::Paid);
        asked.count_queries(1_000).unwrap();
        assert!(asked.count_queries(1).is_err());
    }

    #[test]
    fn a_thousand_requests_to_cloudflare_and_fifty_to_others_are_the_most() {
        let mut asked = Asked::default();
        assert!((0..1_000).all(|_| asked.count_subrequest().is_ok()));
        assert_eq!(asked.subrequests_left(), 0);
        assert!(asked.count_subrequest().is_err());
        assert!((0..50).all(|_| asked.count_outside().is_ok()));
        assert!(asked.count_outside().is_err());
    }
}
