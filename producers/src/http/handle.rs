//! What every request goes through before its handler sees it, and after.
//!
//! Whoever floods is refused before anything is looked up. The body comes last: it is read when the operation is
//! known and the caller's key is good, and no further than the operation's row allows. What was refused, or was
//! nobody's and wrote nothing, leaves no usage row: one address could fill the day's writes with them. The platform
//! counts it all the same, and so does the isolate, which leaves it to the ledger for one row of many.

use bytes::Bytes;
use http::{HeaderName, Method, Request, StatusCode, header};
use pipeline::{
    budget::{day::Budget, usage::Usage, user_day},
    failure::Failure,
    ids::{RequestId, UserId},
    platform::ports::Burst,
    problem::{Code, Problem},
};

use crate::http::{
    authenticate::{self, Caller},
    body::{self, RequestBody, Unread, length_required},
    call::{Call, HOOKS_PATH, PublicCall, RequestPorts, Settings},
    cors, openai_problem,
    operation::{Handler, KeyedHandler, Operation, PublicHandler},
    parameters,
    rate_limit::{self, Limited},
    reply::{Answer, Body, Refusal, Reply},
    routing,
};

/// What the log says of a request, beside what the edge measures.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its id.
    pub request_id: RequestId,
    /// The route's path pattern.
    pub route: &'static str,
    /// The tenant, once known.
    pub user: Option<UserId>,
    /// The id of the API key, once known.
    pub key: Option<String>,
    /// The port that failed.
    pub failure: Option<Failure>,
    /// True if the ledger is to have a row of it.
    pub is_recorded: bool,
}

/// Answers a request: finds its operation, its tenant, and lets the handler do the rest.
pub async fn handle<P: RequestPorts>(
    ports: &P,
    settings: &Settings,
    request: Request<impl RequestBody>,
    request_id: RequestId,
) -> (Reply, Summary) {
    let summary = Summary { request_id, route: "unknown", user: None, key: None, failure: None, is_recorded: false };
    let path = request.uri().path().to_owned();
    let origin = cors::allowed_origin(settings, request.headers());
    let is_head = request.method() == Method::HEAD;
    let mut exchange = Exchange { ports, settings, path: &path, origin: origin.as_deref(), summary };
    let reply = match exchange.answer(request).await {
        Ok(reply) => reply,
        Err(refusal) => exchange.refuse(refusal),
    };
    let reply = if path == HOOKS_PATH { exchange.undisturbed(reply) } else { reply };
    let reply = cors::mark(reply, settings, origin.as_deref());
    // What would be streamed, or asked of a channel, is not.
    let reply = if is_head { Reply { body: Body::Bytes(Vec::new()), ..reply } } else { reply };
    exchange.summary.is_recorded |= has_written(&ports.usage());
    if let Body::Join(joining) = &reply.body {
        // The channel that is asked next is an object request, on its owner's account.
        exchange.summary.is_recorded = true;
        exchange.summary.user = Some(joining.channel.owner().clone());
    }
    if !exchange.summary.is_recorded {
        ports.with_memory(|memory| memory.leave_unrecorded(ports.usage(), ports.now()));
    }
    let reply = reply.with(HeaderName::from_static("x-request-id"), exchange.summary.request_id.as_str());
    (reply, exchange.summary)
}

/// True if something was written or spent, which must be counted whoever asked: a new user, a ticket, a ban.
fn has_written(usage: &Usage) -> bool {
    let written = usage.d1_rows_written + usage.kv_writes + usage.r2_class_a + usage.queue_operations;
    written + usage.object_requests > 0 || usage.neurons > 0.0
}

/// A request that is being answered.
struct Exchange<'a, P> {
    ports: &'a P,
    settings: &'a Settings,
    path: &'a str,
    /// Where its page comes from, if that may read the answer.
    origin: Option<&'a str>,
    summary: Summary,
}

/// An operation that a request asks for.
struct Matched<'a, P: 'static> {
    operation: &'static Operation<P>,
    id: &'a str,
}

