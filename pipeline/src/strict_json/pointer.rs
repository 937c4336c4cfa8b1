//! Where in a text of JSON something stands.

/// The JSON Pointer (RFC 6901) to what these names and places lead to.
pub fn pointer(path: &[String]) -> String {
    let parts = path.iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
    parts.fold(String::new(), |pointer, part| pointer + "/" + &part)
}
