//! The whole product on one machine: the model server, then both Workers in the real workerd.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, types::ValueRef};

use crate::{
    Error,
    client::Client,
    configuration::{self, ABUNDANCE, Profile, Secrets},
    language_model::LanguageModel,
    migrations::{self, sqlite_file},
    process::{Process, START_DEADLINE},
    schedule::{Cron, Schedule, trigger, trigger_command, trigger_duplicates},
};

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The repository.
    pub root: PathBuf,
    /// Where all state is kept.
    pub state: PathBuf,
    /// Loopback port of the gateway; 0 takes a free one.
    pub port: u16,
    /// How often the schedule runs; cron does not fire by itself here.
    pub cron_every: Duration,
    /// The language model.
    pub language_model: LanguageModel,
    /// Where vectors are kept that were computed before, if not all are to be computed anew.
    pub embedding_cache: Option<PathBuf>,
    /// How it differs from what is deployed.
    pub profile: Profile,
}

impl Options {
    /// For a state folder, with a free port and a quick schedule, as tests want it.
    pub fn for_tests(state: PathBuf) -> Self {
        let root = root();
        Self {
            language_model: LanguageModel::from_environment(&root),
            root,
            state,
            port: 0,
            cron_every: Duration::from_secs(2),
            embedding_cache: None,
            profile: Profile::default(),
        }
    }

    /// The same without a language model for an evaluation, whose one user asks more than a user's share of a day.
    pub fn for_evaluations(state: PathBuf) -> Self {
        Self {
            cron_every: Duration::from_secs(30),
            language_model: LanguageModel::None,
            profile: Profile { limits: ABUNDANCE.to_owned(), ..Profile::default() },
            embedding_cache: Some(embedding_cache()),
            ..Self::for_tests(state)
        }
    }
}

/// The embedding cache that tests and evaluations share: as good as the build, and gone with it.
pub fn embedding_cache() -> PathBuf {
    root().join("target/embeddings")
}

/// The repository this was built from.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap_or_else(|_| PathBuf::from("."))
}

/// A running product.
#[derive(Debug)]
pub struct Product {
    options: Options,
    secrets: Secrets,
    port: u16,
    configurations: Vec<PathBuf>,
    workers: Process,
    cron: Cron,
    /// Serves models and vectors; survives [`kill_workers`](Self::kill_workers).
    models: Process,
    /// Serves the language model, if there is one of our own.
    llm: Option<Process>,
    /// The model server's address.
    pub model_server: String,
}

/// How often a new user is asked for again, and the pause before it.
const NEW_USER_RETRIES: u32 = 5;
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const SECRETS_FILE: &str = "secrets.env";
/// What wrangler persists to, in the state folder.
const PERSISTED: &str = "wrangler";

impl Product {
    /// Starts everything and waits until it answers.
    pub fn start(options: Options) -> Result<Self, Error> {
        fs::create_dir_all(&options.state)?;
        let options = Options { state: options.state.canonicalize()?, ..options };
        let secrets = Secrets::load(&options.state)?;
        let (llm, llm_url) = options.language_model.start(&options.root, &options.state)?;
        let (models, model_server) = start_models(&options, llm_url.as_deref())?;
        let configurations = write_configuration(&options, &model_server)?;
        secrets.write_file(&options.state.join(SECRETS_FILE))?;
        let persisted = options.state.join(PERSISTED);
        migrations::apply(&options.root, &persisted, &configurations[0], || wrangler(&options))?;
        let port = if options.port == 0 { free_port()? } else { options.port };
        let workers = start_workers(&options, &configurations, port)?;
        let cron = Cron::start(port, options.cron_every);
        let mut product = Self { options, secrets, port, configurations, workers, cron, models, llm, model_server };
        product.wait_until_ready()?;
        Ok(product)
    }

    /// The gateway's address.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The workers' process group.
    pub fn workers_group(&self) -> u32 {
        self.workers.group()
    }

