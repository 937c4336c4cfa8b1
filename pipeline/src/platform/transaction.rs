//! Revisions that must disappear, and the retire item that makes them.
//!
//! Whatever makes garbage (a publish, a delete, a cancel) writes it in its own transaction: first
//! an `INSERT INTO garbage` whose `retire_item` is `(SELECT value + 1 FROM counters WHERE name =
//! 'item')`, then the statements of [`schedule`]. Without garbage they change nothing.

use serde::Deserialize;

use crate::{
    failure::Failure,
    ids::{ItemId, JobId, UserId},
    job::message::{Message, Stage},
    platform::statement::{Answers, Statement},
    time::Timestamp,
};

/// A transaction that may make garbage: its statements, and which one tells the retire item.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The statements, in order.
    pub statements: Vec<Statement>,
    retire: Option<usize>,
}

impl From<Vec<Statement>> for Work {
    fn from(statements: Vec<Statement>) -> Self {
        Self { statements, retire: None }
    }
}

/// What the garbage of a transaction is worked off as.
#[derive(Clone, Copy, Debug)]
pub struct RetireJob<'a> {
    /// The id of the job it becomes.
    pub job: &'a JobId,
    /// Whose garbage it is.
    pub user: &'a UserId,
    /// `delete` when its owner asked for it and wants a receipt, else `retire`.
    pub kind: &'a str,
    /// Not before this.
    pub due: Timestamp,
    /// Now.
    pub now: Timestamp,
}

impl Work {
    /// Turns garbage that earlier statements insert into one retire item.
    pub fn schedule_retirement(&mut self, retire: RetireJob<'_>) {
        let RetireJob { job, user, kind, due, now } = retire;
        self.statements.push(
            Statement::new(
                "INSERT INTO jobs (id, user_id, kind, accepted_at, created_at, first_item, last_item, documents)
                 SELECT ?1, ?2, ?3, ?4, ?4, value + 1, value + 1, (SELECT count(*) FROM garbage WHERE retire_item = value + 1)
                 FROM counters WHERE name = 'item' AND EXISTS (SELECT 1 FROM garbage WHERE retire_item = value + 1)",
            )
            .bind(job)
            .bind(user)
            .bind(kind)
            .bind(now),
        );
        self.statements.push(
            Statement::new(
                "INSERT INTO job_items (id, job_id, user_id, stage, state, documents, document_count, chunk_count, progress,
                                        lease, attempts, next_at, sent_at, updated_at)
                 SELECT value + 1, ?1, ?2, 'retire', CASE WHEN ?3 > ?4 THEN 'parked' ELSE 'queued' END, '[]',
                        (SELECT count(*) FROM garbage WHERE retire_item = value + 1), 0, 0, 0, 0, ?3, ?4, ?4
                 FROM counters WHERE name = 'item' AND EXISTS (SELECT 1 FROM garbage WHERE retire_item = value + 1)",
            )
            .bind(job)
            .bind(user)
            .bind(due)
            .bind(now),
        );
        // Told only if it is due: what waits is sent by the sweeper.
        self.retire = (due <= now).then_some(self.statements.len());
        self.statements.push(Statement::new(
            "UPDATE counters SET value = value + 1
             WHERE name = 'item' AND EXISTS (SELECT 1 FROM garbage WHERE retire_item = value + 1)
             RETURNING value AS item",
        ));
    }

    /// The message for the retire item that the transaction made, if it made one that is due.
    pub fn retire_message(retire: Option<usize>, answers: &Answers, user: &UserId) -> Result<Option<Message>, Failure> {
        #[derive(Deserialize)]
        struct Row {
            item: ItemId,
        }
        let Some(index) = retire else { return Ok(None) };
        let row: Option<Row> = answers.at(index)?.first()?;
        Ok(row.map(|row| Message { stage: Stage::Purge, item: row.item, user: user.clone() }))
    }

    /// The place of the statement that tells the retire item.
    pub fn retire(&self) -> Option<usize> {
        self.retire
    }
}
