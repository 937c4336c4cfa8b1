//! What comes of a request, or why nothing does.

use pipeline::{failure::Failure, problem::Problem};
use serde_json::Value;

use super::jsonrpc::{ErrorCode, RpcError};
use crate::http::reply::Refusal;

/// What came of a request, and what failed on the way, for the log.
#[derive(Debug)]
pub struct Done {
    /// The result.
    pub result: Value,
    /// What failed, although there is a result.
    pub failure: Option<Failure>,
}

impl Done {
    /// Nothing failed.
    pub const fn well(result: Value) -> Self {
        Self { result, failure: None }
    }
}

/// What is said of a cursor that no list gave.
pub fn no_cursor() -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, "this is no cursor of this list: begin without one")
}

/// Why a resource or a prompt is not there, where that is no fault of who asks.
pub fn internal(refusal: Refusal) -> RpcError {
    let (problem, _) = refusal.into_problem();
    let Problem { detail, .. } = problem;
    RpcError::new(ErrorCode::Internal, detail)
}
