//! [`Channels`] over Durable Objects.

use pipeline::{
    budget::channel_usage::ChannelUsage,
    chat::channel::{AddressedUpdate, Channel, EventPage, Saying, Update},
    failure::Failure,
    platform::{ports::Channels, statement::json},
    problem::Problem,
};
use wasm_bindgen::prelude::*;
use worker::{Response, js_sys::Promise, wasm_bindgen_futures::JsFuture};

use crate::workers::{Workers, message, plain_object};

#[wasm_bindgen]
extern "C" {
    type Namespace;
    #[wasm_bindgen(method, catch, js_name = idFromName)]
    fn id_from_name(this: &Namespace, name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn get(this: &Namespace, id: &JsValue) -> Result<Stub, JsValue>;

    type Stub;
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Stub, request: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;
}

/// The header in which a channel says what it used.
pub const CHANNEL_USAGE_HEADER: &str = "x-friend-channel-usage";
/// Where a channel takes what is published. Its first name: consumers are deployed before the gateway, and what
/// they publish is for the channels of the version before as well.
pub const PUBLISH_PATH: &str = "/tell";
/// Where a channel takes what is said by who has no connection to it.
pub const SAY_PATH: &str = "/say";
/// Where a channel answers a page of its events, those after `?since=`.
pub const EVENTS_PATH: &str = "/events";
/// Channels know no host; a request needs one.
const HOST: &str = "http://channel";

fn failure(error: &JsValue) -> Failure {
    Failure::transient(format!("channel: {}", message(error)))
}

impl Workers {
    /// Sends a request to a channel: a path with its query, and a JSON body if there is one.
    pub async fn ask_channel(&self, channel: &Channel, path: &str, body: Option<&str>) -> Result<Response, Failure> {
        let options = match body {
            Some(body) => format!(r#"{{"method":"POST","body":{}}}"#, serde_json::Value::from(body)),
            None => "{}".to_owned(),
        };
        let url = JsValue::from_str(&format!("{HOST}{path}"));
        let promise = self.stub(channel)?.fetch(&url, &plain_object(&options)?).map_err(|error| failure(&error))?;
        let answer = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        let response = Response::from(answer.unchecked_into::<worker::worker_sys::web_sys::Response>());
        if let Ok(Some(used)) = response.headers().get(CHANNEL_USAGE_HEADER) {
            self.count(|usage| ChannelUsage::from_header(&used).add_to(usage));
        }
        Ok(response)
    }

    /// Passes a request on to a channel as it is, such as one that becomes a WebSocket.
    pub async fn pass_to_channel(&self, channel: &Channel, request: worker::Request) -> Result<Response, Failure> {
        let request: JsValue = AsRef::<JsValue>::as_ref(request.inner()).clone();
        let promise = self.stub(channel)?.fetch(&request, &JsValue::UNDEFINED).map_err(|error| failure(&error))?;
        let answer = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
        Ok(Response::from(answer.unchecked_into::<worker::worker_sys::web_sys::Response>()))
    }

    fn stub(&self, channel: &Channel) -> Result<Stub, Failure> {
        let namespace: Namespace = self.binding("SESSIONS")?;
        self.count(|usage| usage.object_requests += 1);
        self.ask_service("Durable Objects")?;
        let id = namespace.id_from_name(&channel.name()).map_err(|error| failure(&error))?;
        namespace.get(&id).map_err(|error| failure(&error))
    }
}

impl Channels for Workers {
    async fn publish(&self, channel: &Channel, update: Update) -> Result<bool, Failure> {
        #[derive(serde::Deserialize)]
        struct Answer {
            wanted: bool,
        }
        let update = json(&AddressedUpdate::new(channel, update))?;
        let answer: Answer = read(self.ask_channel(channel, PUBLISH_PATH, Some(&update)).await?).await?;
        Ok(answer.wanted)
    }

    async fn events_after(&self, channel: &Channel, since: i64) -> Result<EventPage, Failure> {
        read(self.ask_channel(channel, &format!("{EVENTS_PATH}?since={since}"), None).await?).await
    }

    async fn say(&self, saying: &Saying) -> Result<Result<i64, Problem>, Failure> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Answer {
            Said { number: i64 },
            Refused(Box<Problem>),
        }
        let response = self.ask_channel(&saying.channel(), SAY_PATH, Some(&json(saying)?)).await?;
        Ok(match read(response).await? {
            Answer::Said { number } => Ok(number),
            Answer::Refused(problem) => Err(*problem),
        })
    }
}

/// What a channel answers.
async fn read<T: serde::de::DeserializeOwned>(mut response: Response) -> Result<T, Failure> {
    let text = response.text().await.map_err(|error| Failure::transient(format!("channel: {error}")))?;
    serde_json::from_str(&text).map_err(|_| Failure::transient("channel: it answered something else"))
}
