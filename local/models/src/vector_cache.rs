//! Vectors that were computed before, kept as files: tests and evaluations embed the same texts again and again.
//!
//! A file a vector, named by a digest of the model and the tokens it read. Several servers may share a folder:
//! files are written beside their place and then renamed, and all would write the same.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::embedding::{Error, Pooling};

/// A folder of vectors of one model.
#[derive(Debug)]
pub struct VectorCache {
    folder: PathBuf,
    /// Digest of what the vectors depend on beside the tokens.
    model: [u8; 32],
}

impl VectorCache {
    /// Opens the folder, or makes it, for the vectors of the model in this file.
    pub fn open(folder: &Path, model: &Path, pooling: Pooling) -> Result<Self, Error> {
        fs::create_dir_all(folder)?;
        let digest = Sha256::new().chain_update([pooling as u8]).chain_update(fs::read(model)?);
        Ok(Self { folder: folder.to_owned(), model: digest.finalize().into() })
    }

    /// The vector of these tokens, if it was computed before.
    pub fn get(&self, tokens: &[i64]) -> Option<Vec<f32>> {
        let bytes = fs::read(self.path(tokens)).ok()?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        (rest.is_empty() && !numbers.is_empty()).then(|| numbers.iter().copied().map(f32::from_le_bytes).collect())
    }

    /// Keeps the vector of these tokens.
    pub fn put(&self, tokens: &[i64], vector: &[f32]) -> io::Result<()> {
        let path = self.path(tokens);
        let beside = path.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        fs::write(&beside, bytes)?;
        fs::rename(beside, path)
    }

    fn path(&self, tokens: &[i64]) -> PathBuf {
        let mut digest = Sha256::new().chain_update(self.model);
        for token in tokens {
            digest.update(token.to_le_bytes());
        }
        self.folder.join(HEXLOWER.encode(&digest.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vector-cache-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_vector_is_found_by_its_tokens_and_its_model_alone() {
        let folder = folder("found");
        let (model, other) = (folder.join("model"), folder.join("other"));
        fs::write(&model, "one").unwrap();
        fs::write(&other, "two").unwrap();
        let cache = VectorCache::open(&folder, &model, Pooling::Mean).unwrap();
        cache.put(&[1, 2], &[0.5, -0.25]).unwrap();
        assert_eq!(cache.get(&[1, 2]), Some(vec![0.5, -0.25]));
        assert_eq!(cache.get(&[2, 1]), None);
        assert_eq!(VectorCache::open(&folder, &other, Pooling::Mean).unwrap().get(&[1, 2]), None);
        assert_eq!(VectorCache::open(&folder, &model, Pooling::Cls).unwrap().get(&[1, 2]), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_no_vector_is_computed_again() {
        let folder = folder("broken");
        let model = folder.join("model");
        fs::write(&model, "one").unwrap();
        let cache = VectorCache::open(&folder, &model, Pooling::Mean).unwrap();
        for bytes in [&b""[..], b"abc"] {
            fs::write(cache.path(&[7]), bytes).unwrap();
            assert_eq!(cache.get(&[7]), None);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
