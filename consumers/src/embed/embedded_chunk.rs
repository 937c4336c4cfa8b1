//! What the model makes of a chunk: one vector for Vectorize, and those of its windows for late scoring.

use pipeline::{ids::ChunkRow, model::EMBEDDING, store::chunks::write::ChunkWindows};
use retrieval::{embedding_text, windows};

/// Bytes from which on a chunk of several windows keeps their vectors. That is a row written more, of which a day of
/// small files has few; of shorter ones the mean says nearly as much (docs/retrieval.md).
const LONG: usize = 2_600;

/// A chunk's vector, and those of its windows where it has several.
#[derive(Clone, Debug)]
pub struct EmbeddedChunk {
    /// The chunk.
    pub id: ChunkRow,
    /// What Vectorize is given.
    pub vector: Vec<f32>,
    /// What a search compares the best hits by, as text; empty for one that is short.
    pub window_vectors: String,
}

impl EmbeddedChunk {
    /// From the vectors of a chunk's windows and their lengths in word pieces.
    pub fn of(id: ChunkRow, text: &str, windows: &[Vec<f32>], pieces: &[usize]) -> Self {
        let vector = windows::pool(windows, pieces);
        let says_several_things = windows.len() > 1 && text.len() >= LONG;
        let window_vectors = if says_several_things { embedding_text::encode_all(windows) } else { String::new() };
        Self { id, vector, window_vectors }
    }

    /// What is kept beside the chunk.
    pub fn windows(&self) -> Option<ChunkWindows> {
        let windows = &self.window_vectors;
        (!windows.is_empty()).then(|| ChunkWindows { id: self.id, windows: windows.clone() })
    }

    /// Its vector, and those of its windows behind it.
    pub fn as_text(&self) -> String {
        embedding_text::encode(&self.vector) + &self.window_vectors
    }

    /// The same, read again; `None` for what is none. Earlier versions kept no windows.
    pub fn from_text(id: ChunkRow, text: &str) -> Option<Self> {
        let (vector, windows) = text.split_at_checked(EMBEDDING.dimensions)?;
        let vector = embedding_text::decode(vector, EMBEDDING.dimensions)?;
        Some(Self { id, vector, window_vectors: windows.to_owned() })
    }
}
