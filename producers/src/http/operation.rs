//! One row of the table of operations: all that is said of an operation, said once.

use std::pin::Pin;

use http::{Method, StatusCode};
use pipeline::problem::Code;
use schemars::JsonSchema;

use crate::http::{
    call::{Call, PublicCall},
    reply::Answer,
};

/// An answer under way. Workers are single-threaded: it need not be `Send`.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;
/// Answers without knowing who asks.
pub type PublicHandler<P> = for<'a> fn(&'a P, &'a PublicCall<'a>) -> Answering<'a>;
/// Answers a user.
pub type KeyedHandler<P> = for<'a> fn(&'a P, &'a Call<'a>) -> Answering<'a>;

/// How a type is described; a schema that others share becomes a component of the description.
///
/// Only what writes the description asks (feature `description`). A Worker answers what was written: what makes schemas
/// of types would be an eighth of it.
#[derive(Clone, Copy, Debug)]
pub struct SchemaOf {
    #[cfg(feature = "description")]
    describe: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

impl SchemaOf {
    /// Of this type.
    pub const fn new<T: JsonSchema>() -> Self {
        Self {
            #[cfg(feature = "description")]
            describe: schemars::SchemaGenerator::subschema_for::<T>,
        }
    }

    /// The schema, or a reference to it among the generator's definitions.
    #[cfg(feature = "description")]
    pub fn describe(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        (self.describe)(generator)
    }
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Who has an API key.
    Key,
    /// Who has an API key, or the administrator.
    KeyOrAdministrator,
    /// Who has a ticket or an API key; the handler itself asks for one of them.
    Ticket,
}

/// Who may call an operation, and what answers them. A handler that needs a user fits only where one
/// is known.
#[derive(Debug)]
pub enum Handler<P> {
    /// For [`Access::Public`].
    Public(PublicHandler<P>),
    /// For [`Access::Key`].
    Key(KeyedHandler<P>),
    /// For [`Access::KeyOrAdministrator`]: the user's handler, and the administrator's.
    KeyOrAdministrator(KeyedHandler<P>, PublicHandler<P>),
    /// For [`Access::Ticket`].
    Ticket(PublicHandler<P>),
}

impl<P> Handler<P> {
    /// Who may call it.
    pub const fn access(&self) -> Access {
        match self {
            Self::Public(_) => Access::Public,
            Self::Key(_) => Access::Key,
            Self::KeyOrAdministrator(..) => Access::KeyOrAdministrator,
            Self::Ticket(_) => Access::Ticket,
        }
    }
}

/// A handler with the names it goes by: of its module, which is the operation's tag, and its own.
#[derive(Debug)]
pub struct Named<P> {
    /// The module.
    pub module: &'static str,
    /// The function.
    pub function: &'static str,
    /// The handler.
    pub handler: Handler<P>,
}

/// What a request carries.
#[derive(Clone, Copy, Debug)]
pub struct RequestContent {
    /// What is read from JSON.
    pub schema: SchemaOf,
    /// What may come instead of JSON.
    pub other_media_types: &'static [&'static str],
    /// A request without a body means the defaults.
    pub optional: bool,
    /// Largest body that is read, in bytes.
    pub limit: usize,
    /// Largest body of all, where the handler streams one that is not read.
    pub streamed: Option<usize>,
}

/// What an answer that is no problem carries.
#[derive(Clone, Copy, Debug)]
pub struct Success {
    /// Its status.
    pub status: StatusCode,
    /// Its media types; without one it carries nothing.
    pub media_types: &'static [&'static str],
    /// What is written as JSON; bytes and streams of events are named by their media type alone.
    pub schema: Option<SchemaOf>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the query string.
    Query,
    /// Among the headers.
    Header,
}

/// A parameter that a request may leave out.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it may be.
    pub schema: SchemaOf,
    /// What it does, for who calls.
    pub description: &'static str,
}

impl Parameter {
    /// A parameter of the query string.
    pub const fn query<T: JsonSchema>(name: &'static str, description: &'static str) -> Self {
        Self { name, place: Place::Query, schema: SchemaOf::new::<T>(), description }
    }

    /// A header.
    pub const fn header<T: JsonSchema>(name: &'static str, description: &'static str) -> Self {
        Self { name, place: Place::Header, schema: SchemaOf::new::<T>(), description }
    }
}

/// One operation of the API.
#[derive(Debug)]
pub struct Operation<P> {
    /// Its method.
    pub method: Method,
    /// Its path; `{id}` stands for one part of it.
    pub path: &'static str,
    /// Who may call it, and what answers them.
    pub named: Named<P>,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it reads; without it the body of a request is never looked at.
    pub request: Option<RequestContent>,
    /// What it usually answers.
    pub success: Success,
    /// What else it answers that is no problem: to who waited or has it already, as a stream, or of what is not well.
    pub other_success: Option<Success>,
    /// What it refuses beside what every operation of its kind does.
    pub refuses: &'static [Code],
    /// Headers of its answers beside those of every answer.
    pub sends: &'static [&'static str],
    /// What may stand in the query string and the headers.
    pub parameters: &'static [Parameter],
    /// Its answers, refusals included, are JSON-RPC's, and a page of another origin never calls it: agents do.
    pub speaks_json_rpc: bool,
    /// It says what is used, or ends what takes it.
    pub relieves: bool,
}