impl<P: RequestPorts> Exchange<'_, P> {
    async fn answer(&mut self, request: Request<impl RequestBody>) -> Answer {
        // First of all: whoever asks for what there is not would otherwise be limited by nothing.
        if let Err(limited) = rate_limit::admit(self.ports, Burst::Address, &rate_limit::address(&request)).await {
            return Ok(self.limited(&limited));
        }
        let path = self.path;
        let found = routing::find::<P>(path).ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                format!("there is no {}; GET /openapi.json describes what there is", shortened(path)),
            )
        })?;
        self.summary.route = found.path;
        let id = found.id;
        if *request.method() == Method::OPTIONS {
            return Ok(cors::options(&found.allowed(), request.headers(), self.origin));
        }
        // Never for a page that the deployment does not name, whatever key it has got hold of.
        if found.speaks_json_rpc() {
            cors::check_origin(self.settings, &request)?;
        }
        let operation = found.operation(request.method());
        let Some(operation) = operation else {
            let allowed = found.allowed();
            let problem = Problem::new(Code::MethodNotAllowed, format!("this path answers to {allowed}"));
            return Ok(self.problem(problem).with(header::ALLOW, &allowed));
        };
        match operation.named.handler {
            Handler::Public(handler) | Handler::Ticket(handler) => {
                self.answer_anybody(handler, Matched { operation, id }, request).await
            }
            Handler::KeyOrAdministrator(_, handler)
                if authenticate::is_administrator(self.settings, request.headers()) =>
            {
                self.answer_anybody(handler, Matched { operation, id }, request).await
            }
            Handler::Key(handler) | Handler::KeyOrAdministrator(handler, _) => {
                self.answer_user(handler, Matched { operation, id }, request).await
            }
        }
    }

    async fn answer_anybody(
        &self,
        handler: PublicHandler<P>,
        matched: Matched<'_, P>,
        request: Request<impl RequestBody>,
    ) -> Answer {
        let (request, _) = read(matched.operation, request).await?;
        let call = PublicCall { request: &request, id: matched.id, settings: self.settings };
        handler(self.ports, &call).await
    }

    /// Lets a user's handler answer, and says beside it what the user and the day have left.
    async fn answer_user(
        &mut self,
        handler: KeyedHandler<P>,
        matched: Matched<'_, P>,
        request: Request<impl RequestBody>,
    ) -> Answer {
        let ports = self.ports;
        let Caller { tenant, key, day } = authenticate::authenticate(ports, self.settings, request.headers()).await?;
        self.summary.user = Some(tenant.user.clone());
        self.summary.key = Some(key.clone());
        let budget = user_day::budget_for(ports, &day, &tenant.user).await;
        let used = day.requests_of_key(&key);
        let reply = if let Err(limited) = admit_key(ports, matched.operation, &key, &budget, used).await {
            self.limited(&limited)
        } else {
            self.summary.is_recorded = true;
            let answer = async {
                let (request, unread) = read(matched.operation, request).await?;
                let call = Call {
                    tenant,
                    request: &request,
                    unread,
                    id: matched.id,
                    settings: self.settings,
                    budget: &budget,
                };
                handler(ports, &call).await
            };
            let mut reply = answer.await.unwrap_or_else(|refusal| self.refuse(refusal));
            self.summary.failure = self.summary.failure.take().or(reply.failure.take());
            reply
        };
        let reply = rate_limit::announce(reply, &budget, used, ports.now());
        Ok(match budget.degradations() {
            notices if notices.is_empty() => reply,
            notices => reply.with(HeaderName::from_static("x-budget"), &notices.join("; ")),
        })
    }

    /// A refusal as the answer; a failure behind it is kept for the log.
    fn refuse(&mut self, refusal: Refusal) -> Reply {
        let (problem, failure) = refusal.into_problem();
        self.summary.failure = failure;
        self.problem(problem)
    }

    /// The answer to a hook: `{}` in place of what would disturb whoever works there; why stays in the log. A key that
    /// is missing or wrong is told, which is its owner's to mend.
    fn undisturbed(&mut self, reply: Reply) -> Reply {
        let is_told = [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED].contains(&reply.status);
        if reply.status.is_success() || is_told {
            return reply;
        }
        let why = || Failure::input(format!("a hook that is answered nothing in place of {}", reply.status));
        self.summary.failure.get_or_insert_with(why);
        Reply::json(StatusCode::OK, &serde_json::Map::new())
    }

    /// A problem as the answer to this request; in `OpenAI`'s shape for its clients.
    fn problem(&self, mut problem: Problem) -> Reply {
        if openai_problem::is_spoken_at(self.path) {
            return openai_problem::reply(&problem);
        }
        problem.instance = Some(self.path.to_owned());
        problem.request_id = Some(self.summary.request_id.to_string());
        Reply::from(problem)
    }

    fn limited(&self, limited: &Limited) -> Reply {
        limited.mark(self.problem(limited.problem()))
    }
}

