//! [`Database`] over D1.

use pipeline::{
    failure::Failure,
    platform::{
        errors,
        ports::Database,
        statement::{Answers, Rows, Statement, Value},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{self, Array, Promise},
    wasm_bindgen_futures::JsFuture,
};

use crate::{
    database_size,
    workers::{Workers, copied, message},
};

#[wasm_bindgen]
extern "C" {
    type D1;
    #[wasm_bindgen(method, catch)]
    fn prepare(this: &D1, sql: &str) -> Result<Prepared, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn batch(this: &D1, statements: &Array) -> Result<Promise, JsValue>;

    type Prepared;
    #[wasm_bindgen(method, catch, variadic)]
    fn bind(this: &Prepared, values: Box<[JsValue]>) -> Result<Prepared, JsValue>;
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    rows_read: f64,
    #[serde(default)]
    rows_written: f64,
    #[serde(default)]
    changes: f64,
    /// Bytes of the database after the statement.
    #[serde(default)]
    size_after: f64,
}

impl Database for Workers {
    async fn transact(&self, statements: Vec<Statement>) -> Result<Answers, Failure> {
        let database: D1 = self.binding("DB")?;
        self.ask("D1", |asked| asked.count_transaction(&statements))?;
        if statements.iter().any(|statement| !statement.sql.trim_start().starts_with("SELECT")) {
            self.strictness.admit_write(database_size::last())?;
        }
        let prepared = Array::new();
        for statement in statements {
            let sql = statement.text();
            let values = statement.values.into_iter().map(js_value).collect();
            let bound =
                database.prepare(&sql).and_then(|prepared| prepared.bind(values)).map_err(|error| failure(&error))?;
            prepared.push(&bound);
        }
        let promise = database.batch(&prepared).map_err(|error| failure(&error))?;
        let answer = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        // One crossing for all rows: reading them property by property costs several times as much.
        let text = js_sys::JSON::stringify(&answer).map_err(|error| failure(&error))?;
        let answers: Vec<Answer> =
            serde_json::from_str(&copied(&text)).map_err(|error| Failure::bug(format!("an answer of D1: {error}")))?;
        if let Some(last) = answers.last() {
            database_size::note(whole(last.meta.size_after));
        }
        self.count(|usage| {
            for answer in &answers {
                usage.d1_rows_read += whole(answer.meta.rows_read);
                usage.d1_rows_written += whole(answer.meta.rows_written);
            }
        });
        let rows = answers
            .into_iter()
            .map(|answer| Rows { changes: whole(answer.meta.changes), rows: answer.results.unwrap_or_default() });
        Ok(Answers(rows.collect()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "D1 takes numbers as floats; ours are below 2^53")]
fn js_value(value: Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(number) => JsValue::from_f64(number as f64),
        Value::Real(number) => JsValue::from_f64(number),
        Value::Text(text) => JsValue::from_str(&text),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "D1 counts in whole numbers from 0")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// What a call that failed means.
fn failure(error: &JsValue) -> Failure {
    errors::of_d1(&message(error))
}
