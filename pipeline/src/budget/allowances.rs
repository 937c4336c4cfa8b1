//! What a day may cost: its plan's allowances, or those that a deployment sets itself.
//!
//! Built in for each plan; a deployment's `LIMITS` variable lies over them (see `[env.staging]` in
//! `wrangler.toml`), and `config:limits` in KV over that. Both are JSON objects of the fields of
//! [`Allowances`] that differ. What does not hold together is not used, and `/health` says why.

use serde::{Deserialize, Serialize};

use crate::{
    budget::usage::Usage,
    constants::{self, paid},
    model::EMBEDDING,
    plan::Plan,
    platform::{
        object_keys,
        ports::{Deployment, KeyValue},
    },
    time::{Span, whole_days},
};

/// Something of which a day, or the plan, gives only so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Workers AI neurons.
    Neurons,
    /// Invocations.
    Requests,
    /// Queue operations.
    QueueOperations,
    /// Rows D1 scans.
    D1RowsRead,
    /// Rows D1 writes.
    D1RowsWritten,
    /// KV reads.
    KvReads,
    /// KV writes.
    KvWrites,
    /// R2 puts and lists: a day's part of the month's.
    R2ClassA,
    /// R2 gets: a day's part of the month's.
    R2ClassB,
    /// Requests to Durable Objects.
    ObjectRequests,
    /// Rows Durable Objects read.
    ObjectRowsRead,
    /// Rows Durable Objects write.
    ObjectRowsWritten,
    /// GB-seconds for which Durable Objects are awake.
    ObjectGbSeconds,
    /// Vectors queried: a day's part of the month's.
    VectorsQueried,
    /// Bytes of D1's database: what is stored, on whatever day.
    D1Bytes,
    /// Bytes of documents, and of uploads that are not unpacked, in R2: what is stored, on whatever day.
    R2Bytes,
}

impl Resource {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 16] = [
        Self::Neurons,
        Self::Requests,
        Self::QueueOperations,
        Self::D1RowsRead,
        Self::D1RowsWritten,
        Self::KvReads,
        Self::KvWrites,
        Self::R2ClassA,
        Self::R2ClassB,
        Self::ObjectRequests,
        Self::ObjectRowsRead,
        Self::ObjectRowsWritten,
        Self::ObjectGbSeconds,
        Self::VectorsQueried,
        Self::D1Bytes,
        Self::R2Bytes,
    ];

    /// What is not new every day: it is free again when something is deleted.
    pub const STORED: [Self; 2] = [Self::D1Bytes, Self::R2Bytes];

    /// Its name in answers, alerts and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neurons => "neurons",
            Self::Requests => "requests",
            Self::QueueOperations => "queue_operations",
            Self::D1RowsRead => "d1_rows_read",
            Self::D1RowsWritten => "d1_rows_written",
            Self::KvReads => "kv_reads",
            Self::KvWrites => "kv_writes",
            Self::R2ClassA => "r2_class_a",
            Self::R2ClassB => "r2_class_b",
            Self::ObjectRequests => "object_requests",
            Self::ObjectRowsRead => "object_rows_read",
            Self::ObjectRowsWritten => "object_rows_written",
            Self::ObjectGbSeconds => "object_gb_seconds",
            Self::VectorsQueried => "vectors_queried",
            Self::D1Bytes => "d1_bytes",
            Self::R2Bytes => "r2_bytes",
        }
    }

    /// How much of it `usage` holds; requests are not in it, but beside it, and what is stored is nowhere in it.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn used(self, usage: &Usage, requests: u64) -> f64 {
        match self {
            Self::Neurons => usage.neurons,
            Self::Requests => requests as f64,
            Self::QueueOperations => usage.queue_operations as f64,
            Self::D1RowsRead => usage.d1_rows_read as f64,
            Self::D1RowsWritten => usage.d1_rows_written as f64,
            Self::KvReads => usage.kv_reads as f64,
            Self::KvWrites => usage.kv_writes as f64,
            Self::R2ClassA => usage.r2_class_a as f64,
            Self::R2ClassB => usage.r2_class_b as f64,
            Self::ObjectRequests => usage.object_requests as f64,
            Self::ObjectRowsRead => usage.object_rows_read as f64,
            Self::ObjectRowsWritten => usage.object_rows_written as f64,
            Self::ObjectGbSeconds => usage.object_awake.as_milliseconds() as f64 / 1_000.0 * constants::OBJECT_GB,
            Self::VectorsQueried => usage.vectors_queried as f64,
            Self::D1Bytes | Self::R2Bytes => 0.0,
        }
    }
}

/// Days that a monthly allowance is spread over.
pub const DAYS_PER_MONTH: f64 = 30.0;

