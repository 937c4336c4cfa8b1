//! Every parameter of the requests of `/v1`, and what becomes of it: the table of `docs/openai.md` as data.
//!
//! Whatever `OpenAI` knows stands here. What is not done is refused by its name, unless its value asks for nothing;
//! what `OpenAI` does not know is refused as there.

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It does what `OpenAI` says.
    Done,
    /// It is refused, unless it has one of these values (JSON), which ask for nothing.
    Refused(&'static [&'static str]),
    /// It changes no answer by `OpenAI`'s own rules: names, labels, hints to caches and bills.
    Ignored,
}

/// A parameter of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestParameter {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
}

const fn done(name: &'static str) -> RequestParameter {
    RequestParameter { name, treatment: Treatment::Done }
}

const fn ignored(name: &'static str) -> RequestParameter {
    RequestParameter { name, treatment: Treatment::Ignored }
}

const fn refused(name: &'static str, but: &'static [&'static str]) -> RequestParameter {
    RequestParameter { name, treatment: Treatment::Refused(but) }
}

/// Of `POST /v1/chat/completions`. <https://platform.openai.com/docs/api-reference/chat/create>
pub const CHAT: &[RequestParameter] = &[
    done("model"),
    done("messages"),
    done("max_completion_tokens"),
    done("max_tokens"),
    done("parallel_tool_calls"),
    done("response_format"),
    done("retrieval"),
    done("seed"),
    done("stop"),
    done("stream"),
    done("stream_options"),
    done("temperature"),
    done("tool_choice"),
    done("tools"),
    done("top_p"),
    ignored("metadata"),
    ignored("prompt_cache_key"),
    ignored("prompt_cache_options"),
    ignored("prompt_cache_retention"),
    ignored("safety_identifier"),
    ignored("user"),
    refused("audio", &[]),
    refused("frequency_penalty", &["0"]),
    refused("function_call", &["\"none\""]),
    refused("functions", &["[]"]),
    refused("logit_bias", &["{}"]),
    refused("logprobs", &["false"]),
    refused("modalities", &["[\"text\"]"]),
    refused("moderation", &[]),
    refused("n", &["1"]),
    refused("prediction", &[]),
    refused("presence_penalty", &["0"]),
    refused("reasoning_effort", &[]),
    refused("service_tier", &["\"auto\"", "\"default\""]),
    refused("store", &["false"]),
    refused("top_logprobs", &["0"]),
    refused("verbosity", &["\"medium\""]),
    refused("web_search_options", &[]),
];

/// Of `POST /v1/embeddings`. <https://platform.openai.com/docs/api-reference/embeddings/create>
pub const EMBEDDINGS: &[RequestParameter] =
    &[done("model"), done("input"), done("dimensions"), done("encoding_format"), ignored("user")];

/// Of `POST /v1/responses`. <https://platform.openai.com/docs/api-reference/responses/create>
pub const RESPONSES: &[RequestParameter] = &[
    done("model"),
    done("input"),
    done("instructions"),
    done("max_output_tokens"),
    done("metadata"),
    done("previous_response_id"),
    done("retrieval"),
    done("stream"),
    done("temperature"),
    done("text"),
    done("top_p"),
    done("truncation"),
    ignored("prompt_cache_key"),
    ignored("prompt_cache_options"),
    ignored("prompt_cache_retention"),
    ignored("safety_identifier"),
    ignored("stream_options"),
    ignored("user"),
    refused("access_programs", &[]),
    refused("background", &["false"]),
    refused("background_options", &[]),
    refused("context_management", &[]),
    refused("conversation", &[]),
    refused("image", &[]),
    refused("include", &["[]"]),
    refused("max_tool_calls", &[]),
    refused("moderation", &[]),
    refused("parallel_tool_calls", &["true", "false"]),
    refused("prompt", &[]),
    refused("reasoning", &["{}"]),
    refused("service_tier", &["\"auto\"", "\"default\""]),
    refused("store", &["true"]),
    refused("tool_choice", &["\"none\"", "\"auto\""]),
    refused("tools", &["[]"]),
    refused("top_logprobs", &["0"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/openai.md");

    /// The tables of the page, each under the heading of its operation: names, and what the page says of each.
    fn table_of(heading: &str) -> BTreeMap<String, String> {
        let section = PAGE.split_once(&format!("\n## {heading}\n")).unwrap().1;
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            Some((name.to_owned(), rest.split(" | ").next()?.trim_end_matches(" |").to_owned()))
        })
        .collect()
    }

    fn in_words(treatment: Treatment) -> String {
        match treatment {
            Treatment::Done => "done".to_owned(),
            Treatment::Ignored => "ignored".to_owned(),
            Treatment::Refused([]) => "refused".to_owned(),
            Treatment::Refused(but) => {
                let but: Vec<String> = but.iter().map(|value| format!("`{value}`")).collect();
                format!("refused, but for {}", but.join(", "))
            }
        }
    }

    #[test]
    fn the_page_says_of_every_parameter_what_the_code_does() {
        for (heading, table) in [
            ("POST /v1/chat/completions", CHAT),
            ("POST /v1/embeddings", EMBEDDINGS),
            ("POST /v1/responses", RESPONSES),
        ] {
            let coded: BTreeMap<String, String> =
                table.iter().map(|row| (row.name.to_owned(), in_words(row.treatment))).collect();
            assert_eq!(coded.len(), table.len(), "{heading}: each stands there once");
            assert_eq!(table_of(heading), coded, "{heading}");
        }
    }
}
