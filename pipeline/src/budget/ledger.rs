//! The ledger: what every invocation used, and neurons before they are spent.
//!
//! 1. [`reserve`] sets neurons aside before an AI call, in one statement that refuses what does not
//!    fit: concurrent workers cannot overspend together.
//! 2. [`record`] ends the invocation: one transaction replaces its reservation by its usage row and
//!    adds the neurons it really spent to the day. With it comes, now and then, a row for all requests that were
//!    refused in the same isolate: none of them is worth a write of its own, but the platform counts them.
//! 3. [`charge_abandoned`] does the same for an invocation that never got that far. Whether its
//!    call was billed nobody knows: it is taken for billed.
//!
//! So the day's neurons are always the sum of its usage rows, and never less than the real spending. What is set
//! aside before midnight and spent after it counts to the new day, while it is set aside and when it is recorded:
//! on which of both the platform counts it nobody knows, and of the old day nothing is left to be saved.

use crate::{
    budget::{allowances::Allowances, purpose::Purpose, usage::Totals},
    constants,
    failure::Failure,
    ids::UserId,
    platform::{
        ports::{Clock, Database, Deployment, Isolate, KeyValue, Meter},
        transaction::Transaction,
    },
    store::usage::{
        budget::{self, NewReservation, UserDay},
        log::{self, NewUsage},
    },
};

/// Sets neurons aside for this invocation, on top of what it has set aside before.
///
/// # Errors
/// [`crate::failure::FailureKind::Exhausted`] if they do not fit the purpose's or the user's share of the day, or what
/// the database fails with; they may then be set aside all the same.
pub async fn reserve<P>(ports: &P, purpose: Purpose, user: &UserId, neurons: f64) -> Result<(), Failure>
where
    P: Database + KeyValue + Deployment + Meter + Clock,
{
    let allowances = Allowances::load(ports).await.allowances;
    let now = ports.now();
    let invocation = ports.invocation();
    let mut transaction = Transaction::default();
    let reserved = transaction.write(budget::reserve(NewReservation {
        invocation: &invocation,
        purpose,
        user,
        neurons,
        most: allowances.neurons,
        most_for_ingest: allowances.ingest_neurons(),
        most_for_user: allowances.user_neurons(),
        now,
    }));
    let day = transaction.query(budget::day_of_user(user, now));
    // Before the answer is known: it may be lost.
    ports.note_reservation();
    let done = transaction.commit(ports).await?;
    if done.changes(reserved) > 0 {
        return Ok(());
    }
    let day = done.first(day)?.unwrap_or_default();
    Err(Failure::exhausted(refusal(purpose, neurons, &day, &allowances)))
}

/// Why neurons were not set aside: the day has not so many left, or its indexing, or the user's share of it.
fn refusal(purpose: Purpose, neurons: f64, of_user: &UserDay, allowances: &Allowances) -> String {
    let UserDay { day, neurons_of_user } = of_user;
    let is_ingest = purpose == Purpose::Ingest;
    let (of_day, of_ingest) = (allowances.neurons, allowances.ingest_neurons().min(allowances.neurons));
    if day.neurons + neurons <= of_day && (!is_ingest || day.ingest_neurons + neurons <= of_ingest) {
        let most = allowances.user_neurons();
        return format!(
            "your share of today's neurons is spent: {neurons_of_user:.0} of {most:.0}, and this needs {neurons:.1}; \
             it is new at 00:00 UTC"
        );
    }
    if is_ingest {
        let used = day.ingest_neurons;
        return format!(
            "today's neurons for indexing are spent: {used:.0} of {of_ingest:.0}, and this needs {neurons:.1}"
        );
    }
    format!("today's neurons are spent: {:.0} of {of_day:.0}, and this needs {neurons:.1}", day.neurons)
}

/// Whose invocation it was, and what it did.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The tenant, once known.
    pub user: Option<&'a UserId>,
    /// The API key, if there was one.
    pub key: Option<&'a str>,
    /// Route or stage.
    pub source: &'a str,
    /// What its neurons were for.
    pub purpose: Purpose,
}

/// Writes the invocation's usage row, in which it is contained itself, and gives its reservation up.
///
/// # Errors
/// What the database fails with. Not to be repeated: the row is keyed by the time as well, so that a row whose
/// answer was lost would be written again, and its neurons counted twice.
pub async fn record<P: Database + Meter + Isolate + Clock>(ports: &P, entry: Entry<'_>) -> Result<(), Failure> {
    let now = ports.now();
    let mut usage = ports.usage();
    let neurons = usage.neurons;
    let has_queries_left = ports.asked().queries_left() > 0;
    let unrecorded = ports.with_memory(|memory| if has_queries_left { memory.take_unrecorded(now) } else { None });
    usage.d1_rows_written +=
        1 + u64::from(neurons > 0.0) + u64::from(ports.has_reserved()) + u64::from(unrecorded.is_some());
    if let Some(user) = entry.user {
        ports.with_memory(|memory| memory.note_done(user, usage));
    }
    let invocation = ports.invocation();
    let mut transaction = Transaction::default();
    if neurons > 0.0 {
        // First: it looks whether the usage row is there already.
        transaction.write(budget::spend(&invocation, entry.purpose, neurons, now));
    }
    if ports.has_reserved() {
        transaction.write(budget::release(&invocation));
    }
    transaction.write(log::insert(NewUsage {
        at: now,
        invocation: &invocation,
        user: entry.user,
        key: entry.key,
        source: entry.source,
        requests: 1,
        usage,
    }));
    if let Some(Totals { invocations, usage }) = unrecorded {
        let invocation = format!("{invocation}-{REFUSED}");
        let refused = NewUsage {
            at: now,
            invocation: &invocation,
            user: None,
            key: None,
            source: REFUSED,
            requests: invocations,
            usage,
        };
        transaction.write(log::insert(refused));
    }
    let done = transaction.commit(ports).await.map(drop);
    if let (Err(_), Some(totals)) = (&done, unrecorded) {
        // Should they be written and the answer lost, they count twice: better than not at all.
        ports.with_memory(|memory| memory.put_back_unrecorded(totals, now));
    }
    done
}

/// The source of rows that stand for requests that were refused.
const REFUSED: &str = "refused";

/// Takes reservations for spent whose invocations cannot be alive any more, on the day of its discovery: the
/// hour of the call may be summed up already. One transaction, however many they are; two at once find them once.
///
/// # Errors
/// What the database fails with; it may be repeated.
pub async fn charge_abandoned<P: Database + Clock>(ports: &P) -> Result<(), Failure> {
    let now = ports.now();
    let before = now.plus(-constants::MAX_WRITER_LIFE);
    let mut transaction = Transaction::default();
    transaction.write(budget::spend_abandoned(before, now));
    transaction.write(log::insert_abandoned(before, now));
    transaction.write(budget::release_abandoned(before));
    transaction.commit(ports).await.map(drop)
}
