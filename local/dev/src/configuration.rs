//! The Workers' configuration for one machine, made from the one that is deployed.
//!
//! The same files with Workers AI and Vectorize bound to the stand-ins. Secrets come in a file of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use pipeline::{budget::allowances::Allowances, plan::Plan};
use toml::{Table, Value};

use crate::Error;

/// `LIMITS` of a day that has more of everything than anybody takes: where a way is measured, not the day.
pub const ABUNDANCE: &str = r#"{"neurons": 1e9, "requests": 1e9, "queue_operations": 1e9, "d1_rows_read": 1e9,
    "d1_rows_written": 1e9, "kv_reads": 1e9, "kv_writes": 1e9, "r2_class_a": 1e9, "r2_class_b": 1e9,
    "object_requests": 1e9, "vectors_queried": 1e9, "vectors_stored": 1e9, "d1_bytes": 1e10,
    "requests_per_key": 1000000000}"#;
/// The name of the gateway Worker.
pub const GATEWAY: &str = "claudes-friend";
/// The name of the consumer Worker, which the cron endpoint asks for.
pub const CONSUMERS: &str = "claudes-friend-consumers";
/// What the gateway is deployed by.
const GATEWAY_FILE: &str = "wrangler.toml";
/// What the consumer Worker is deployed by.
const CONSUMERS_FILE: &str = "wrangler.consumers.toml";
/// The name of the Worker that holds the stand-ins.
pub const BINDINGS: &str = "local-bindings";

/// How many requests a caller may make at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bursts {
    /// As many as it answers: for who measures, or tests something else.
    #[default]
    Unlimited,
    /// As many as where it is deployed, and as it announces.
    Deployed,
    /// A tenth of what is deployed: so few that the slowest machine can be asked more.
    Tenth,
}

/// How a product on one machine differs from the one that is deployed.
#[expect(clippy::struct_excessive_bools, reason = "variables of a deployment: each is a switch of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `PLAN`: the Workers plan it runs on.
    pub plan: String,
    /// `LIMITS`: allowances that are not the plan's (JSON), or nothing.
    pub limits: String,
    /// How far its clock is ahead: another day begins without waiting for it.
    pub clock_shift: Duration,
    /// How it limits bursts of requests.
    pub bursts: Bursts,
    /// Its queues deliver nothing by themselves: what is measured asks for one message after another.
    pub holds_messages: bool,
    /// Vectors are made of hashes of a text's words: for who measures or tests everything but the model.
    pub hashes_words: bool,
    /// Workers AI and Vectorize are as slow and as narrow as in production; without it they do all at once.
    pub strict_models: bool,
    /// `OUTAGES`: services that do not answer for a while (JSON), or nothing.
    pub outages: String,
    /// `ALLOWED_ORIGINS`: pages that may call it, or nothing.
    pub allowed_origins: String,
    /// `DRAFTS_ONLY`: what its language model writes is not shown before it was checked.
    pub drafts_only: bool,
    /// `D1_BYTES`: how large its database may be; nothing: as on the Free plan.
    pub database_bytes: String,
}

impl Profile {
    /// As the environment says: `ALLOWED_ORIGINS`, `PLAN`, and `LIMITS`, or both of these as `ENVIRONMENT` has them, a
    /// section of `wrangler.toml`.
    pub fn from_environment(root: &Path) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let configured = |name: &str| match (variable(name), variable("ENVIRONMENT")) {
            (Some(value), _) => Ok(value),
            (None, Some(environment)) => variable_of(root, GATEWAY_FILE, &environment, name),
            (None, None) => Ok(String::new()),
        };
        let (plan, limits) = (configured("PLAN")?, configured("LIMITS")?);
        check_plan(&plan)?;
        check_limits(&limits)?;
        let allowed_origins = variable("ALLOWED_ORIGINS").unwrap_or_default();
        Ok(Self { plan, limits, allowed_origins, ..Self::default() })
    }

    /// The model that makes its vectors, where it is the one that comes with the product: of what another says, or of
    /// hashes of words, nobody has measured what it means.
    fn embedding_stand_in(&self) -> &'static str {
        let is_another = std::env::var("EMBEDDING_MODEL").is_ok_and(|path| !path.is_empty());
        if is_another || self.hashes_words { "" } else { "all-MiniLM-L6-v2" }
    }

    /// The same, as strict as production in all that can be had here: what `make dev` starts. Whoever measures, shows
    /// or tests something else has no use for what that costs in time.
    #[must_use]
    pub fn as_deployed(self) -> Self {
        Self { bursts: Bursts::Deployed, strict_models: true, ..self }
    }
}

/// Refuses `LIMITS` that do not hold together, which the Workers would leave unused with a line in `/health`.
pub fn check_limits(limits: &str) -> Result<(), Error> {
    if limits.trim().is_empty() {
        return Ok(());
    }
    Allowances::default().overlaid(limits.as_bytes()).map(drop).map_err(|why| format!("LIMITS: {why}").into())
}

/// Refuses a `PLAN` that there is not, in whose place the Workers would take the Free plan.
pub fn check_plan(plan: &str) -> Result<(), Error> {
    Plan::parse(plan).map(drop).map_err(|why| format!("PLAN: {why}").into())
}

/// Refuses what an environment that is to be deployed says of its plan and its allowances, if it does not hold
/// together, or is not the same for both Workers.
pub fn check_deployed(root: &Path, environment: &str) -> Result<(), Error> {
    for name in ["PLAN", "LIMITS"] {
        let value = |file: &str| variable_of(root, file, environment, name);
        if value(GATEWAY_FILE)? != value(CONSUMERS_FILE)? {
            return Err(format!("{name} is not the same in {GATEWAY_FILE} and {CONSUMERS_FILE}").into());
        }
    }
    check_plan(&variable_of(root, GATEWAY_FILE, environment, "PLAN")?)?;
    check_limits(&limits_of(root, environment)?)
}

