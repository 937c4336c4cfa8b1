//! Where a path leads, by the table of [`operations`].

use std::sync::OnceLock;

use http::Method;
use matchit::Router;

use crate::http::{
    call::RequestPorts,
    operation::{Access, Operation},
    operations::operations,
};

/// Where a path leads.
#[derive(Debug)]
pub struct Found<'a, P: 'static> {
    /// The path as the table writes it.
    pub path: &'static str,
    /// The part that stands for `{id}`, empty without one.
    pub id: &'a str,
    /// Its operations, one for each method.
    pub operations: Vec<&'static Operation<P>>,
}

impl<P: 'static> Found<'_, P> {
    /// The operation that answers a method; `HEAD` is answered by what answers `GET`, unless that joins a session.
    pub fn operation(&self, method: &Method) -> Option<&'static Operation<P>> {
        let is_head = method == Method::HEAD;
        let method = if is_head { &Method::GET } else { method };
        let found = self.operations.iter().copied().find(|operation| operation.method == *method)?;
        (!is_head || found.named.handler.access() != Access::Ticket).then_some(found)
    }

    /// True where agents call by JSON-RPC, whichever method is asked for.
    pub fn speaks_json_rpc(&self) -> bool {
        self.operations.iter().any(|operation| operation.speaks_json_rpc)
    }

    /// The methods it answers to, as `Allow` lists them.
    pub fn allowed(&self) -> String {
        let mut methods: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        if let Some(place) = methods.iter().position(|method| *method == "GET")
            && self.operation(&Method::HEAD).is_some()
        {
            methods.insert(place + 1, "HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

/// The operations of a path; `None` if there are none.
pub fn find<P: RequestPorts>(path: &str) -> Option<Found<'_, P>> {
    let found = router::<P>().at(path).ok()?;
    let pattern = *found.value;
    let at_path = operations().iter().filter(|operation| operation.path == pattern);
    Some(Found { path: pattern, id: found.params.get("id").unwrap_or_default(), operations: at_path.collect() })
}

/// Every path of the table; made once, for the paths are the same on every platform.
fn router<P: RequestPorts>() -> &'static Router<&'static str> {
    static ROUTER: OnceLock<Router<&'static str>> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router::new();
        for operation in operations::<P>() {
            // Another method of the same path is there already; a test finds every operation.
            let _ = router.insert(operation.path, operation.path);
        }
        router
    })
}

#[cfg(test)]
mod tests {
    use test_platform::InMemory;

    use super::*;

    #[test]
    fn every_operation_is_found_by_its_path_and_method() {
        for operation in operations::<InMemory>() {
            let path = operation.path.replace("{id}", "some_1");
            let found = find::<InMemory>(&path).unwrap();
            assert_eq!(found.path, operation.path);
            assert_eq!(found.id, if operation.path.contains("{id}") { "some_1" } else { "" }, "{path}");
            assert_eq!(found.operations.iter().filter(|other| other.method == operation.method).count(), 1, "{path}");
            assert!(found.allowed().contains(operation.method.as_str()), "{path}");
        }
        assert!(find::<InMemory>("/api/nothing").is_none());
    }
}
