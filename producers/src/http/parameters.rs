//! Parameters of query strings: none is passed over in silence, and none is read in two ways.

use http::Request;
use pipeline::{
    nearest,
    problem::{Code, Problem},
};

use crate::http::operation::{Operation, Place};

/// Refuses a query string with a parameter that the operation does not take, or that stands in it twice.
///
/// # Errors
/// [`Code::Invalid`], which names the parameter.
pub fn check<P, B>(operation: &Operation<P>, request: &Request<B>) -> Result<(), Problem> {
    let pairs = pairs(request)?;
    for (place, (name, _)) in pairs.iter().enumerate() {
        let taken = operation.parameters.iter().filter(|parameter| parameter.place == Place::Query);
        let mut taken = taken.map(|parameter| parameter.name);
        if !taken.clone().any(|taken| taken == name) {
            return Err(Problem::field(Code::Invalid, name.as_str(), nearest::unknown("parameter", name, &mut taken)));
        }
        if pairs.iter().take(place).any(|(earlier, _)| earlier == name) {
            return Err(Problem::field(Code::Invalid, name.as_str(), "it stands there twice: send it once"));
        }
    }
    Ok(())
}

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

fn pairs<B>(request: &Request<B>) -> Result<Vec<(String, String)>, Problem> {
    let query = request.uri().query().unwrap_or_default();
    serde_urlencoded::from_str(query)
        .map_err(|error| Problem::new(Code::Malformed, format!("the query string cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use test_platform::InMemory;

    use super::*;
    use crate::http::operations::operations;

    fn request(query: &str) -> Request<()> {
        Request::builder().uri(format!("http://test/api/documents{query}")).body(()).unwrap()
    }

    fn checked(query: &str) -> Result<(), String> {
        let mut listed = operations::<InMemory>().iter().filter(|operation| operation.path == "/api/documents");
        check(listed.next().unwrap(), &request(query)).map_err(|problem| problem.detail)
    }

    #[test]
    fn a_parameter_that_there_is_not_or_that_stands_twice_is_refused() {
        assert_eq!(checked(""), Ok(()));
        assert_eq!(checked("?limit=3&tag=a%26b"), Ok(()));
        assert!(checked("?tags=x").unwrap_err().contains("did you mean \"tag\"?"));
        assert!(checked("?limit=3&limit=4").unwrap_err().contains("twice"));
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let read = |query: &str| flag(&request(query), "text").map_err(|problem| problem.status);
        assert_eq!([read(""), read("?text=false"), read("?text=true")], [Ok(false), Ok(false), Ok(true)]);
        for unclear in ["?text", "?text=", "?text=1", "?text=TRUE", "?text=yes"] {
            assert_eq!(read(unclear), Err(422), "{unclear}");
        }
    }
}
