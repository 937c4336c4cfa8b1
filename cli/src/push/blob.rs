//! What git calls a file by: the hash of its bytes. The same content has the same name on every machine, in every
//! branch and under every path.

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

/// Git's hash of a file's bytes, as `git hash-object --no-filters` says it.
pub fn hash(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_git_calls_it() {
        assert_eq!(hash(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(hash(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
