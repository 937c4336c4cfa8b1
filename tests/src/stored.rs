//! What a running product has stored, in a form that two runs can be compared by.

use std::collections::BTreeMap;

use local_dev::{Error, product::Product};

/// Everything that must be the same whatever happened on the way: document ids, which derive from
/// the user, are replaced by external ids.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// Row, document, revision, index and span of every chunk.
    pub chunks: Vec<Vec<String>>,
    /// Every published document with its chunk count.
    pub documents: Vec<Vec<String>>,
    /// Rows of tables that must hold nothing extra.
    pub counts: Vec<Vec<String>>,
    /// Ids of vectors.
    pub vectors: Vec<String>,
    /// Names of objects.
    pub objects: Vec<String>,
}

/// Reads what is stored.
pub fn stored(product: &Product) -> Result<Stored, Error> {
    let names: BTreeMap<String, String> = product
        .query("SELECT id, coalesce(external_id, title, id) FROM documents")?
        .into_iter()
        .filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone())))
        .collect();
    let named = |text: &str| {
        names.iter().find_map(|(id, name)| text.strip_prefix(id.as_str()).map(|rest| format!("{name}{rest}")))
    };
    let mut vectors: Vec<String> =
        product.vector_ids()?.iter().map(|id| named(id).unwrap_or_else(|| format!("orphan {id}"))).collect();
    vectors.sort_unstable();
    let objects =
        product.object_keys()?.iter().map(|key| key.splitn(3, '/').last().unwrap_or(key).to_owned()).collect();
    Ok(Stored {
        chunks: product.query(
            "SELECT c.id, d.external_id, c.revision, c.chunk_index, c.start, c.\"end\"
             FROM chunks c LEFT JOIN documents d ON d.id = c.document_id ORDER BY c.id",
        )?,
        documents: product.query(
            "SELECT external_id, current, latest, chunk_count, current_item FROM documents
             WHERE deleted_at IS NULL ORDER BY external_id",
        )?,
        counts: product.query(
            "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM chunks_fts_1_docsize),
                    (SELECT count(*) FROM garbage), (SELECT count(*) FROM dead_letters),
                    (SELECT count(*) FROM jobs WHERE finished_at IS NULL),
                    (SELECT count(*) FROM job_items WHERE state <> 'done')",
        )?,
        vectors,
        objects,
    })
}