/// A row of the table; answers 204 unless it says otherwise.
pub const fn operation<P>(method: Method, path: &'static str, named: Named<P>, summary: &'static str) -> Operation<P> {
    Operation {
        method,
        path,
        named,
        summary,
        request: None,
        success: nothing(StatusCode::NO_CONTENT),
        other_success: None,
        refuses: &[],
        sends: &[],
        parameters: &[],
        speaks_json_rpc: false,
        relieves: false,
    }
}

impl<P> Operation<P> {
    /// Speaks JSON-RPC.
    #[must_use]
    pub const fn speaks_json_rpc(mut self) -> Self {
        self.speaks_json_rpc = true;
        self
    }

    /// Says what is used, or ends what takes it.
    #[must_use]
    pub const fn relieves(mut self) -> Self {
        self.relieves = true;
        self
    }

    /// True if it is answered to users who have had more than their share: it relieves, or deletes.
    pub fn is_beyond_shares(&self) -> bool {
        self.relieves || self.method == Method::DELETE
    }

    /// Reads a JSON body of at most so many bytes.
    #[must_use]
    pub const fn reads<T: JsonSchema>(mut self, limit: usize) -> Self {
        let schema = SchemaOf::new::<T>();
        self.request = Some(RequestContent { schema, other_media_types: &[], optional: false, limit, streamed: None });
        self
    }

    /// The same, where no body at all means the defaults.
    #[must_use]
    pub const fn may_read<T: JsonSchema>(self, limit: usize) -> Self {
        let mut operation = self.reads::<T>(limit);
        if let Some(request) = &mut operation.request {
            request.optional = true;
        }
        operation
    }

    /// Leaves a longer body to the handler, which streams it; so many bytes of it at most.
    #[must_use]
    pub const fn or_streams(mut self, most: usize) -> Self {
        if let Some(request) = &mut self.request {
            request.streamed = Some(most);
        }
        self
    }

    /// Reads other media types as well as JSON.
    #[must_use]
    pub const fn or_reads(mut self, media_types: &'static [&'static str]) -> Self {
        if let Some(request) = &mut self.request {
            request.other_media_types = media_types;
        }
        self
    }

    /// Answers JSON.
    #[must_use]
    pub const fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        self.success = json::<T>(status);
        self
    }

    /// Answers other JSON with another status, too.
    #[must_use]
    pub const fn or_answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        self.other_success = Some(json::<T>(status));
        self
    }

    /// Answers bytes of one of these media types, or a stream of events.
    #[must_use]
    pub const fn answers_bytes(mut self, media_types: &'static [&'static str]) -> Self {
        self.success = Success { status: StatusCode::OK, media_types, schema: None };
        self
    }

    /// Answers a stream of events, too.
    #[must_use]
    pub const fn or_answers_bytes(mut self, media_types: &'static [&'static str]) -> Self {
        self.other_success = Some(Success { status: StatusCode::OK, media_types, schema: None });
        self
    }

    /// Answers nothing, with this status.
    #[must_use]
    pub const fn answers_nothing(mut self, status: StatusCode) -> Self {
        self.success = nothing(status);
        self
    }

    /// Answers nothing with this status, too.
    #[must_use]
    pub const fn or_answers_nothing(mut self, status: StatusCode) -> Self {
        self.other_success = Some(nothing(status));
        self
    }

    /// Refuses for these reasons beside those that its row implies: see `openapi/description/refusals.rs`.
    #[must_use]
    pub const fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refuses = codes;
        self
    }

    /// Sends these headers beside those of every answer: see `openapi/headers.rs` and `description/headers.rs`.
    #[must_use]
    pub const fn sends(mut self, headers: &'static [&'static str]) -> Self {
        self.sends = headers;
        self
    }

    /// Takes parameters.
    #[must_use]
    pub const fn takes(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    /// Its name in the description: of its handler, `jobs_list`, or `search` where both are called alike.
    pub fn id(&self) -> String {
        let Named { module, function, .. } = self.named;
        if module == function { module.to_owned() } else { format!("{module}_{function}") }
    }
}

const JSON: &[&str] = &["application/json"];

const fn json<T: JsonSchema>(status: StatusCode) -> Success {
    Success { status, media_types: JSON, schema: Some(SchemaOf::new::<T>()) }
}

const fn nothing(status: StatusCode) -> Success {
    Success { status, media_types: &[], schema: None }
}
