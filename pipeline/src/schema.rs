//! What the schemas of the API say of texts that name something.

/// The names as the `enum` of a field that may also be null or left out.
pub fn one_of_or_null(names: &[&'static str]) -> Vec<Option<&'static str>> {
    names.iter().copied().map(Some).chain([None]).collect()
}
