//! What a query string says, read in one way.

use http::Request;
use pipeline::problem::{Code, Problem};

/// A parameter of a request's query string.
pub fn value<B>(request: &Request<B>, name: &str) -> Option<String> {
    pairs(request).ok()?.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A parameter that is on or off; off without it.
///
/// # Errors
/// [`Code::Invalid`] for anything but `true` and `false`.
pub fn flag<B>(request: &Request<B>, name: &str) -> Result<bool, Problem> {
    match value(request, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::field(Code::Invalid, name, "expected true or false")),
    }
}

/// Its names and values, in their order.
///
/// # Errors
/// [`Code::Malformed`] for what is no query string.
pub fn pairs<B>(request: &Request<B>) -> Result<Vec<(String, String)>, Problem> {
    let query = request.uri().query().unwrap_or_default();
    serde_urlencoded::from_str(query)
        .map_err(|error| Problem::new(Code::Malformed, format!("the query string cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let read = |query: &str| {
            flag(&Request::get(format!("http://test/{query}")).body(()).unwrap(), "text")
                .map_err(|problem| problem.status)
        };
        assert_eq!([read(""), read("?text=false"), read("?text=true")], [Ok(false), Ok(false), Ok(true)]);
        for unclear in ["?text", "?text=", "?text=1", "?text=TRUE", "?text=yes"] {
            assert_eq!(read(unclear), Err(422), "{unclear}");
        }
    }
}
