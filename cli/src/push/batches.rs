//! Files in batches that a server takes well: small ones, of which it says at once what becomes of each file, or large
//! and compressed ones, where there is much.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use pipeline::constants;
use serde_json::json;

use super::{blob, files, files::File, files::Skipped, manifest::external_id};
use crate::{arguments::Push, failure::Failure, project::Project};

/// What is no more than this goes in small batches.
const LITTLE: u64 = 1_000_000;
/// Bytes of a small batch: with names and escapes it stays below what is read at once.
const SMALL: u64 = 200_000;
/// Bytes of a large batch before it is compressed: a few seconds of a slow line.
const LARGE: u64 = 8_000_000;
/// Documents of a small batch.
const SMALL_FILES: usize = 500;
/// Documents of a large batch: one of short files may be small enough to be read at once, which has no more.
const LARGE_FILES: usize = constants::DOCUMENTS_PER_REQUEST;

/// The files in batches, in their order.
pub fn plan<'a>(files: impl Iterator<Item = &'a File>, bytes: u64) -> Vec<Vec<File>> {
    let (most_bytes, most_files) = if bytes <= LITTLE { (SMALL, SMALL_FILES) } else { (LARGE, LARGE_FILES) };
    let mut batches: Vec<Vec<File>> = Vec::new();
    let mut filled = u64::MAX;
    for file in files {
        let is_full = |batch: &Vec<File>| batch.len() >= most_files || filled.saturating_add(file.bytes) > most_bytes;
        match batches.last_mut() {
            Some(batch) if !is_full(batch) => {
                batch.push(file.clone());
                filled += file.bytes;
            }
            _ => {
                batches.push(vec![file.clone()]);
                filled = file.bytes;
            }
        }
    }
    batches
}

/// In the metadata of a pushed document: the name of its project.
pub const PROJECT: &str = "project";

/// A batch as it is sent.
#[derive(Debug, Default)]
pub struct Body {
    /// A document in each line.
    pub bytes: Vec<u8>,
    /// It is compressed by gzip.
    pub is_compressed: bool,
    /// What it holds.
    pub names: Vec<String>,
    /// What has gone or changed so since it was found that it is left out.
    pub skipped: Vec<Skipped>,
}

/// Reads the files of a batch: as they are now, which may be other than they were found.
///
/// # Errors
/// It cannot be compressed.
pub fn body(project: &Project, batch: &[File], arguments: &Push) -> Result<Body, Failure> {
    let mut body = Body::default();
    for file in batch {
        match files::read(&file.path, arguments.into()) {
            Ok(bytes) => {
                let line = json!({
                    "external_id": external_id(project, &file.name), "content": String::from_utf8_lossy(&bytes),
                    "tags": arguments.tags, "blob": blob::hash(&bytes),
                    // Names alone do not say whose a document is: `shop/api/x.md` may be of "shop" or of "shop/api".
                    "metadata": { PROJECT: project.name },
                });
                body.bytes.extend_from_slice(line.to_string().as_bytes());
                body.bytes.push(b'\n');
                body.names.push(file.name.clone());
            }
            Err(why) => body.skipped.push(Skipped { name: file.name.clone(), why }),
        }
    }
    if body.bytes.len() > constants::READ_AT_ONCE_BYTES {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&body.bytes).and_then(|()| encoder.finish());
        body.bytes = compressed.map_err(|error| Failure::new(crate::failure::Exit::Failed, error.to_string()))?;
        body.is_compressed = true;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn files(sizes: &[u64]) -> Vec<File> {
        let file = |(number, bytes): (usize, &u64)| File {
            name: number.to_string(),
            path: PathBuf::new(),
            bytes: *bytes,
            blob: String::new(),
        };
        sizes.iter().enumerate().map(file).collect()
    }

    #[test]
    fn little_goes_in_small_batches_and_much_in_large_ones_and_nothing_is_left_out() {
        for sizes in [vec![], vec![1; 1_200], vec![150_000; 6], vec![3_000_000; 9], vec![4_000_000, 1, 4_000_000, 1]] {
            let files = files(&sizes);
            let bytes = sizes.iter().sum();
            let batches = plan(files.iter(), bytes);
            assert_eq!(batches.concat(), files);
            let most = if bytes <= LITTLE { SMALL } else { LARGE };
            for batch in &batches {
                assert!(batch.len() == 1 || batch.iter().map(|file| file.bytes).sum::<u64>() <= most, "{sizes:?}");
            }
        }
        assert_eq!(plan(files(&[3_000_000; 9]).iter(), 27_000_000).len(), 5);
    }
}
