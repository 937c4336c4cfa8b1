//! The Workers' configuration for one machine, made from the one that is deployed.
//!
//! The same files with Workers AI and Vectorize bound to the stand-ins. Secrets come in a file of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use pipeline::budget::allowances::Allowances;
use toml::{Table, Value};

use crate::Error;

/// The name of the gateway Worker.
pub const GATEWAY: &str = "claudes-friend";
/// The name of the consumer Worker, which the cron endpoint asks for.
pub const CONSUMERS: &str = "claudes-friend-consumers";
/// The name of the Worker that holds the stand-ins.
pub const BINDINGS: &str = "local-bindings";

/// How a product on one machine differs from the one that is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `LIMITS`: allowances that are not the Free plan's (JSON), or nothing.
    pub limits: String,
    /// How far its clock is ahead: another day begins without waiting for it.
    pub clock_shift_seconds: i64,
    /// It limits bursts of requests as deployed.
    pub holds_bursts: bool,
    /// Its queues deliver nothing by themselves: what is measured asks for one message after another.
    pub holds_messages: bool,
    /// Vectors are made of a hash of the text: for who measures everything but the model.
    pub hashes_texts: bool,
    /// `OUTAGES`: services that do not answer for a while (JSON), or nothing.
    pub outages: String,
    /// `D1_BYTES`: how large its database may be; nothing: as on the Free plan.
    pub database_bytes: String,
}

impl Profile {
    /// As the environment says: `LIMITS`, or the limits of `ENVIRONMENT`, a section of `wrangler.toml`.
    pub fn from_environment(root: &Path) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let limits = match (variable("LIMITS"), variable("ENVIRONMENT")) {
            (Some(limits), _) => limits,
            (None, Some(environment)) => limits_of(root, &environment)?,
            (None, None) => String::new(),
        };
        check_limits(&limits)?;
        Ok(Self { limits, ..Self::default() })
    }
}

/// Refuses `LIMITS` that do not hold together, which the Workers would leave unused with a line in `/health`.
pub fn check_limits(limits: &str) -> Result<(), Error> {
    if limits.trim().is_empty() {
        return Ok(());
    }
    Allowances::default().overlaid(limits.as_bytes()).map(drop).map_err(|why| format!("LIMITS: {why}").into())
}

/// `LIMITS` of an environment that is deployed; of what is live if none is named.
pub fn limits_of(root: &Path, environment: &str) -> Result<String, Error> {
    let gateway: Table = fs::read_to_string(root.join("wrangler.toml"))?.parse()?;
    let path: &[&str] =
        if environment.is_empty() { &["vars", "LIMITS"] } else { &["env", environment, "vars", "LIMITS"] };
    let limits = path
        .iter()
        .try_fold(&Value::Table(gateway), |value, key| value.get(key))
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(limits.ok_or_else(|| format!("wrangler.toml has no [env.{environment}] with LIMITS"))?)
}

/// Secrets of a local deployment: made once, kept in its state folder.
#[derive(Debug, Clone)]
pub struct Secrets {
    pepper: String,
    /// Lets its holder create users.
    pub admin_token: String,
}

impl Secrets {
    /// As a file of variables, whose values wrangler does not print.
    pub fn write_file(&self, path: &Path) -> Result<(), Error> {
        Ok(fs::write(path, format!("KEY_PEPPER={}\nADMIN_TOKEN={}\n", self.pepper, self.admin_token))?)
    }

    /// Reads the state folder's secrets, or makes them.
    pub fn load(state: &Path) -> Result<Self, Error> {
        let secret = |name: &str| -> Result<String, Error> {
            let path = state.join(name);
            if let Ok(text) = fs::read_to_string(&path) {
                return Ok(text);
            }
            let mut bytes = [0u8; 24];
            getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
            let text = HEXLOWER.encode(&bytes);
            fs::write(&path, &text)?;
            Ok(text)
        };
        Ok(Self { pepper: secret("key-pepper")?, admin_token: secret("admin-token")? })
    }
}

/// Writes the three configurations into `folder` and returns their paths, the gateway's first.
pub fn write(root: &Path, folder: &Path, model_server: &str, profile: &Profile) -> Result<Vec<PathBuf>, Error> {
    fs::create_dir_all(folder)?;
    let mut paths = Vec::new();
    for name in ["wrangler.toml", "wrangler.consumers.toml"] {
        let path = folder.join(name);
        fs::write(&path, toml::to_string(&local(root, &fs::read_to_string(root.join(name))?, profile)?)?)?;
        paths.push(path);
    }
    let mut bindings: Table = fs::read_to_string(root.join("local/bindings/wrangler.toml"))?.parse()?;
    bindings.insert("main".into(), text(&root.join("local/bindings/index.js")));
    bindings.insert(
        "vars".into(),
        Value::Table(Table::from_iter([("MODEL_SERVER".to_owned(), Value::from(model_server))])),
    );
    // What duplicates messages for tests sees the same database and queues.
    let gateway: Table = fs::read_to_string(&paths[0])?.parse()?;
    for name in ["d1_databases", "queues"] {
        if let Some(shared) = gateway.get(name) {
            bindings.insert(name.into(), shared.clone());
        }
    }
    if let Some(producers) = producers_of(&mut bindings) {
        name_dead_letters(producers);
    }
    if profile.holds_messages {
        for path in &paths {
            hold_messages(path)?;
        }
    }
    let path = folder.join("wrangler.bindings.toml");
    fs::write(&path, toml::to_string(&bindings)?)?;
    paths.push(path);
    Ok(paths)
}

