//! The routes of a chat and the models behind them: data, built in, replaceable by `config:models`
//! in KV.
//!
//! A table that does not hold together is not used: the built-in one is, and `/health` says why.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    chat::generation::Price,
    fingerprint,
    platform::{object_keys, ports::KeyValue},
};

/// A kind of question, and so of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteName {
    /// Small talk and look-ups.
    Simple,
    /// Most questions.
    General,
    /// About code, or with code in it.
    Code,
    /// Several steps of reasoning.
    Complex,
}

impl RouteName {
    /// All routes, from the smallest model to the largest.
    pub const ALL: [Self; 4] = [Self::Simple, Self::General, Self::Code, Self::Complex];

    /// The name in requests, answers and the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::General => "general",
            Self::Code => "code",
            Self::Complex => "complex",
        }
    }

    /// Reads a [`name`](Self::name).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The models to try, in this order.
    pub models: Vec<String>,
    /// Tokens of prompt and answer together: what is worth paying for, within the models' windows.
    pub window: u64,
    /// Most tokens of an answer, unless the caller wants fewer.
    pub max_tokens: u32,
    /// Tokens of the passages that are read for an answer.
    #[serde(default = "default_source_tokens")]
    pub source_tokens: u64,
}

/// What most answers need: eight passages of some ten lines.
const fn default_source_tokens() -> u64 {
    1_500
}

/// What is known of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Tokens it reads and writes together.
    pub context: u64,
    /// Whether it thinks before it answers, unasked: what it thinks is billed and not shown.
    #[serde(default)]
    pub thinks: bool,
    /// Whether it answers in JSON where it is asked to.
    #[serde(default)]
    pub json: bool,
    /// Whether it calls functions that it is told of.
    #[serde(default)]
    pub tools: bool,
    /// What it costs.
    #[serde(flatten)]
    pub price: Price,
}

/// Routes and models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Every route of [`RouteName::ALL`].
    pub routes: BTreeMap<RouteName, Route>,
    /// Every model a route names.
    pub models: BTreeMap<String, Model>,
}

/// A catalogue, and what was wrong with the one in KV.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The table in force.
    pub catalogue: Catalogue,
    /// Why it is not the one in KV.
    pub problem: Option<String>,
}

/// Smallest window a route may have: a system prompt, a question, a chunk and an answer.
const SMALLEST_WINDOW: u64 = 2_048;

const GRANITE: &str = "@cf/ibm-granite/granite-4.0-h-micro";
const LLAMA_1B: &str = "@cf/meta/llama-3.2-1b-instruct";
const LLAMA_8B: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
const QWEN_30B: &str = "@cf/qwen/qwen3-30b-a3b-fp8";
const GPT_OSS_20B: &str = "@cf/openai/gpt-oss-20b";

impl Default for Catalogue {
    /// Models that the Free plan runs, each route's cheapest fit first. Prices and windows:
    /// <https://developers.cloudflare.com/workers-ai/platform/pricing>/, what thinks, calls functions, and takes a
    /// `response_format`: <https://developers.cloudflare.com/workers-ai/models>/
    fn default() -> Self {
        let route = |models: [&str; 3], window, max_tokens| Route {
            models: models.map(str::to_owned).to_vec(),
            window,
            max_tokens,
            source_tokens: default_source_tokens(),
        };
        let model = |context, input, output| {
            let price = Price { input, output };
            Model { context, thinks: false, json: false, tools: false, price }
        };
        let thinking = |model| Model { thinks: true, ..model };
        let json = |model| Model { json: true, ..model };
        let calling = |model| Model { tools: true, ..model };
        // Filled one by one: a map made of an array sorts it first, by code of its own in both Workers.
        let mut catalogue = Self { routes: BTreeMap::new(), models: BTreeMap::new() };
        catalogue.routes.extend([
            (RouteName::Simple, route([GRANITE, LLAMA_1B, LLAMA_8B], 4_096, 384)),
            (RouteName::General, route([LLAMA_8B, GRANITE, QWEN_30B], 6_144, 768)),
            (RouteName::Code, route([QWEN_30B, GPT_OSS_20B, GRANITE], 8_192, 1_024)),
            (RouteName::Complex, route([GPT_OSS_20B, QWEN_30B, LLAMA_8B], 12_288, 1_536)),
        ]);
        let models = [
            (GRANITE, calling(json(model(131_000, 1_542.0, 10_158.0)))),
            (LLAMA_1B, model(60_000, 2_457.0, 18_252.0)),
            (LLAMA_8B, json(model(32_000, 4_119.0, 34_868.0))),
            (QWEN_30B, calling(json(thinking(model(32_768, 4_625.0, 30_475.0))))),
            (GPT_OSS_20B, calling(thinking(model(128_000, 18_182.0, 27_273.0)))),
        ];
        catalogue.models.extend(models.map(|(name, model)| (name.to_owned(), model)));
        catalogue
    }
}

impl Catalogue {
    /// The table in KV if there is one that holds together, else the built-in one.
    pub async fn load<P: KeyValue>(ports: &P) -> Loaded {
        match ports.get_value(object_keys::CONFIGURED_MODELS).await {
            // A KV that does not answer has no table: the built-in one works.
            Ok(None) | Err(_) => Loaded { catalogue: Self::default(), problem: None },
            Ok(Some(bytes)) => match Self::parse(&bytes) {
                Ok(catalogue) => Loaded { catalogue, problem: None },
                Err(why) => Loaded { catalogue: Self::default(), problem: Some(format!("config:models: {why}")) },
            },
        }
    }