    /// The process groups of all its servers, for who keeps it until the process ends and cannot drop it.
    pub fn groups(&self) -> impl Iterator<Item = u32> {
        [Some(&self.workers), Some(&self.models), self.llm.as_ref()].into_iter().flatten().map(Process::group)
    }

    /// True while all servers run.
    pub fn is_running(&mut self) -> bool {
        self.workers.is_running() && self.models.is_running() && self.llm.as_mut().is_none_or(Process::is_running)
    }

    /// A client with the key of this machine's own user, made at the first start.
    pub fn client(&self) -> Result<Client, Error> {
        let path = self.options.state.join("api-key");
        if let Ok(key) = fs::read_to_string(&path) {
            return Ok(Client::new(&self.url(), &key));
        }
        let client = self.new_user("local")?;
        fs::write(path, client.key())?;
        Ok(client)
    }

    /// A client of a new user. Whoever reads D1's file beside the Workers locks it for a moment, which they answer
    /// with 503: it is sent again, as any client does.
    pub fn new_user(&self, name: &str) -> Result<Client, Error> {
        let create = || Client::create_user(&self.url(), &self.secrets.admin_token, name);
        for _ in 0..NEW_USER_RETRIES {
            if let Ok(client) = create() {
                return Ok(client);
            }
            thread::sleep(RETRY_PAUSE);
        }
        create()
    }

    /// Kills the Workers in the middle of whatever they do: what their queues held is lost.
    pub fn kill_workers(&mut self) {
        self.cron.pause();
        self.workers.kill();
    }

    /// Starts the Workers again over the state they left.
    pub fn restart_workers(&mut self) -> Result<(), Error> {
        self.workers = start_workers(&self.options, &self.configurations, self.port)?;
        self.wait_until_ready()?;
        self.cron.resume();
        Ok(())
    }

    /// Changes how it differs from what is deployed, from the next start of the Workers on.
    pub fn set_profile(&mut self, profile: Profile) -> Result<(), Error> {
        self.options.profile = profile;
        self.configurations = write_configuration(&self.options, &self.model_server)?;
        Ok(())
    }

    /// Runs the schedule now.
    pub fn run_cron(&self, schedule: Schedule) -> Result<(), Error> {
        trigger(self.port, schedule)
    }