fn local(root: &Path, deployed: &str, profile: &Profile) -> Result<Table, Error> {
    let mut table: Table = deployed.parse()?;
    let main = table.get("main").and_then(Value::as_str).ok_or("a configuration without main")?.to_owned();
    table.insert("main".into(), text(&root.join(main)));
    table.remove("ai");
    table.remove("vectorize");
    table.remove("observability");
    table.remove("env");
    let variables = [
        ("ENVIRONMENT".to_owned(), Value::from("local")),
        ("LIMITS".to_owned(), Value::from(profile.limits.as_str())),
        // What production refuses an invocation is refused here, too.
        ("STRICT".to_owned(), Value::from("true")),
        ("OUTAGES".to_owned(), Value::from(profile.outages.as_str())),
        ("D1_BYTES".to_owned(), Value::from(profile.database_bytes.as_str())),
        ("CLOCK_SHIFT_SECONDS".to_owned(), Value::from(profile.clock_shift_seconds.to_string())),
    ];
    table.insert("vars".into(), Value::Table(Table::from_iter(variables)));
    if !profile.holds_bursts {
        lift_bursts(&mut table);
    }
    let stand_in = |binding: &str, entrypoint: &str| {
        let pairs = [("binding", binding), ("service", "local-bindings"), ("entrypoint", entrypoint)];
        Value::Table(pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
    };
    table.insert("services".into(), Value::Array(vec![stand_in("AI", "Ai"), stand_in("VECTORIZE", "Vectorize")]));
    if let Some(databases) = table.get_mut("d1_databases").and_then(Value::as_array_mut) {
        for database in databases.iter_mut().filter_map(Value::as_table_mut) {
            database.insert("migrations_dir".into(), text(&root.join("migrations")));
        }
    }
    Ok(table)
}

/// One person on their own machine may ask as fast as it answers.
fn lift_bursts(table: &mut Table) {
    let limiters = table.get_mut("ratelimits").and_then(Value::as_array_mut);
    for limiter in limiters.into_iter().flatten().filter_map(Value::as_table_mut) {
        if let Some(simple) = limiter.get_mut("simple").and_then(Value::as_table_mut) {
            simple.insert("limit".to_owned(), Value::from(1_000_000));
        }
    }
}

fn producers_of(table: &mut Table) -> Option<&mut Vec<Value>> {
    table.get_mut("queues")?.get_mut("producers")?.as_array_mut()
}

/// Every queue's dead-letter queue beside it, `CHUNK_DEAD_LETTERS` beside `CHUNK_QUEUE`.
fn name_dead_letters(producers: &mut Vec<Value>) {
    let dead_letters: Vec<Value> = producers
        .iter()
        .filter_map(|producer| {
            let stage = producer.get("binding")?.as_str()?.strip_suffix("_QUEUE")?;
            let queue = producer.get("queue")?.as_str()?;
            let pairs = [("binding", format!("{stage}_DEAD_LETTERS")), ("queue", format!("{queue}-dlq"))];
            Some(Value::Table(pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()))
        })
        .collect();
    producers.extend(dead_letters);
}

/// Delays what the Worker sends for longer than anybody measures.
fn hold_messages(path: &Path) -> Result<(), Error> {
    const HALF_A_DAY: i64 = 12 * 60 * 60;
    let mut table: Table = fs::read_to_string(path)?.parse()?;
    for producer in producers_of(&mut table).into_iter().flatten().filter_map(Value::as_table_mut) {
        producer.insert("delivery_delay".to_owned(), Value::from(HALF_A_DAY));
    }
    Ok(fs::write(path, toml::to_string(&table)?)?)
}

fn text(path: &Path) -> Value {
    Value::from(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_messages_are_delivered_by_the_stand_ins_alone() {
        let folder = std::env::temp_dir().join(format!("friend-configuration-{}", std::process::id()));
        let profile = Profile { holds_messages: true, ..Profile::default() };
        let paths = write(&crate::product::root(), &folder, "http://127.0.0.1:1", &profile).unwrap();
        let producers = |path: &Path| {
            let mut table: Table = fs::read_to_string(path).unwrap().parse().unwrap();
            producers_of(&mut table).unwrap().clone()
        };
        let [gateway, consumers, stand_ins] = [0, 1, 2].map(|place| producers(&paths[place]));
        fs::remove_dir_all(folder).unwrap();
        let is_held = |producer: &Value| producer.get("delivery_delay").is_some();
        assert!(gateway.iter().all(is_held) && consumers.iter().all(is_held) && !stand_ins.iter().any(is_held));
        // A command names a stage, and finds its queue and the one of its dead letters.
        let names: Vec<&str> = stand_ins.iter().filter_map(|producer| producer["binding"].as_str()).collect();
        for stage in pipeline::job::message::Stage::ALL {
            let stage = stage.name().to_uppercase();
            assert!(names.contains(&format!("{stage}_QUEUE").as_str()), "{stage}");
            assert!(names.contains(&format!("{stage}_DEAD_LETTERS").as_str()), "{stage}");
        }
    }

    #[test]
    fn limits_with_a_field_that_nobody_knows_are_refused() {
        for limits in ["", " ", r#"{"neurons": 60}"#] {
            check_limits(limits).unwrap();
        }
        let why = check_limits(r#"{"bananas": 60}"#).unwrap_err().to_string();
        assert!(why.starts_with("LIMITS: unknown field `bananas`"), "{why}");
        assert!(check_limits("60").is_err());
    }

    #[test]
    fn limits_that_are_deployed_hold_together() {
        let root = crate::product::root();
        for environment in ["", "staging"] {
            check_limits(&limits_of(&root, environment).unwrap()).unwrap();
        }
        assert!(limits_of(&root, "nowhere").is_err());
    }
}