/// What a day may cost, and what of it each purpose and key may have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowances {
    /// Workers AI neurons a day.
    pub neurons: f64,
    /// The share of them that indexing may use; chat and search keep the rest.
    pub ingest_share: f64,
    /// The share of them that one user may use while the deployment has others.
    pub user_share: f64,
    /// Invocations a day.
    pub requests: f64,
    /// Queue operations a day.
    pub queue_operations: f64,
    /// Rows D1 scans a day.
    pub d1_rows_read: f64,
    /// Rows D1 writes a day.
    pub d1_rows_written: f64,
    /// KV reads a day.
    pub kv_reads: f64,
    /// KV writes a day.
    pub kv_writes: f64,
    /// R2 puts and lists a day.
    pub r2_class_a: f64,
    /// R2 gets a day.
    pub r2_class_b: f64,
    /// Requests to Durable Objects a day.
    pub object_requests: f64,
    /// Rows Durable Objects read a day.
    pub object_rows_read: f64,
    /// Rows Durable Objects write a day.
    pub object_rows_written: f64,
    /// GB-seconds a day for which Durable Objects are awake.
    pub object_gb_seconds: f64,
    /// Vectors queried a day.
    pub vectors_queried: f64,
    /// Bytes of D1's database.
    pub d1_bytes: f64,
    /// Bytes of documents in R2.
    pub r2_bytes: f64,
    /// Vectors stored, ever.
    pub vectors_stored: f64,
    /// Requests one API key may make a day.
    pub requests_per_key: u64,
    /// After this a conversation nobody continued is archived: whole days.
    #[serde(rename = "archive_after_days", with = "whole_days")]
    pub archive_after: Span,
}

/// The Free plan's: what each of its days may cost.
impl Default for Allowances {
    #[expect(clippy::cast_precision_loss, reason = "allowances are far below 2^52")]
    fn default() -> Self {
        let dimensions = EMBEDDING.dimensions as f64;
        Self {
            neurons: constants::NEURONS_PER_DAY as f64,
            ingest_share: constants::INGEST_SHARE,
            user_share: constants::USER_SHARE,
            requests: constants::REQUESTS_PER_DAY as f64,
            queue_operations: constants::QUEUE_OPERATIONS_PER_DAY as f64,
            d1_rows_read: constants::D1_ROWS_READ_PER_DAY as f64,
            d1_rows_written: constants::D1_ROWS_WRITTEN_PER_DAY as f64,
            kv_reads: constants::KV_READS_PER_DAY as f64,
            kv_writes: constants::KV_WRITES_PER_DAY as f64,
            r2_class_a: constants::R2_CLASS_A_PER_MONTH as f64 / DAYS_PER_MONTH,
            r2_class_b: constants::R2_CLASS_B_PER_MONTH as f64 / DAYS_PER_MONTH,
            object_requests: constants::OBJECT_REQUESTS_PER_DAY as f64,
            object_rows_read: constants::OBJECT_ROWS_READ_PER_DAY as f64,
            object_rows_written: constants::OBJECT_ROWS_WRITTEN_PER_DAY as f64,
            object_gb_seconds: constants::OBJECT_GB_SECONDS_PER_DAY as f64,
            vectors_queried: constants::VECTOR_QUERIED_DIMENSIONS_PER_MONTH as f64 / dimensions / DAYS_PER_MONTH,
            d1_bytes: constants::D1_DATABASE_BYTES as f64,
            r2_bytes: constants::R2_STORED_BYTES as f64,
            vectors_stored: constants::VECTOR_STORED_DIMENSIONS as f64 / dimensions,
            requests_per_key: constants::REQUESTS_PER_KEY_AND_DAY,
            archive_after: constants::ARCHIVE_AFTER,
        }
    }
}

/// Allowances, and what was wrong with those that are not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// In force.
    pub allowances: Allowances,
    /// Why they are not what was configured.
    pub problem: Option<String>,
}

impl Allowances {
    /// What is included in a plan: of what is given by the month, a thirtieth. On Workers Paid neurons are those of
    /// the Free plan: as many are included, and spending more is left to who sets `neurons` in `LIMITS`.
    #[expect(clippy::cast_precision_loss, reason = "allowances are far below 2^52")]
    pub fn of_plan(plan: Plan) -> Self {
        let free = Self::default();
        if plan == Plan::Free {
            return free;
        }
        let a_day = |a_month: u64| a_month as f64 / DAYS_PER_MONTH;
        let dimensions = EMBEDDING.dimensions as f64;
        Self {
            requests: a_day(paid::REQUESTS_PER_MONTH),
            queue_operations: a_day(paid::QUEUE_OPERATIONS_PER_MONTH),
            d1_rows_read: a_day(paid::D1_ROWS_READ_PER_MONTH),
            d1_rows_written: a_day(paid::D1_ROWS_WRITTEN_PER_MONTH),
            kv_reads: a_day(paid::KV_READS_PER_MONTH),
            kv_writes: a_day(paid::KV_WRITES_PER_MONTH),
            object_requests: a_day(paid::OBJECT_REQUESTS_PER_MONTH),
            object_rows_read: a_day(paid::OBJECT_ROWS_READ_PER_MONTH),
            object_rows_written: a_day(paid::OBJECT_ROWS_WRITTEN_PER_MONTH),
            object_gb_seconds: a_day(paid::OBJECT_GB_SECONDS_PER_MONTH),
            vectors_queried: a_day(paid::VECTOR_QUERIED_DIMENSIONS_PER_MONTH) / dimensions,
            vectors_stored: paid::VECTOR_STORED_DIMENSIONS as f64 / dimensions,
            d1_bytes: paid::D1_STORED_BYTES as f64,
            ..free
        }
    }