/// `LIMITS` of an environment that is deployed; of what is live if none is named.
pub fn limits_of(root: &Path, environment: &str) -> Result<String, Error> {
    variable_of(root, GATEWAY_FILE, environment, "LIMITS")
}

/// A variable of an environment, as a configuration has it.
fn variable_of(root: &Path, file: &str, environment: &str, name: &str) -> Result<String, Error> {
    let table: Table = fs::read_to_string(root.join(file))?.parse()?;
    let path: &[&str] = if environment.is_empty() { &["vars", name] } else { &["env", environment, "vars", name] };
    let value = path
        .iter()
        .try_fold(&Value::Table(table), |value, key| value.get(key))
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(value.ok_or_else(|| format!("{file} has no {}", path.join(".")))?)
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
    for name in [GATEWAY_FILE, CONSUMERS_FILE] {
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
    if let Some(assets) = table.get_mut("assets").and_then(Value::as_table_mut) {
        let directory = assets.get("directory").and_then(Value::as_str).unwrap_or_default().to_owned();
        assets.insert("directory".into(), text(&root.join(directory)));
    }
    table.remove("ai");
    table.remove("vectorize");
    table.remove("observability");
    table.remove("env");
    let variables = [
        ("ENVIRONMENT".to_owned(), Value::from("local")),
        ("PLAN".to_owned(), Value::from(profile.plan.as_str())),
        ("LIMITS".to_owned(), Value::from(profile.limits.as_str())),
        // What production refuses an invocation is refused here, too.
        ("STRICT".to_owned(), Value::from("true")),
        ("DRAFTS_ONLY".to_owned(), Value::from(profile.drafts_only.to_string())),
        ("OUTAGES".to_owned(), Value::from(profile.outages.as_str())),
        ("EMBEDDING_STAND_IN".to_owned(), Value::from(profile.embedding_stand_in())),
        ("ALLOWED_ORIGINS".to_owned(), Value::from(profile.allowed_origins.as_str())),
        ("D1_BYTES".to_owned(), Value::from(profile.database_bytes.as_str())),
        ("CLOCK_SHIFT_SECONDS".to_owned(), Value::from(profile.clock_shift.as_secs().to_string())),
    ];
    table.insert("vars".into(), Value::Table(Table::from_iter(variables)));
    limit_bursts(&mut table, profile.bursts);
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

fn limit_bursts(table: &mut Table, bursts: Bursts) {
    let limiters = table.get_mut("ratelimits").and_then(Value::as_array_mut);
    for limiter in limiters.into_iter().flatten().filter_map(Value::as_table_mut) {
        let Some(simple) = limiter.get_mut("simple").and_then(Value::as_table_mut) else { continue };
        let deployed = simple.get("limit").and_then(Value::as_integer).unwrap_or_default();
        let limit = match bursts {
            Bursts::Unlimited => 1_000_000,
            Bursts::Deployed => deployed,
            Bursts::Tenth => deployed / 10,
        };
        simple.insert("limit".to_owned(), Value::from(limit));
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
    use pipeline::constants;

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
    fn what_is_started_as_deployed_admits_the_bursts_that_it_announces() {
        let folder = std::env::temp_dir().join(format!("friend-bursts-{}", std::process::id()));
        let limits = |profile: Profile| -> Vec<i64> {
            let paths = write(&crate::product::root(), &folder, "http://127.0.0.1:1", &profile).unwrap();
            let table: Table = fs::read_to_string(&paths[0]).unwrap().parse().unwrap();
            let limiters = table["ratelimits"].as_array().unwrap();
            limiters.iter().map(|limiter| limiter["simple"]["limit"].as_integer().unwrap()).collect()
        };
        let announced =
            [constants::BURST_PER_ADDRESS, constants::BURST_PER_KEY, constants::REFUSALS_BEFORE_BAN].map(i64::from);
        assert_eq!(limits(Profile::default().as_deployed()), announced);
        assert_eq!(limits(Profile { bursts: Bursts::Tenth, ..Profile::default() }), announced.map(|limit| limit / 10));
        assert!(limits(Profile::default()).iter().all(|limit| *limit >= 1_000_000));
        fs::remove_dir_all(folder).unwrap();
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
            check_deployed(&root, environment).unwrap();
        }
        assert!(check_deployed(&root, "nowhere").is_err());
    }

    #[test]
    fn a_plan_that_there_is_not_is_refused_and_so_are_two() {
        for plan in ["", "free", "paid"] {
            check_plan(plan).unwrap();
        }
        assert!(check_plan("premium").unwrap_err().to_string().starts_with("PLAN: "));
        let folder = std::env::temp_dir().join(format!("friend-plan-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let deploy = |gateway: &str, consumers: &str| {
            fs::write(folder.join(GATEWAY_FILE), format!("vars = {{ LIMITS = \"\", PLAN = \"{gateway}\" }}")).unwrap();
            fs::write(folder.join(CONSUMERS_FILE), format!("vars = {{ LIMITS = \"\", PLAN = \"{consumers}\" }}"))
                .unwrap();
            check_deployed(&folder, "").map_err(|why| why.to_string())
        };
        assert_eq!(deploy("paid", "paid"), Ok(()));
        assert!(deploy("paid", "free").unwrap_err().contains("not the same"));
        assert!(deploy("premium", "premium").unwrap_err().contains("is no plan"));
        fs::remove_dir_all(folder).unwrap();
    }
}
