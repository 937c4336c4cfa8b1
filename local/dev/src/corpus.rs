//! Folders as uploads.

use std::{fs, path::Path};

use ignore::WalkBuilder;

use crate::{Error, client::Upload};

/// Files of one request: well below the API's limits.
const FILES_PER_REQUEST: usize = 500;
const BYTES_PER_REQUEST: usize = 8 * 1024 * 1024;

/// Reads a folder's files, without what git ignores, in the order of their paths.
pub fn read(folder: &Path, most: usize) -> Result<Vec<Upload>, Error> {
    let mut files = Vec::new();
    for entry in WalkBuilder::new(folder).sort_by_file_path(Path::cmp).build() {
        let entry = entry?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || files.len() >= most {
            continue;
        }
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
        files.push(Upload { path, content: fs::read(entry.path())? });
    }
    Ok(files)
}

/// Cuts a list of files into requests.
pub fn requests(files: &[Upload]) -> Vec<&[Upload]> {
    let mut requests = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        if index > start && (index - start >= FILES_PER_REQUEST || bytes + file.content.len() > BYTES_PER_REQUEST) {
            requests.push(&files[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += file.content.len();
    }
    if start < files.len() {
        requests.push(&files[start..]);
    }
    requests
}