    /// Sends one more message for every unfinished item. Workers that have just started may need a
    /// moment before they can be triggered.
    pub fn duplicate_messages(&self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match trigger_duplicates(self.port) {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(200)),
                outcome => return outcome,
            }
        }
    }

    /// Gives the stand-ins one of the commands of `local/bindings/index.js`.
    pub(crate) fn command(&self, command: &str) -> Result<(), Error> {
        trigger_command(self.port, command)
    }

    /// One statement against the local D1, read from its file; for checking what is stored.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        read_rows(&self.database()?, sql)
    }

    /// One statement that changes the local D1 in its file, as an operator's own hand.
    pub fn change(&self, sql: &str) -> Result<usize, Error> {
        let connection = Connection::open(self.database()?)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection.execute(sql, [])?)
    }

    fn database(&self) -> Result<PathBuf, Error> {
        sqlite_file(&self.options.state.join(PERSISTED).join(migrations::OBJECTS))
    }

    /// One statement against the storage of every channel, by its file; without those for which it fails, such as
    /// of tables that a channel does not have.
    pub fn query_channels(&self, sql: &str) -> Result<BTreeMap<PathBuf, Vec<Vec<String>>>, Error> {
        let folder = self.options.state.join(PERSISTED).join("v3/do/claudes-friend-Session");
        let paths = fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let databases = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sqlite"));
        Ok(databases.filter_map(|path| read_rows(&path, sql).ok().map(|rows| (path, rows))).collect())
    }

    /// Statements that fill the local D1; only while the Workers are down.
    pub(crate) fn fill(&self, sql: &str) -> Result<(), Error> {
        Ok(Connection::open(self.database()?)?.execute_batch(sql)?)
    }

    /// Keys of all objects in the local R2.
    pub fn object_keys(&self) -> Result<Vec<String>, Error> {
        let database = sqlite_file(&self.options.state.join(PERSISTED).join("v3/r2/miniflare-R2BucketObject"))?;
        Ok(read_rows(&database, "SELECT key FROM _mf_objects ORDER BY key")?.into_iter().flatten().collect())
    }

    /// Ids of all vectors in the index.
    pub fn vector_ids(&self) -> Result<Vec<String>, Error> {
        Ok(ureq::get(format!("{}/vectorize/ids", self.model_server)).call()?.body_mut().read_json()?)
    }

    /// Makes Workers AI and Vectorize fail as asked; see `local_models::faults::Faults`.
    pub fn set_faults(&self, faults: &serde_json::Value) -> Result<(), Error> {
        ureq::post(format!("{}/faults", self.model_server)).send_json(faults)?;
        Ok(())
    }

    /// What the model was used for so far.
    pub fn model_use(&self) -> Result<serde_json::Value, Error> {
        Ok(ureq::get(format!("{}/used", self.model_server)).call()?.body_mut().read_json()?)
    }

    /// Where everything the servers print goes.
    pub fn log(&self) -> PathBuf {
        self.options.state.join("workers.log")
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let client = Client::new(&self.url(), "");
        let deadline = Instant::now() + START_DEADLINE;
        while !client.is_healthy() {
            if !self.workers.is_running() || Instant::now() > deadline {
                return Err(format!("the Workers did not start; see {}", self.log().display()).into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

fn write_configuration(options: &Options, model_server: &str) -> Result<Vec<PathBuf>, Error> {
    configuration::write(&options.root, &options.state.join("configuration"), model_server, &options.profile)
}

fn start_models(options: &Options, llm_url: Option<&str>) -> Result<(Process, String), Error> {
    let program =
        std::env::current_exe()?.ancestors().map(|folder| folder.join("local-models")).find(|path| path.is_file());
    let program = program.ok_or("local-models is not built; run make")?;
    let mut command = Command::new(program);
    command
        .args(["--port", "0", "--vectors"])
        .arg(options.state.join("vectors.sqlite"))
        .arg("--models")
        .arg(options.root.join(".tools/models"));
    command.env_remove("LLM_URL");
    if options.profile.hashes_words {
        command.arg("--hash-words");
    }
    if options.profile.strict_models {
        command.arg("--strict");
    }
    if let Some(url) = llm_url {
        command.args(["--llm-url", url]);
    }
    if let Some(folder) = &options.embedding_cache {
        command.arg("--cache").arg(folder);
    }
    let (process, address) =
        Process::start_server(&mut command, &options.state.join("models.log"), "model server on ")?;
    Ok((process, format!("http://{address}")))
}

/// wrangler under the Node it needs, without a question or a call home.
fn wrangler(options: &Options) -> Command {
    let mut command = Command::new(options.root.join("node_modules/node/bin/node"));
    command
        .arg(options.root.join("node_modules/wrangler/bin/wrangler.js"))
        .current_dir(&options.root)
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_HIDE_BANNER", "true")
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("WRANGLER_REGISTRY_PATH", options.state.join("registry"))
        .env("WRANGLER_LOG_PATH", options.state.join("wrangler-logs"))
        .env("CI", "true");
    command
}

fn start_workers(options: &Options, configurations: &[PathBuf], port: u16) -> Result<Process, Error> {
    // Killed Workers stay in the registry, and triggers would be sent to where they were.
    let _ = fs::remove_dir_all(options.state.join("registry"));
    let mut command = wrangler(options);
    command.args([
        "dev",
        "--local",
        "--port",
        &port.to_string(),
        "--inspector-port",
        "0",
        "--show-interactive-dev-session=false",
        "--persist-to",
    ]);
    command.arg(options.state.join(PERSISTED)).arg("--env-file").arg(options.state.join(SECRETS_FILE));
    for configuration in configurations {
        command.arg("--config").arg(configuration);
    }
    Process::start(&mut command, &options.state.join("workers.log"))
}

fn free_port() -> Result<u16, Error> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn read_rows(database: &Path, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get_ref(column).map(text)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}