    /// The allowances in force.
    pub async fn load<P: KeyValue + Deployment>(ports: &P) -> Loaded {
        // A KV that does not answer has no configuration.
        let value = ports.get_value(object_keys::CONFIGURED_LIMITS).await.ok().flatten();
        let layers = [("LIMITS", ports.limits()), ("config:limits", value)];
        let problem = Plan::parse(&ports.plan_name()).err().map(|why| format!("PLAN: {why}"));
        let mut loaded = Loaded { allowances: Self::of_plan(ports.plan()), problem };
        for (name, layer) in layers {
            match layer.map(|layer| loaded.allowances.overlaid(&layer)) {
                None => {}
                Some(Ok(allowances)) => loaded.allowances = allowances,
                Some(Err(why)) => loaded.problem = Some(format!("{name}: {why}")),
            }
        }
        loaded
    }

    /// These with the fields that a JSON object names replaced.
    ///
    /// # Errors
    /// What is wrong with the object, for its operator.
    pub fn overlaid(self, layer: &[u8]) -> Result<Self, String> {
        let layer: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(layer).map_err(|error| error.to_string())?;
        let mut whole = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(fields) = whole.as_object_mut() {
            fields.extend(layer);
        }
        let allowances: Self = serde_json::from_value(whole).map_err(|error| error.to_string())?;
        allowances.check().map(|()| allowances)
    }

    fn check(&self) -> Result<(), String> {
        for resource in Resource::ALL {
            let allowance = self.of(resource);
            if !allowance.is_finite() || allowance <= 0.0 {
                return Err(format!("{} must be a number above 0", resource.name()));
            }
        }
        if !(0.0..=1.0).contains(&self.ingest_share) {
            return Err("ingest_share must be from 0 to 1".to_owned());
        }
        if !(self.user_share > 0.0 && self.user_share <= 1.0) {
            return Err("user_share must be above 0 and at most 1".to_owned());
        }
        if self.vectors_stored < 1.0 || self.requests_per_key == 0 || self.archive_after == Span::ZERO {
            return Err("vectors_stored, requests_per_key and archive_after_days must be above 0".to_owned());
        }
        Ok(())
    }

    /// A day's allowance of a resource.
    pub const fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Neurons => self.neurons,
            Resource::Requests => self.requests,
            Resource::QueueOperations => self.queue_operations,
            Resource::D1RowsRead => self.d1_rows_read,
            Resource::D1RowsWritten => self.d1_rows_written,
            Resource::KvReads => self.kv_reads,
            Resource::KvWrites => self.kv_writes,
            Resource::R2ClassA => self.r2_class_a,
            Resource::R2ClassB => self.r2_class_b,
            Resource::ObjectRequests => self.object_requests,
            Resource::ObjectRowsRead => self.object_rows_read,
            Resource::ObjectRowsWritten => self.object_rows_written,
            Resource::ObjectGbSeconds => self.object_gb_seconds,
            Resource::VectorsQueried => self.vectors_queried,
            Resource::D1Bytes => self.d1_bytes,
            Resource::R2Bytes => self.r2_bytes,
        }
    }

    /// Neurons a day that one user may use while there are others.
    pub fn user_neurons(&self) -> f64 {
        self.neurons * self.user_share
    }

    /// Neurons a day that indexing may use.
    pub fn ingest_neurons(&self) -> f64 {
        self.neurons * self.ingest_share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_replaces_what_it_names() {
        let allowances = Allowances::default().overlaid(br#"{"neurons": 50, "ingest_share": 0.5}"#).unwrap();
        assert!((allowances.ingest_neurons() - 25.0).abs() < 1e-9);
        assert!((allowances.kv_writes - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_less_on_the_paid_plan_but_what_it_gives_by_the_month() {
        let (free, paid) = (Allowances::of_plan(Plan::Free), Allowances::of_plan(Plan::Paid));
        // A month of these includes no more than a month of the Free plan's days.
        let as_much = [Resource::Neurons, Resource::R2ClassA, Resource::R2ClassB, Resource::R2Bytes];
        let by_the_month = [Resource::ObjectRequests];
        for resource in Resource::ALL {
            let times = paid.of(resource) / free.of(resource);
            let expected = if as_much.contains(&resource) {
                1.0..=1.0
            } else if by_the_month.contains(&resource) {
                0.3..=1.0
            } else {
                1.02..=200.0
            };
            assert!(expected.contains(&times), "{}: {times}", resource.name());
        }
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        for layer in [
            "",
            "[]",
            r#"{"neurons": 0}"#,
            r#"{"neurons": "many"}"#,
            r#"{"ingest_share": 1.5}"#,
            r#"{"user_share": 0}"#,
            r#"{"user_share": 1.5}"#,
            r#"{"nuerons": 5}"#,
            r#"{"requests_per_key": -1}"#,
            r#"{"archive_after_days": 0}"#,
        ] {
            assert!(Allowances::default().overlaid(layer.as_bytes()).is_err(), "{layer}");
        }
    }
}
