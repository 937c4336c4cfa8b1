//! Compresses the API's description: as text it would be a tenth of the Worker that answers it.

use std::{env, error::Error, fs::File, io, path::Path};

use flate2::{Compression, GzBuilder};

const DESCRIPTION: &str = "openapi.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={DESCRIPTION}");
    let target = Path::new(&env::var("OUT_DIR")?).join("openapi.json.gz");
    // Without a time, so that the same text is always the same bytes.
    let mut compressed = GzBuilder::new().write(File::create(target)?, Compression::best());
    io::copy(&mut File::open(DESCRIPTION)?, &mut compressed)?;
    compressed.finish()?;
    Ok(())
}
