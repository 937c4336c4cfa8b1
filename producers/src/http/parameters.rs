//! Parameters of query strings: none is passed over in silence.

use http::Request;
use pipeline::{
    nearest,
    problem::{Code, Problem},
};

use crate::http::{
    operation::{Operation, Place},
    query::pairs,
};

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
}