/// Admits a key that keeps to its burst and to its quota of the day, of a user who keeps to their share. Whoever does
/// not may still see what is used, and end and delete what takes it.
async fn admit_key<P: RequestPorts>(
    ports: &P,
    operation: &Operation<P>,
    key: &str,
    budget: &Budget,
    used: u64,
) -> Result<(), Limited> {
    rate_limit::admit(ports, Burst::Key, key).await?;
    rate_limit::hold_to_quota(budget, used, ports.now())?;
    if operation.is_beyond_shares() {
        return Ok(());
    }
    rate_limit::hold_to_share(budget, ports.now())
}

/// Reads the body that the operation takes, after a look at its parameters; one that takes none is sent none. A body
/// that is to be streamed is left where it is, and its length is handed on.
async fn read<P>(
    operation: &Operation<P>,
    request: Request<impl RequestBody>,
) -> Result<(Request<Bytes>, Option<u64>), Problem> {
    // Clients of OpenAI's API send more than is known here.
    let is_ours = !openai_problem::is_spoken_at(operation.path);
    if is_ours {
        parameters::check(operation, &request)?;
    }
    let (head, body) = request.into_parts();
    let Some(content) = operation.request else {
        if is_ours {
            refuse_body(body).await?;
        }
        return Ok((Request::from_parts(head, Bytes::new()), None));
    };
    let length = body.length();
    if let Some(most) = content.streamed {
        match length {
            Some(length) if length > most => return Err(Unread::TooLarge(length).problem(most)),
            Some(length) if length > content.limit => {
                return Ok((Request::from_parts(head, Bytes::new()), Some(length as u64)));
            }
            _ => {}
        }
    }
    let read = body.read(content.limit).await.map_err(|unread| match unread {
        Unread::TooLarge(_) if content.streamed.is_some() => length_required(),
        unread => unread.problem(content.limit),
    })?;
    // An upload is unfolded where its documents are looked for.
    let read = if content.streamed.is_some() { read } else { body::decoded(&head.headers, read, content.limit)? };
    Ok((Request::from_parts(head, read), None))
}

