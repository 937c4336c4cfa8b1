//! OpenAPI (placeholder replaced below).
use crate::reply::Reply;
use http::StatusCode;
/// The description.
pub fn openapi() -> Reply {
    Reply::json(StatusCode::OK, &serde_json::json!({"openapi":"3.1.0"}))
}
