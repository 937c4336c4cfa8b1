//! What the schemas of the API say of texts: what each holds, as regular expressions that every language reads.

/// A line, as [`one_line`](crate::problem::one_line) checks it; it may be empty.
pub const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// A line that holds something.
pub const TAG: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// A line of which something is seen, between white space that is left out.
pub const NAME: &str =
    r"^\s*[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?\s*$";
/// A text of more than white space.
pub const TEXT: &str = r"\S";
/// The same without the character NUL, which ends texts elsewhere.
pub const TEXT_WITHOUT_NUL: &str = r"^[^\u0000]*[^\u0000\s][^\u0000]*$";
/// The name of a function that a model may call, as `OpenAI` has it.
pub const FUNCTION_NAME: &str = "^[a-zA-Z0-9_-]{1,64}$";

/// What git calls the bytes of a file by, as [`is_blob`] checks it.
pub const BLOB: &str = "^([0-9a-f]{40}|[0-9a-f]{64})$";

/// True for a hash as git writes it: SHA-1 or SHA-256 in hexadecimal digits, in lower case.
pub fn is_blob(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The names as the `enum` of a field that may also be null or left out.
pub fn one_of_or_null(names: &[&'static str]) -> Vec<Option<&'static str>> {
    names.iter().copied().map(Some).chain([None]).collect()
}
