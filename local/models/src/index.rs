//! A Vectorize on `SQLite` and in memory, as strict as the platform.
//!
//! Limits: <https://developers.cloudflare.com/vectorize/platform/limits/>. Metadata filters work on
//! indexed properties only, and only for vectors upserted after the metadata index was made; here
//! the indexes are those that `make deploy` makes, and they are there from the start. What was
//! upserted becomes visible after a delay, as on the platform.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::{Duration, Instant},
};

use pipeline::{constants, model::EMBEDDING};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The metadata indexes that `make deploy` makes.
pub const METADATA_INDEXES: [&str; 4] = ["type", "language", "docId", "createdAt"];

/// A vector as it is upserted.
#[derive(Debug, Deserialize)]
pub struct NewVector {
    id: String,
    values: Vec<f32>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// A query's vector and options.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    vector: Vec<f32>,
    #[serde(default = "default_top_k")]
    top_k: usize,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    return_values: bool,
    #[serde(default)]
    return_metadata: Value,
    #[serde(default)]
    filter: Map<String, Value>,
}

fn default_top_k() -> usize {
    5
}

/// A found vector.
#[derive(Debug, PartialEq, Serialize)]
pub struct Match {
    id: String,
    score: f32,
}

/// What a query answers.
#[derive(Debug, Serialize)]
pub struct Matches {
    count: usize,
    matches: Vec<Match>,
}

/// What a write answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    mutation_id: String,
}

struct Stored {
    values: Vec<f32>,
    metadata: Map<String, Value>,
    visible_at: Instant,
}

