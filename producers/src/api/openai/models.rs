//! The models of `/v1`: our routes, each also without retrieval, and the model of embeddings.

use http::StatusCode;
use pipeline::{
    chat::catalogue::{Catalogue, RouteName},
    model::EMBEDDING,
    platform::ports::{Clock, KeyValue},
    problem::{Code, Problem, excerpt},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::{
    call::Call,
    reply::{Answer, Reply},
};

/// The model that lets the question decide its route.
const MODEL: &str = "friend";
/// What stands between it and a route's name.
const ROUTE: char = '-';
/// What a model's name ends with that answers without documents and memories.
const PLAIN: &str = "-plain";
/// The model of embeddings.
pub(super) const EMBEDDING_MODEL: &str = "friend-embedding";

/// A model that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnsweringModel {
    /// The route, if it is chosen.
    pub(super) route: Option<RouteName>,
    /// Without documents and memories.
    pub(super) is_plain: bool,
}

impl AnsweringModel {
    /// Every one there is.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let routes = || std::iter::once(None).chain(RouteName::ALL.into_iter().map(Some));
        [false, true].into_iter().flat_map(move |is_plain| routes().map(move |route| Self { route, is_plain }))
    }

    pub(super) fn name(self) -> String {
        let route = self.route.map(|route| format!("{ROUTE}{}", route.name())).unwrap_or_default();
        format!("{MODEL}{route}{}", if self.is_plain { PLAIN } else { "" })
    }

    /// Reads a name of one.
    pub(super) fn parse(name: &str) -> Result<Self, Problem> {
        Self::all().find(|model| model.name() == name).ok_or_else(|| no_such_model(name))
    }
}

/// The answer to the name of a model that there is not.
pub(super) fn no_such_model(name: &str) -> Problem {
    let detail = format!("the model {:?} does not exist; GET /v1/models lists those that do", excerpt(name));
    let mut problem = Problem::field(Code::NotFound, "/model", detail);
    "model_not_found".clone_into(&mut problem.code);
    problem
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ModelEntry")]
struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
    /// Tokens that it reads and writes together.
    context_window: u64,
}

/// A model.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OneModel")]
pub struct ModelAnswer {
    #[serde(flatten)]
    model: Model,
}

/// The models there are.
#[derive(Serialize, JsonSchema)]
pub struct ModelList {
    object: &'static str,
    data: Vec<Model>,
}

/// When a model was made is not known of these: the same time for all, so that answers stay what they are.
const CREATED: i64 = 0;

async fn all<P: KeyValue + Clock>(ports: &P) -> Vec<Model> {
    let catalogue = Catalogue::load(ports).await.catalogue;
    let model = |id, context_window| Model {
        id,
        object: "model",
        created: CREATED,
        owned_by: "claudes-friend",
        context_window,
    };
    AnsweringModel::all()
        .map(|answering| model(answering.name(), catalogue.reach(answering.route)))
        .chain([model(EMBEDDING_MODEL.to_owned(), EMBEDDING.window as u64)])
        .collect()
}

/// `GET /v1/models`
pub async fn models<P: KeyValue + Clock>(ports: &P, _: &Call<'_>) -> Answer {
    Ok(Reply::json(StatusCode::OK, &ModelList { object: "list", data: all(ports).await }))
}

/// `GET /v1/models/{id}`
pub async fn model<P: KeyValue + Clock>(ports: &P, call: &Call<'_>) -> Answer {
    let found = all(ports).await.into_iter().find(|model| model.id == call.id);
    let model = found.ok_or_else(|| no_such_model(call.id))?;
    Ok(Reply::json(StatusCode::OK, &ModelAnswer { model }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_found_by_its_name() {
        for model in AnsweringModel::all() {
            assert_eq!(AnsweringModel::parse(&model.name()).unwrap(), model);
        }
        let names: Vec<String> = AnsweringModel::all().map(AnsweringModel::name).collect();
        assert!(
            ["friend", "friend-code", "friend-plain", "friend-simple-plain"]
                .iter()
                .all(|name| { names.iter().any(|known| known == name) })
        );
        assert_eq!(AnsweringModel::parse("gpt-9").unwrap_err().code, "model_not_found");
    }
}
