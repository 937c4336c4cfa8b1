//! [`Clock`], [`Random`] and [`Sha256`] over the runtime.

use std::time::Duration;

use pipeline::{
    failure::Failure,
    platform::ports::{Clock, Random, Sha256},
    time::{Span, Timestamp},
};
use wasm_bindgen::prelude::*;
use worker::{
    Delay,
    js_sys::{Date, Promise, Uint8Array},
    wasm_bindgen_futures::JsFuture,
};

use crate::workers::{Workers, message};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = digest, catch)]
    fn digest(algorithm: &str, data: &Uint8Array) -> Result<Promise, JsValue>;
}

impl Clock for Workers {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and below 2^53")]
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(Date::now() as i64).plus(self.clock_shift)
    }

    async fn sleep(&self, span: Span) {
        Delay::from(Duration::from_millis(u64::try_from(span.as_milliseconds()).unwrap_or(0))).await;
    }
}

impl Random for Workers {
    fn fill(&self, buffer: &mut [u8]) {
        // The runtime's generator does not fail; zeros would show at once as clashing ids.
        if let Err(error) = getrandom::fill(buffer) {
            worker::console_error!("no randomness: {error}");
        }
    }
}

/// Below this hashing in wasm takes no longer than a call into `WebCrypto`: a tenth of a millisecond
/// by the profile of uploads of 256 files of 4 KB.
const SMALL_BYTES: usize = 16 * 1024;

impl Sha256 for Workers {
    async fn sha256(&self, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        if bytes.len() < SMALL_BYTES {
            use sha2::Digest as _;
            return Ok(sha2::Sha256::digest(bytes).into());
        }
        let failure = |error: JsValue| Failure::transient(format!("SHA-256: {}", message(&error)));
        let promise = digest("SHA-256", &Uint8Array::from(bytes)).map_err(failure)?;
        let digest = Uint8Array::new(&JsFuture::from(promise).await.map_err(failure)?);
        let mut hash = [0; 32];
        if digest.length() != 32 {
            return Err(Failure::bug("a SHA-256 that is not 32 bytes long"));
        }
        digest.copy_to(&mut hash);
        Ok(hash)
    }
}
