//! What describes a document, and where the description of its next revision lies.
//!
//! The columns describe the current revision, or the first one until it is published. While a revision is
//! current, `pending` (JSON) describes the latest one.

/// The field `$field` of the latest revision; `$of` is what the columns of `documents` begin with.
macro_rules! latest {
    ($of:literal, $field:literal) => {
        concat!(
            "CASE WHEN ",
            $of,
            "pending IS NULL THEN ",
            $of,
            $field,
            " ELSE ",
            $of,
            "pending ->> '$.",
            $field,
            "' END"
        )
    };
}
pub(in crate::store) use latest;

/// The field `$field` of the latest revision of the document `d`, under its own name.
macro_rules! next {
    ($field:literal) => {
        concat!($crate::store::documents::description::latest!("d.", $field), " AS ", $field)
    };
}
pub(in crate::store) use next;

/// `$each!` of every field that describes a document, with commas between.
macro_rules! every_field {
    ($each:ident) => {
        concat!(
            $each!("external_id"),
            ", ",
            $each!("title"),
            ", ",
            $each!("type"),
            ", ",
            $each!("language"),
            ", ",
            $each!("media_type"),
            ", ",
            $each!("tags"),
            ", ",
            $each!("metadata"),
            ", ",
            $each!("created_at"),
            ", ",
            $each!("uploaded_at"),
            ", ",
            $each!("bytes"),
            ", ",
            $each!("blob")
        )
    };
}
pub(super) use every_field;
