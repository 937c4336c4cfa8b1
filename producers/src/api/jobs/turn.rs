//! How far a turn is, and how it ended.

use pipeline::{
    chat::{
        channel::TurnEvent,
        turn::{Turn, TurnResult},
    },
    failure::Failure,
    ids::{JobId, UserId},
    platform::ports::Database,
    store,
};

use super::{look::read, view::Status, wait::has_ended};

/// What a chat job is about; `None` for a job of another kind.
pub async fn of_job<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<Turn>, Failure> {
    let row = store::jobs::read::turn(user, job).first(ports).await?;
    row.and_then(|row| row.turn).map(|turn| Turn::read(&turn)).transpose()
}

/// How far a turn is.
#[derive(Clone, Debug)]
pub enum TurnState {
    /// Not answered yet.
    Open,
    /// Answered.
    Answered(Box<TurnResult>),
    /// Its owner stopped it.
    Cancelled,
    /// Ended without an answer, and why.
    Ended(String),
}

/// Looks whether a turn is answered.
pub async fn turn_state<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<TurnState, Failure> {
    let Some(view) = read(ports, user, job).await? else {
        return Ok(TurnState::Ended("the conversation was deleted".to_owned()));
    };
    Ok(match (view.result, view.status) {
        (Some(result), _) => TurnState::Answered(Box::new(result)),
        (None, Status::Cancelled) => TurnState::Cancelled,
        (None, status) if status.is_terminal() => {
            let why = view.errors.first().map_or("there is no answer", |problem| problem.detail.as_str());
            TurnState::Ended(why.to_owned())
        }
        (None, _) => TurnState::Open,
    })
}

/// The end of a turn as an event, for listeners whose channel did not hear of it; `None` while it is open.
pub async fn turn_end<P: Database>(ports: &P, user: &UserId, job: &JobId) -> Result<Option<TurnEvent>, Failure> {
    if !has_ended(ports, user, job).await? {
        return Ok(None);
    }
    Ok(match turn_state(ports, user, job).await? {
        TurnState::Open => None,
        TurnState::Cancelled => Some(TurnEvent::Cancelled),
        TurnState::Ended(detail) => Some(TurnEvent::Failed { detail }),
        TurnState::Answered(result) => {
            let result = serde_json::to_value(&result).map_err(|error| Failure::bug(error.to_string()))?;
            Some(TurnEvent::Done { result: Box::new(result) })
        }
    })
}