    /// Reads and checks a table.
    ///
    /// # Errors
    /// What is wrong with it, for its operator.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let catalogue: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        catalogue.check().map(|()| catalogue)
    }

    fn check(&self) -> Result<(), String> {
        for name in RouteName::ALL {
            let route = self.routes.get(&name).ok_or_else(|| format!("the route {} is missing", name.name()))?;
            if route.models.is_empty() {
                return Err(format!("the route {} names no model", name.name()));
            }
            if route.window < SMALLEST_WINDOW || u64::from(route.max_tokens) * 2 > route.window || route.max_tokens == 0
            {
                return Err(format!(
                    "the route {}: window {} and max_tokens {} leave no room; \
                     at least {SMALLEST_WINDOW}, and half of it for the prompt",
                    name.name(),
                    route.window,
                    route.max_tokens
                ));
            }
            for model in &route.models {
                let known = self.models.get(model).ok_or_else(|| format!("the model {model} has no price"))?;
                if known.context < route.window {
                    return Err(format!(
                        "{model} reads {} tokens; the route {} wants {}",
                        known.context,
                        name.name(),
                        route.window
                    ));
                }
                let Price { input, output } = known.price;
                if !(input.is_finite() && output.is_finite() && input >= 0.0 && output >= 0.0) {
                    return Err(format!("the price of {model} is no number from 0"));
                }
            }
        }
        Ok(())
    }

    /// A route; every table that is in force has it.
    pub fn route(&self, name: RouteName) -> Route {
        self.routes.get(&name).cloned().unwrap_or(Route {
            models: Vec::new(),
            window: SMALLEST_WINDOW,
            max_tokens: 256,
            source_tokens: default_source_tokens(),
        })
    }

    /// Tokens that every model of a route reads and writes together, or without a route every model there is: what
    /// a client's own words may take.
    pub fn reach(&self, name: Option<RouteName>) -> u64 {
        let routes = self.routes.iter().filter(|(route, _)| name.is_none_or(|name| name == **route));
        let models = routes.flat_map(|(_, route)| &route.models).filter_map(|model| self.models.get(model));
        models.map(|model| model.context).min().unwrap_or(SMALLEST_WINDOW)
    }

    /// Most tokens of a route's answers; without a route those of the route that gives most.
    pub fn most_tokens(&self, name: Option<RouteName>) -> u32 {
        let routes = self.routes.iter().filter(|(route, _)| name.is_none_or(|name| name == **route));
        routes.map(|(_, route)| route.max_tokens).max().unwrap_or_default()
    }

    /// Whether a route has a model that answers in JSON; without a route, whether each has one.
    pub fn answers_json(&self, name: Option<RouteName>) -> bool {
        self.each_has(name, |model| model.json)
    }

    /// The same for a model that calls functions.
    pub fn calls_tools(&self, name: Option<RouteName>) -> bool {
        self.each_has(name, |model| model.tools)
    }

    fn each_has(&self, name: Option<RouteName>, is_able: impl Fn(&Model) -> bool) -> bool {
        let mut routes = self.routes.iter().filter(|(route, _)| name.is_none_or(|name| name == **route));
        routes.all(|(_, route)| route.models.iter().filter_map(|model| self.models.get(model)).any(&is_able))
    }

    /// Whether a model answers in JSON.
    pub fn knows_json(&self, model: &str) -> bool {
        self.models.get(model).is_some_and(|model| model.json)
    }

    /// Whether a model calls functions.
    pub fn knows_tools(&self, model: &str) -> bool {
        self.models.get(model).is_some_and(|model| model.tools)
    }

    /// Tokens that a model reads and writes together.
    pub fn context(&self, model: &str) -> u64 {
        self.models.get(model).map_or(0, |model| model.context)
    }

    /// A model's price; nothing for one the table does not know.
    pub fn price(&self, model: &str) -> Price {
        self.models.get(model).map_or(Price { input: 0.0, output: 0.0 }, |model| model.price)
    }

    /// Distinguishes one table from another.
    pub fn fingerprint(&self) -> String {
        fingerprint::of(&[serde_json::to_string(self).unwrap_or_default().as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_holds_together_and_reads_back() {
        let text = serde_json::to_vec(&Catalogue::default()).unwrap();
        assert_eq!(Catalogue::parse(&text).unwrap(), Catalogue::default());
    }

    #[test]
    fn a_route_reaches_as_far_as_its_smallest_model() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.reach(Some(RouteName::Code)), 32_768);
        assert_eq!((catalogue.reach(Some(RouteName::Simple)), catalogue.reach(None)), (32_000, 32_000));
        assert!(catalogue.answers_json(None) && !catalogue.knows_json(GPT_OSS_20B));
        assert!(catalogue.calls_tools(None) && catalogue.knows_tools(GPT_OSS_20B) && !catalogue.knows_tools(LLAMA_8B));
    }

    #[test]
    fn a_broken_table_is_refused_with_a_reason() {
        let broken = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut table = serde_json::to_value(Catalogue::default()).unwrap();
            change(&mut table);
            Catalogue::parse(table.to_string().as_bytes()).unwrap_err()
        };
        assert!(broken(&|table| drop(table["routes"].as_object_mut().unwrap().remove("code"))).contains("route code"));
        assert!(broken(&|table| table["routes"]["code"]["models"] = serde_json::json!(["gpt-9"])).contains("gpt-9"));
        assert!(broken(&|table| table["routes"]["code"]["models"] = serde_json::json!([])).contains("no model"));
        assert!(broken(&|table| table["routes"]["simple"]["max_tokens"] = 5_000.into()).contains("no room"));
        assert!(broken(&|table| table["models"][GRANITE]["input"] = (-1).into()).contains("price"));
        assert!(Catalogue::parse(b"[]").is_err());
    }
}