/// The index: `SQLite` keeps it, memory answers.
pub struct Index {
    connection: Connection,
    namespaces: HashMap<String, HashMap<String, Stored>>,
    mutations: u64,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Index").field("vectors", &self.len()).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens an index in a file, or in memory.
    pub fn open(path: Option<&Path>) -> Result<Self, rusqlite::Error> {
        let connection = path.map_or_else(Connection::open_in_memory, Connection::open)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS vectors (
                 id TEXT PRIMARY KEY, namespace TEXT NOT NULL, vector BLOB NOT NULL, metadata TEXT NOT NULL)",
        )?;
        let mut index = Self { connection, namespaces: HashMap::new(), mutations: 0 };
        index.load()?;
        Ok(index)
    }

    fn load(&mut self) -> Result<(), rusqlite::Error> {
        let mut statement = self.connection.prepare("SELECT id, namespace, vector, metadata FROM vectors")?;
        let rows = statement.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Vec<u8>>(2)?,
                row.get::<_, String>(3)?,
            ))
        })?;
        for row in rows {
            let (id, namespace, bytes, metadata) = row?;
            let values =
                bytes.chunks_exact(4).filter_map(|chunk| chunk.try_into().ok().map(f32::from_le_bytes)).collect();
            let metadata = serde_json::from_str(&metadata).unwrap_or_default();
            let stored = Stored { values, metadata, visible_at: Instant::now() };
            self.namespaces.entry(namespace).or_default().insert(id, stored);
        }
        Ok(())
    }

    /// Vectors stored.
    pub fn len(&self) -> usize {
        self.namespaces.values().map(HashMap::len).sum()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every stored id, in order.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.namespaces.values().flat_map(HashMap::keys).cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Stores or overwrites vectors, all or none; they are found after `visible_after`.
    pub fn upsert(&mut self, vectors: Vec<NewVector>, visible_after: Duration) -> Result<Mutation, String> {
        if vectors.len() > constants::VECTORS_PER_UPSERT {
            return Err(format!(
                "VECTOR_UPSERT_ERROR (code = 40007): {} vectors; at most {} are allowed",
                vectors.len(),
                constants::VECTORS_PER_UPSERT
            ));
        }
        vectors.iter().try_for_each(check)?;
        self.check_namespaces(&vectors)?;
        let visible_at = Instant::now() + visible_after;
        let transaction = self.connection.unchecked_transaction().map_err(|error| error.to_string())?;
        for vector in vectors {
            let bytes: Vec<u8> = vector.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let metadata = Value::Object(vector.metadata.clone()).to_string();
            transaction
                .execute(
                    "INSERT OR REPLACE INTO vectors VALUES (?1, ?2, ?3, ?4)",
                    params![vector.id, vector.namespace, bytes, metadata],
                )
                .map_err(|error| error.to_string())?;
            for others in self.namespaces.values_mut() {
                others.remove(&vector.id);
            }
            let stored = Stored { values: vector.values, metadata: vector.metadata, visible_at };
            self.namespaces.entry(vector.namespace).or_default().insert(vector.id, stored);
        }
        transaction.commit().map_err(|error| error.to_string())?;
        Ok(self.mutation())
    }

    /// Removes vectors; ids that are not there are no error.
    pub fn delete(&mut self, ids: &[String]) -> Result<Mutation, String> {
        if ids.len() > constants::VECTORS_PER_DELETE {
            return Err(format!(
                "VECTOR_DELETE_ERROR (code = 40007): too many ids in payload; max id count is {}, got {}",
                constants::VECTORS_PER_DELETE,
                ids.len()
            ));
        }
        let transaction = self.connection.unchecked_transaction().map_err(|error| error.to_string())?;
        for id in ids {
            transaction.execute("DELETE FROM vectors WHERE id = ?1", [id]).map_err(|error| error.to_string())?;
            for vectors in self.namespaces.values_mut() {
                vectors.remove(id);
            }
        }
        transaction.commit().map_err(|error| error.to_string())?;
        Ok(self.mutation())
    }

    /// The nearest visible vectors of a namespace, best first.
    pub fn query(&self, query: &Query) -> Result<Matches, String> {
        if query.vector.len() != EMBEDDING.dimensions {
            return Err(format!(
                "VECTOR_QUERY_ERROR (code = 40006): {} dimensions; the index has {}",
                query.vector.len(),
                EMBEDDING.dimensions
            ));
        }
        let with_more = query.return_values
            || query.return_metadata.as_str() == Some("all")
            || query.return_metadata == Value::Bool(true);
        let most = if with_more { 50 } else { constants::VECTOR_TOP_K };
        if query.top_k == 0 || query.top_k > most {
            return Err(format!("VECTOR_QUERY_ERROR (code = 40025): topK is {}; the most is {most}", query.top_k));
        }
        for property in query.filter.keys() {
            if !METADATA_INDEXES.contains(&property.as_str()) {
                return Err(format!("VECTOR_QUERY_ERROR (code = 40029): there is no metadata index on {property}"));
            }
        }
        let now = Instant::now();
        let namespace = query.namespace.as_deref().unwrap_or_default();
        let length = norm(&query.vector);
        let mut matches: Vec<Match> = self
            .namespaces
            .get(namespace)
            .into_iter()
            .flatten()
            .filter(|(_, stored)| stored.visible_at <= now && passes(&query.filter, &stored.metadata))
            .map(|(id, stored)| Match {
                id: id.clone(),
                score: dot(&query.vector, &stored.values) / (length * norm(&stored.values)),
            })
            .collect();
        matches.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.id.cmp(&other.id)));
        matches.truncate(query.top_k);
        Ok(Matches { count: matches.len(), matches })
    }

    /// An index has so many namespaces; those that hold nothing any more are not counted here.
    fn check_namespaces(&self, vectors: &[NewVector]) -> Result<(), String> {
        let held = self.namespaces.iter().filter(|(_, vectors)| !vectors.is_empty()).map(|(name, _)| name.as_str());
        let namespaces: HashSet<&str> = held.chain(vectors.iter().map(|vector| vector.namespace.as_str())).collect();
        if namespaces.len() > constants::VECTOR_NAMESPACES {
            let most = constants::VECTOR_NAMESPACES;
            return Err(format!("VECTOR_UPSERT_ERROR (code = 40012): more than {most} namespaces"));
        }
        Ok(())
    }

    fn mutation(&mut self) -> Mutation {
        self.mutations += 1;
        Mutation { mutation_id: format!("local-{}", self.mutations) }
    }
}

fn check(vector: &NewVector) -> Result<(), String> {
    let refuse = |why: String| Err(format!("VECTOR_UPSERT_ERROR (code = 40008): {why}"));
    if vector.id.is_empty() || vector.id.len() > constants::VECTOR_ID_BYTES {
        return refuse(format!(
            "an id of {} bytes; at most {} are allowed",
            vector.id.len(),
            constants::VECTOR_ID_BYTES
        ));
    }
    if vector.namespace.len() > 64 {
        return refuse("a namespace of more than 64 bytes".to_owned());
    }
    if vector.values.len() != EMBEDDING.dimensions || vector.values.iter().any(|value| !value.is_finite()) {
        return refuse(format!("{} values; the index has {} dimensions", vector.values.len(), EMBEDDING.dimensions));
    }
    let bytes = Value::Object(vector.metadata.clone()).to_string().len();
    if bytes > constants::VECTOR_METADATA_BYTES {
        return refuse(format!("{bytes} bytes of metadata; at most {} are allowed", constants::VECTOR_METADATA_BYTES));
    }
    Ok(())
}

/// Filter language: <https://developers.cloudflare.com/vectorize/reference/metadata-filtering>/
fn passes(filter: &Map<String, Value>, metadata: &Map<String, Value>) -> bool {
    filter.iter().all(|(property, condition)| {
        // An index looks at the first 64 bytes of a string.
        let value = metadata.get(property).map(indexed);
        match condition {
            Value::Object(operators) => {
                operators.iter().all(|(operator, operand)| compare(operator, operand, value.as_ref()))
            }
            exact => value.as_ref() == Some(&indexed(exact)),
        }
    })
}

