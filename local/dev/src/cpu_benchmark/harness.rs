//! A product whose every invocation is asked for, and the profilers of its isolates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    seed,
    table::{CALIBRATION, Row, Table},
};
use crate::{
    Error, chat_benchmark,
    client::Client,
    configuration::{self, CONSUMERS, GATEWAY},
    cpu_profile::{Cpu, Profile},
    inspector::{self, Inspector},
    language_model::LanguageModel,
    product::{Options, Product},
};

const DEADLINE: Duration = Duration::from_mins(3);
/// Nothing is refused and nothing gives way: what is measured is a day with room.
const ABUNDANCE: &str = r#"{"neurons": 1e9, "requests": 1e9, "queue_operations": 1e9, "d1_rows_read": 1e9,
    "d1_rows_written": 1e9, "kv_reads": 1e9, "kv_writes": 1e9, "r2_class_a": 1e9, "r2_class_b": 1e9,
    "object_requests": 1e9, "vectors_queried": 1e9, "vectors_stored": 1e9, "requests_per_key": 1000000000}"#;
/// What an invocation still does after its usage row is in D1, the last it waits for.
const AFTERGLOW: Duration = Duration::from_millis(15);
/// Messages asked for at once where nothing is measured.
const MESSAGES: usize = 100;
/// How long none of them may be done before they are asked for again.
const PATIENCE: Duration = Duration::from_millis(500);
const INVOCATIONS: usize = 50;
const INVOCATIONS_QUICK: usize = 8;
/// Of each kind, before the first that counts.
pub(super) const WARM_UPS: usize = 2;
/// SHA-256 of 1 MB, by the runtime, in the isolate that is measured.
const DIGEST: &str = "crypto.subtle.digest('SHA-256', new Uint8Array(1 << 20))";

/// Which isolate is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Worker {
    Gateway,
    Consumers,
}

/// A product whose every invocation is asked for.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) product: Product,
    pub(super) client: Client,
    gateway: Inspector,
    consumers: Inspector,
    /// Where profiles are kept, and how many there are.
    profiles: Option<PathBuf>,
    kept: usize,
    pub(super) invocations: usize,
    pub(super) table: Table,
}

impl Bench {
    pub(super) fn start(state: &Path, quick: bool, profiles: Option<PathBuf>) -> Result<Self, Error> {
        let profile = configuration::Profile {
            limits: ABUNDANCE.to_owned(),
            holds_messages: true,
            hashes_words: true,
            ..configuration::Profile::default()
        };
        let mut product = Product::start(Options {
            cron_every: Duration::from_hours(24),
            language_model: LanguageModel::Server(chat_benchmark::instant_model()?),
            profile,
            ..Options::for_tests(state.to_owned())
        })?;
        let client = product.new_user("measured")?;
        seed::plant(&mut product, &client)?;
        let group = product.workers_group();
        run_undisturbed(group)?;
        Ok(Self {
            gateway: Inspector::attach(group, GATEWAY)?,
            consumers: Inspector::attach(group, CONSUMERS)?,
            product,
            client,
            profiles,
            kept: 0,
            invocations: if quick { INVOCATIONS_QUICK } else { INVOCATIONS },
            table: Table::default(),
        })
    }

    /// One row of the table: `invocation` is run and measured as often as it must be.
    pub(super) fn row(
        &mut self,
        name: &'static str,
        unit: &str,
        mut invocation: impl FnMut(&mut Self, usize) -> Result<Cpu, Error>,
    ) -> Result<(), Error> {
        let mut costs = Vec::new();
        for number in 0..WARM_UPS + self.invocations {
            costs.push(invocation(self, number).map_err(|error| format!("{name}, {unit}: {error}"))?);
        }
        self.add(name, unit, &costs);
        Ok(())
    }

    /// A row of what was measured on the way, the warm-ups included.
    pub(super) fn add(&mut self, name: &'static str, unit: &str, costs: &[Cpu]) {
        self.table.print(Row { name, unit: unit.to_owned(), costs: costs[WARM_UPS.min(costs.len())..].to_vec() });
    }

    /// Samples a Worker during `work` and until the invocations that it causes have ended: each writes a
    /// usage row that names its route or stage.
    pub(super) fn cpu<T>(
        &mut self,
        worker: Worker,
        (source, rows): (&str, usize),
        work: impl FnOnce(&Product) -> Result<T, Error>,
    ) -> Result<(T, Cpu), Error> {
        let (product, since) = (&self.product, now());
        let inspector = match worker {
            Worker::Gateway => &mut self.gateway,
            Worker::Consumers => &mut self.consumers,
        };
        let (done, profile) = inspector.profile(|| {
            let done = work(product)?;
            let sql = format!("SELECT count(*) FROM usage_log WHERE source = '{source}' AND at >= {since}");
            wait_until(&format!("usage row of {source}"), || Ok(number(product, &sql)? >= rows))?;
            thread::sleep(AFTERGLOW);
            Ok(done)
        })?;
        let bundle = inspector.bundle().clone();
        self.keep(source, &profile)?;
        Ok((done, serde_json::from_value::<Profile>(profile)?.cpu(&bundle)))
    }

