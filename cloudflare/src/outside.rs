//! [`Outside`] over fetch.

use futures_util::future::{Either, select};
use pipeline::{
    failure::Failure,
    platform::{
        asked::Asked,
        ports::{Clock, Outside},
    },
    time::Span,
};
use worker::{Fetch, Headers, Method, Request, RequestInit};

use crate::workers::Workers;

/// How long an answer may take: what Standard Webhooks recommends at least.
const TIMEOUT: Span = Span::seconds(15);

impl Outside for Workers {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Result<u16, Failure> {
        // The address may hold a secret: it is left out of the message.
        let failure = |error: worker::Error| Failure::transient(format!("outside: {error}").replace(url, "(address)"));
        let mut init = RequestInit::new();
        let set = Headers::new();
        for (name, value) in headers {
            set.set(name, value).map_err(failure)?;
        }
        init.with_method(Method::Post).with_headers(set).with_body(Some(body.into()));
        let request = Request::new_with_init(url, &init).map_err(failure)?;
        self.ask("outside", Asked::count_outside)?;
        let fetch = Fetch::Request(request);
        let sent = Box::pin(fetch.send());
        match select(sent, Box::pin(self.sleep(TIMEOUT))).await {
            Either::Left((answer, _)) => answer.map(|answer| answer.status_code()).map_err(failure),
            Either::Right(((), _)) => Err(Failure::transient("outside: no answer in time")),
        }
    }
}