/// Refuses a body where none is read: whoever sends one means something by it. One that holds nothing is what clients
/// send that always send one; whether there is one without a length is not looked at.
async fn refuse_body(body: impl RequestBody) -> Result<(), Problem> {
    const NOTHING: usize = 16;
    if body.length().is_none_or(|length| length == 0) {
        return Ok(());
    }
    let holds_nothing =
        body.read(NOTHING).await.is_ok_and(|body| [&b""[..], b"{}", b"null"].contains(&body.trim_ascii()));
    if holds_nothing {
        return Ok(());
    }
    Err(Problem::field(Code::Invalid, "", "nothing is read from the body of this request: leave it out"))
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use futures_util::stream;
    use pipeline::{
        constants::JSON_BYTES,
        platform::ports::{Clock as _, Random as _},
    };
    use test_platform::{InMemory, ready};

    use super::*;
    use crate::http::{body::collect, operation::Access, operations::operations};

    const ADMINISTRATOR: &str = "administrator";
    const PIECE: usize = 1024;

    /// A body without end, and how much of it was read.
    #[derive(Clone, Default)]
    struct Endless(Rc<Cell<usize>>);

    impl RequestBody for Endless {
        fn length(&self) -> Option<usize> {
            None
        }

        async fn read(self, limit: usize) -> Result<Bytes, Unread> {
            let pieces = stream::repeat_with(|| {
                self.0.set(self.0.get() + PIECE);
                Ok::<_, String>(vec![b' '; PIECE])
            });
            collect(pieces, limit).await
        }
    }

    fn send(ports: &InMemory, key: &str, method: &str, path: &str, body: impl RequestBody) -> Reply {
        let settings = Settings { admin_token: ADMINISTRATOR.to_owned(), ..Settings::default() };
        let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request_id = RequestId::new(ports.now(), ports.bytes());
        ready(handle(ports, &settings, request.body(body).unwrap(), request_id)).0
    }

    fn new_user(ports: &InMemory) -> String {
        let reply = send(ports, ADMINISTRATOR, "POST", "/api/keys", Bytes::new());
        let Body::Bytes(bytes) = reply.body else { panic!("a key is no stream") };
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["key"].as_str().unwrap().to_owned()
    }

    /// The status of an endless upload, and how much of it was read.
    fn upload(ports: &InMemory, key: &str, method: &str, path: &str) -> (StatusCode, usize) {
        let body = Endless::default();
        let reply = send(ports, key, method, path, body.clone());
        (reply.status, body.0.get())
    }

    #[test]
    fn a_body_is_not_touched_before_route_method_burst_and_key_are_found_good() {
        let ports = InMemory::default();
        let key = new_user(&ports);
        assert_eq!(upload(&ports, &key, "POST", "/api/nothing"), (StatusCode::NOT_FOUND, 0));
        assert_eq!(upload(&ports, &key, "PUT", "/api/index"), (StatusCode::METHOD_NOT_ALLOWED, 0));
        assert_eq!(upload(&ports, "", "POST", "/api/index"), (StatusCode::UNAUTHORIZED, 0));
        assert_eq!(upload(&ports, "cf_test_wrong", "POST", "/api/index"), (StatusCode::UNAUTHORIZED, 0));
        assert_eq!(upload(&ports, "wrong", "POST", "/api/keys"), (StatusCode::UNAUTHORIZED, 0));
        for burst in [Burst::Address, Burst::Key] {
            ports.refuse_bursts(&[burst]);
            assert_eq!(upload(&ports, &key, "POST", "/api/index"), (StatusCode::TOO_MANY_REQUESTS, 0));
        }
        ports.refuse_bursts(&[]);
        assert_eq!(upload(&ports, &key, "GET", "/api/me"), (StatusCode::OK, 0));
    }

    #[test]
    fn a_body_is_read_as_far_as_its_operation_allows() {
        let ports = InMemory::default();
        let key = new_user(&ports);
        let too_large = StatusCode::PAYLOAD_TOO_LARGE;
        for operation in operations::<InMemory>() {
            let path = operation.path.replace("{id}", "some_1");
            let (status, read) = upload(&ports, &key, operation.method.as_str(), &path);
            let limit = operation.request.map(|content| content.limit);
            assert_eq!(read, limit.map_or(0, |limit| limit + PIECE), "{path}");
            let streams = operation.request.is_some_and(|content| content.streamed.is_some());
            let refused = match operation.path {
                // Not even of this a hook hears.
                HOOKS_PATH => StatusCode::OK,
                _ if streams => StatusCode::LENGTH_REQUIRED,
                _ => too_large,
            };
            assert_eq!(status == refused, limit.is_some(), "{path}");
        }
        let read = JSON_BYTES + PIECE;
        assert_eq!(upload(&ports, ADMINISTRATOR, "POST", "/api/keys"), (too_large, read));
    }

    #[test]
    fn a_body_may_be_compressed_and_unfolds_to_no_more_than_one_may_have() {
        let ports = InMemory::default();
        let key = new_user(&ports);
        let send = |encoding: &str, body: Vec<u8>| {
            let request = Request::post("http://test/api/search")
                .header(header::AUTHORIZATION, format!("Bearer {key}"))
                .header(header::CONTENT_ENCODING, encoding);
            let request_id = RequestId::new(ports.now(), ports.bytes());
            let request = request.body(Bytes::from(body)).unwrap();
            ready(handle(&ports, &Settings::default(), request, request_id)).0.status
        };
        let question = br#"{"query": "fox"}"#.to_vec();
        let gzip = |text: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut writer, text).unwrap();
            writer.finish().unwrap()
        };
        assert_eq!(send("gzip", gzip(&question)), StatusCode::OK);
        assert_eq!(send("identity", question.clone()), StatusCode::OK);
        assert_eq!(send("gzip", question.clone()), StatusCode::BAD_REQUEST);
        assert_eq!(send("gzip", gzip(&question)[..20].to_vec()), StatusCode::BAD_REQUEST);
        assert_eq!(send("br", question), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(send("gzip", gzip(&vec![b' '; 50_000_000])), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_right_ones() {
        let ports = InMemory::default();
        let reply = send(&ports, "", "PUT", "/api/keys", Bytes::new());
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.headers[header::ALLOW], "GET, HEAD, POST, OPTIONS");
    }

    #[test]
    fn a_method_that_nobody_knows_is_none_that_reads() {
        let ports = InMemory::default();
        let key = new_user(&ports);
        for method in ["PROPFIND", "QUERY", "TRACE", "get", "CONNECT"] {
            assert_eq!(upload(&ports, &key, method, "/api/me"), (StatusCode::METHOD_NOT_ALLOWED, 0), "{method}");
        }
    }

    #[test]
    fn head_is_answered_as_get_is_without_the_body() {
        let ports = InMemory::default();
        let key = new_user(&ports);
        let [get, head] = ["GET", "HEAD"].map(|method| send(&ports, &key, method, "/api/me", Bytes::new()));
        assert_eq!((get.status, get.headers.len()), (head.status, head.headers.len()));
        assert!(matches!(head.body, Body::Bytes(bytes) if bytes.is_empty()));
        assert_eq!(send(&ports, "", "HEAD", "/api/me", Bytes::new()).status, StatusCode::UNAUTHORIZED);
        let alone = ["/api/search", "/api/session/some_1/ws"];
        for path in alone {
            assert_eq!(send(&ports, &key, "HEAD", path, Bytes::new()).status, StatusCode::METHOD_NOT_ALLOWED);
        }
    }

    #[test]
    fn what_a_browser_asks_before_a_request_takes_no_key() {
        let ports = InMemory::default();
        let settings = Settings { allowed_origins: vec!["https://a.example".to_owned()], ..Settings::default() };
        let ask = |origin: &str, method: &str, path: &str| {
            let request = Request::builder().method(method).uri(format!("http://test{path}"));
            let request = request.header(header::ORIGIN, origin).header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
            let request_id = RequestId::new(ports.now(), ports.bytes());
            ready(handle(&ports, &settings, request.body(Bytes::new()).unwrap(), request_id)).0
        };
        let allowed = ask("https://a.example", "OPTIONS", "/api/search");
        assert_eq!(
            (allowed.status, &allowed.headers[header::ALLOW]),
            (StatusCode::NO_CONTENT, &"POST, OPTIONS".parse().unwrap())
        );
        assert_eq!(allowed.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        // A page reads what was refused, too.
        let refused = ask("https://a.example", "POST", "/api/search");
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        let exposed = refused.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(["Location", "Retry-After", "RateLimit", "ETag"].iter().all(|name| exposed.contains(name)));
        for origin in ["null", "https://a.example.evil.example", "https://b.example"] {
            for reply in [ask(origin, "OPTIONS", "/api/search"), ask(origin, "POST", "/api/search")] {
                assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
            }
        }
        assert_eq!(ask("https://a.example", "OPTIONS", "/api/nothing").status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn whoever_needs_a_key_is_asked_for_it() {
        let ports = InMemory::default();
        for operation in operations::<InMemory>() {
            let path = operation.path.replace("{id}", "some_1");
            let reply = send(&ports, "", operation.method.as_str(), &path, Bytes::new());
            let is_asked = matches!(operation.named.handler.access(), Access::Key | Access::KeyOrAdministrator);
            assert_eq!(reply.status == StatusCode::UNAUTHORIZED, is_asked, "{path}");
        }
    }
}