    /// Keeps the profile of an invocation, if somebody wants to look at it.
    fn keep(&mut self, source: &str, profile: &Value) -> Result<(), Error> {
        let Some(folder) = &self.profiles else { return Ok(()) };
        fs::create_dir_all(folder)?;
        self.kept += 1;
        let name: String = source.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(fs::write(folder.join(format!("{:04}{name}.cpuprofile", self.kept)), profile.to_string())?)
    }

    /// A request to the gateway, and its answer.
    pub(super) fn request(
        &mut self,
        (method, route): (&str, &str),
        path: &str,
        body: &Value,
    ) -> Result<(Value, Cpu), Error> {
        let client = self.client.clone();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.cpu(Worker::Gateway, (route, 1), |_| {
            client.send(method, path, &[("content-type", "application/json")], &body)?.success()
        })
    }

    /// One message to a stage, by the name of its queue.
    pub(super) fn message(&mut self, stage: &str) -> Result<Cpu, Error> {
        let ((), cpu) =
            self.cpu(Worker::Consumers, (stage, 1), |product| product.command(&format!("deliver {stage} 1")))?;
        Ok(cpu)
    }

    /// Lets a stage do all that waits for it, unmeasured.
    pub(super) fn drain(&self, stage: &str) -> Result<(), Error> {
        // What goes on in the same stage is due a moment after it was asked for.
        let due = || {
            let sql = format!(
                "SELECT count(*) FROM job_items WHERE stage = '{stage}' AND state IN ('queued', 'running') \
                 AND next_at <= {}",
                now()
            );
            number(&self.product, &sql)
        };
        let mut left = due()?;
        while left > 0 {
            self.product.command(&format!("deliver {stage} {MESSAGES}"))?;
            let wanted = left.saturating_sub(MESSAGES);
            // What goes on in the same stage stays queued: a while without progress is no error.
            let mut deadline = Instant::now() + PATIENCE;
            while left > wanted && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
                let now_left = due()?;
                if now_left < left {
                    deadline = Instant::now() + PATIENCE;
                }
                left = now_left;
            }
        }
        Ok(())
    }

    /// Lets all stages do all there is to do.
    pub(super) fn drain_all(&self) -> Result<(), Error> {
        wait_until("end of the work", || {
            let stages = self.product.query(&format!(
                "SELECT DISTINCT stage FROM job_items WHERE state IN ('queued', 'running') AND next_at <= {}",
                now()
            ))?;
            stages.iter().flatten().try_for_each(|stage| self.drain(stage))?;
            Ok(stages.is_empty())
        })
    }

    /// Uploads documents; their job.
    pub(super) fn upload(&self, documents: &[(String, String)]) -> Result<String, Error> {
        let answer = self.client.post("/api/index", &documents_of(documents))?.success()?;
        Ok(answer["job_id"].as_str().ok_or("nothing was queued")?.to_owned())
    }

    /// Stops a job whose messages nobody is to see.
    pub(super) fn cancel(&self, job: &str) -> Result<(), Error> {
        self.client.post(&format!("/api/jobs/{job}/cancel"), &Value::Null)?.success().map(drop)
    }

    pub(super) fn calibrate(&mut self) -> Result<(), Error> {
        for worker in [Worker::Gateway, Worker::Consumers] {
            let (inspector, unit) = match worker {
                Worker::Gateway => (&mut self.gateway, "in the gateway's isolate"),
                Worker::Consumers => (&mut self.consumers, "in the consumers' isolate"),
            };
            let mut costs = Vec::new();
            for _ in 0..WARM_UPS + self.invocations {
                let profile = inspector.profile_expression(DIGEST)?;
                costs.push(profile.cpu(inspector.bundle()));
            }
            self.add(CALIBRATION, unit, &costs);
        }
        Ok(())
    }
}

pub(super) fn documents_of(documents: &[(String, String)]) -> Value {
    let document = |(name, content): &(String, String)| json!({ "external_id": name, "content": content });
    json!({ "documents": documents.iter().map(document).collect::<Vec<_>>() })
}

/// The number that a statement answers with.
fn number(product: &Product, sql: &str) -> Result<usize, Error> {
    let rows = product.query(sql)?;
    Ok(rows.first().and_then(|row| row.first()?.parse().ok()).ok_or("no number")?)
}

fn wait_until(what: &str, mut is_there: impl FnMut() -> Result<bool, Error>) -> Result<(), Error> {
    let deadline = Instant::now() + DEADLINE;
    while !is_there()? {
        if Instant::now() > deadline {
            return Err(format!("no {what} after {DEADLINE:?}").into());
        }
        thread::sleep(Duration::from_millis(4));
    }
    Ok(())
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the rows of a running product carry the machine's own time")]
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Lets workerd run before all others where this is allowed: on a busy machine its profiler, which inherits
/// this, would else sample late and see too little. It is refused to who may not, whose machine must be quiet.
fn run_undisturbed(group: u32) -> Result<(), Error> {
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        if inspector::is_workerd(&entry.path(), group) {
            let mut command = Command::new("chrt");
            command.args(["--fifo", "--pid", "1"]).arg(entry.file_name());
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
    Ok(())
}