fn indexed(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(&text[..text.floor_char_boundary(constants::VECTOR_INDEXED_BYTES)]),
        other => other.clone(),
    }
}

fn compare(operator: &str, operand: &Value, value: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let ordered = |test: fn(f64, f64) -> bool| {
        number(value).zip(number(Some(operand))).is_some_and(|(value, operand)| test(value, operand))
    };
    match operator {
        "$eq" => value == Some(operand),
        "$ne" => value != Some(operand),
        "$in" => operand.as_array().is_some_and(|operands| operands.iter().any(|operand| value == Some(operand))),
        "$nin" => operand.as_array().is_none_or(|operands| operands.iter().all(|operand| value != Some(operand))),
        "$lt" => ordered(|value, operand| value < operand),
        "$lte" => ordered(|value, operand| value <= operand),
        "$gt" => ordered(|value, operand| value > operand),
        "$gte" => ordered(|value, operand| value >= operand),
        _ => false,
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    // Eight sums at once let the compiler use vector instructions.
    let mut sums = [0f32; 8];
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    sums.iter().sum()
}

fn norm(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt().max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vector(id: &str, first: f32, metadata: &Value) -> NewVector {
        let mut values = vec![0.0; EMBEDDING.dimensions];
        values[0] = first;
        values[1] = 1.0 - first;
        serde_json::from_value(json!({ "id": id, "values": values, "namespace": "n", "metadata": metadata })).unwrap()
    }

    fn query(filter: &Value) -> Query {
        let mut values = vec![0.0; EMBEDDING.dimensions];
        values[0] = 1.0;
        serde_json::from_value(json!({ "vector": values, "topK": 10, "namespace": "n", "filter": filter })).unwrap()
    }

    fn found(index: &Index, filter: &Value) -> Vec<String> {
        index.query(&query(filter)).unwrap().matches.into_iter().map(|found| found.id).collect()
    }

    #[test]
    fn nearest_first_within_namespace_and_filter() {
        let mut index = Index::open(None).unwrap();
        let vectors =
            vec![vector("a", 0.5, &json!({"type": "doc", "createdAt": 5})), vector("b", 0.9, &json!({"type": "code"}))];
        index.upsert(vectors, Duration::ZERO).unwrap();
        assert_eq!(found(&index, &json!({})), ["b", "a"]);
        assert_eq!(found(&index, &json!({"type": "doc"})), ["a"]);
        assert_eq!(found(&index, &json!({"createdAt": {"$gte": 5, "$lt": 6}})), ["a"]);
        assert_eq!(found(&index, &json!({"type": {"$in": ["code", "x"]}})), ["b"]);
        index.delete(&["b".to_owned(), "nothing".to_owned()]).unwrap();
        assert_eq!(found(&index, &json!({})), ["a"]);
    }

    #[test]
    fn what_was_upserted_is_seen_later() {
        let mut index = Index::open(None).unwrap();
        index.upsert(vec![vector("a", 0.5, &json!({}))], Duration::from_hours(1)).unwrap();
        assert!(found(&index, &json!({})).is_empty());
        assert_eq!(index.len(), 1);
    }

    #[test]
    fn a_hundred_ids_are_deleted_and_a_hundred_and_one_are_refused_in_the_words_of_the_platform() {
        let mut index = Index::open(None).unwrap();
        let ids = |count: usize| (0..count).map(|id| id.to_string()).collect::<Vec<_>>();
        assert!(index.delete(&ids(100)).is_ok());
        assert_eq!(
            index.delete(&ids(101)).unwrap_err(),
            "VECTOR_DELETE_ERROR (code = 40007): too many ids in payload; max id count is 100, got 101"
        );
    }

    #[test]
    fn the_limits_are_kept() {
        let mut index = Index::open(None).unwrap();
        let upsert = |index: &mut Index, vectors| index.upsert(vectors, Duration::ZERO).is_err();
        assert!(upsert(&mut index, vec![vector(&"x".repeat(65), 0.5, &json!({}))]));
        assert!(upsert(&mut index, vec![vector("a", 0.5, &json!({"text": "x".repeat(11_000)}))]));
        assert!(upsert(&mut index, (0..1_001).map(|id| vector(&id.to_string(), 0.5, &json!({}))).collect()));
        assert!(index.query(&Query { top_k: 101, ..query(&json!({})) }).is_err());
        assert!(index.query(&Query { top_k: 51, return_values: true, ..query(&json!({})) }).is_err());
        assert!(index.query(&query(&json!({"title": "x"}))).is_err());
        assert!(index.query(&Query { vector: vec![1.0], ..query(&json!({})) }).is_err());
    }
}
