//! The forms in which documents are uploaded.

use http::{HeaderMap, header};
use pipeline::{
    job::cursors::Outermost,
    problem::{Code, Problem},
};

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
    /// Files of a folder, plain or compressed.
    Archive,
}

/// Every form, as clients name it beside JSON.
pub const OTHER_MEDIA_TYPES: [&str; 4] =
    ["application/x-ndjson", "multipart/form-data", "application/x-tar", "application/gzip"];

/// An upload as its headers announce it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced<'a> {
    /// Its `Content-Type`.
    pub media_type: &'a str,
    /// What that says.
    pub format: Format,
    /// It may be compressed by gzip. Its first bytes say whether it is: nothing else begins like that.
    pub may_be_compressed: bool,
}

impl<'a> Announced<'a> {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// It is of a form, or compressed in a way, that is not read.
    pub fn by(headers: &'a HeaderMap) -> Result<Self, Problem> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = text(header::CONTENT_TYPE);
        let format = Format::of(media_type)?;
        let is_encoded = match text(header::CONTENT_ENCODING).trim().to_lowercase().as_str() {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => {
                let detail = format!("expected gzip or none, not {other:?}");
                return Err(Problem::field(Code::UnsupportedType, "Content-Encoding", detail));
            }
        };
        let may_be_compressed = is_encoded || format == Format::Archive;
        Ok(Self { media_type, format, may_be_compressed })
    }
}

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
            "application/x-tar"
            | "application/tar"
            | "application/gzip"
            | "application/x-gzip"
            | "application/x-gtar"
            | "application/x-gtar-compressed"
            | "application/x-tgz"
            | "application/x-compressed-tar" => Ok(Self::Archive),
            other => {
                let detail =
                    format!("expected application/json or one of {}, not {other:?}", OTHER_MEDIA_TYPES.join(", "));
                Err(Problem::field(Code::UnsupportedType, "Content-Type", detail))
            }
        }
    }

    /// Where the document with this index stands in an upload, as every answer names it: a JSON Pointer into one in
    /// JSON, else as if its documents, or its files, were one.
    pub fn pointer(&self, index: usize, outermost: Outermost) -> String {
        match (self, outermost) {
            (Self::Json, Outermost::Document) => String::new(),
            (Self::Json, Outermost::Object) => format!("/documents/{index}"),
            (Self::Json | Self::Lines, _) => format!("/{index}"),
            (Self::Form { .. } | Self::Archive, _) => format!("/files/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_compressed_is_announced_by_its_headers() {
        let may_be = |media_type: &str, encoding: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
            headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            Announced::by(&headers).map(|announced| announced.may_be_compressed).map_err(|problem| problem.status)
        };
        assert_eq!(may_be("application/gzip", ""), Ok(true));
        assert_eq!(may_be("application/x-tar", "identity"), Ok(true), "tar czf is often called so");
        assert_eq!(may_be("application/x-ndjson", "GZIP"), Ok(true));
        assert_eq!(may_be("application/x-ndjson", ""), Ok(false));
        assert_eq!(may_be("application/x-ndjson", "br"), Err(415));
        assert_eq!(may_be("application/zip", "gzip"), Err(415));
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
