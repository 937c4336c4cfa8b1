//! The ledger: what every invocation used, and neurons before they are spent.
//!
//! 1. [`reserve`] sets neurons aside before an AI call, in one statement that refuses what does not
//!    fit: concurrent workers cannot overspend together.
//! 2. [`record`] ends the invocation: one transaction replaces its reservation by its usage row and
//!    adds the neurons it really spent to the day.
//! 3. [`settle_abandoned`] does the same for an invocation that never got that far. Whether its
//!    call was billed nobody knows: it is taken for billed.
//!
//! So the day's neurons are always the sum of its usage rows, and never less than the real spending.

use serde::Deserialize;

use crate::{
    budget::{allowances::Allowances, day::Day, purpose::Purpose, usage::Usage},
    constants,
    failure::Failure,
    ids::UserId,
    platform::{
        ports::{Clock, Database, Deployment, KeyValue, Meter},
        statement::Statement,
    },
    time::Timestamp,
};

/// Sets neurons aside for this invocation, on top of what it has set aside before.
///
/// # Errors
/// [`crate::failure::FailureKind::Exhausted`] if they do not fit the purpose's share of the day.
pub async fn reserve<P>(ports: &P, purpose: Purpose, user: &UserId, neurons: f64) -> Result<(), Failure>
where
    P: Database + KeyValue + Deployment + Meter + Clock,
{
    let allowances = Allowances::load(ports).await.allowances;
    let now = ports.now();
    let reserve = Statement::new(
        "WITH day AS (
             SELECT coalesce((SELECT neurons FROM budget WHERE day = ?2), 0)
                        + (SELECT total(neurons) FROM reservations WHERE day = ?2) AS neurons,
                    coalesce((SELECT ingest_neurons FROM budget WHERE day = ?2), 0)
                        + (SELECT total(neurons) FROM reservations WHERE day = ?2 AND purpose = 'ingest') AS ingest_neurons)
         INSERT INTO reservations (id, day, purpose, user_id, neurons, made_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM day
         WHERE day.neurons + ?5 <= ?7 AND (?3 <> 'ingest' OR day.ingest_neurons + ?5 <= ?8)
         ON CONFLICT (id) DO UPDATE SET neurons = neurons + excluded.neurons",
    )
    .bind(ports.invocation())
    .bind(now.start_of_day())
    .bind(purpose.name())
    .bind(user)
    .bind(neurons)
    .bind(now)
    .bind(allowances.neurons)
    .bind(allowances.ingest_neurons());
    // Before the answer is known: it may be lost.
    ports.note_reservation();
    let answers = ports.batch(vec![reserve, Day::select(now)]).await?;
    if answers.at(0)?.changes > 0 {
        return Ok(());
    }
    let day: Day = answers.at(1)?.first()?.unwrap_or_default();
    Err(Failure::exhausted(match purpose {
        Purpose::Ingest => format!(
            "today's neurons for indexing are spent: {:.0} of {:.0}, and this needs {neurons:.1}",
            day.ingest_neurons,
            allowances.ingest_neurons().min(allowances.neurons)
        ),
        Purpose::Interactive => format!(
            "today's neurons are spent: {:.0} of {:.0}, and this needs {neurons:.1}",
            day.neurons, allowances.neurons
        ),
    }))
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
/// Keyed by the invocation: twice is once.
pub async fn record<P: Database + Meter + Clock>(ports: &P, entry: Entry<'_>) -> Result<(), Failure> {
    let mut usage = ports.usage();
    let neurons = usage.neurons;
    usage.d1_rows_written += 1 + u64::from(neurons > 0.0) + u64::from(ports.has_reserved());
    let now = ports.now();
    let invocation = ports.invocation();
    let mut statements = Vec::new();
    if neurons > 0.0 {
        // First: it looks whether the usage row is there already.
        statements.push(spend(&invocation, entry.purpose, neurons, now));
    }
    if ports.has_reserved() {
        statements.push(Statement::new("DELETE FROM reservations WHERE id = ?1").bind(invocation.as_str()));
    }
    statements.push(usage.row(now, &invocation, entry));
    ports.batch(statements).await.map(drop)
}

fn spend(invocation: &str, purpose: Purpose, neurons: f64, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO budget (day, neurons, ingest_neurons)
         SELECT ?1, ?2, CASE ?3 WHEN 'ingest' THEN ?2 ELSE 0 END
         WHERE NOT EXISTS (SELECT 1 FROM usage_log WHERE at = ?4 AND id = ?5)
         ON CONFLICT (day) DO UPDATE SET neurons = neurons + excluded.neurons,
                                         ingest_neurons = ingest_neurons + excluded.ingest_neurons",
    )
    .bind(now.start_of_day())
    .bind(neurons)
    .bind(purpose.name())
    .bind(now)
    .bind(invocation)
}

/// Takes reservations for spent whose invocations cannot be alive any more. Returns how many.
pub async fn settle_abandoned<P: Database + Clock>(ports: &P) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        purpose: Purpose,
        user_id: Option<UserId>,
        neurons: f64,
    }
    let now = ports.now();
    let query = Statement::new("SELECT id, purpose, user_id, neurons FROM reservations WHERE made_at < ?1")
        .bind(now.plus(-constants::MAX_WRITER_LIFE));
    let rows: Vec<Row> = ports.batch(vec![query]).await?.at(0)?.all()?;
    for row in &rows {
        let usage = Usage { neurons: row.neurons, ..Usage::default() };
        let entry = Entry { user: row.user_id.as_ref(), key: None, source: "abandoned", purpose: row.purpose };
        // On the day of its discovery: the hour of the call may be summed up already.
        let statements = vec![
            spend(&row.id, row.purpose, row.neurons, now),
            usage.row(now, &row.id, entry),
            Statement::new("DELETE FROM reservations WHERE id = ?1").bind(row.id.as_str()),
        ];
        ports.batch(statements).await?;
    }
    Ok(rows.len())
}
