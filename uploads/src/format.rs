//! The forms in which documents are uploaded.

use pipeline::problem::{Code, Problem};

/// How an upload is read: what its `Content-Type` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One document, an array of them, or an object that holds the array.
    Json,
    /// A document in each line.
    Lines,
    /// Files of a form, between these boundaries.
    Form {
        /// What stands between the parts, without its dashes.
        boundary: String,
    },
    /// Files of a folder.
    Archive,
}

/// Every form, as clients name it beside JSON.
pub const OTHER_MEDIA_TYPES: [&str; 3] = ["application/x-ndjson", "multipart/form-data", "application/x-tar"];

impl Format {
    /// The form that a `Content-Type` names.
    pub fn of(content_type: &str) -> Result<Self, Problem> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/jsonl" => Ok(Self::Lines),
            "multipart/form-data" => match multer::parse_boundary(content_type) {
                Ok(boundary) => Ok(Self::Form { boundary }),
                Err(error) => Err(Problem::new(Code::Malformed, format!("the multipart body cannot be read: {error}"))),
            },
            "application/x-tar" | "application/tar" => Ok(Self::Archive),
            "application/gzip"
            | "application/x-gzip"
            | "application/x-gtar"
            | "application/x-tgz"
            | "application/x-compressed-tar" => {
                let detail = "compressed archives are not unpacked, since no part of one can be read without all \
                              before it; send the plain tar (gunzip it first) as application/x-tar";
                Err(Problem::field(Code::UnsupportedType, "Content-Type", detail))
            }
            other => {
                let detail =
                    format!("expected application/json or one of {}, not {other:?}", OTHER_MEDIA_TYPES.join(", "));
                Err(Problem::field(Code::UnsupportedType, "Content-Type", detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_archive_is_refused_and_told_what_to_send() {
        let refused = Format::of("application/gzip").unwrap_err();
        assert_eq!(refused.status, 415);
        assert!(refused.detail.contains("plain tar"), "{}", refused.detail);
    }

    #[test]
    fn every_form_is_known_by_its_type() {
        assert_eq!(Format::of("Application/JSON; charset=utf-8").unwrap(), Format::Json);
        assert_eq!(Format::of("application/jsonl").unwrap(), Format::Lines);
        let boundary = "X".to_owned();
        assert_eq!(Format::of("multipart/form-data; boundary=X").unwrap(), Format::Form { boundary });
        assert_eq!(Format::of("multipart/form-data").unwrap_err().status, 400);
    }
}
