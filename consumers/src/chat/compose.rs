//! An answer from what a model wrote: checked and cited, or what the sources say instead.

use pipeline::{
    budget::day::Budget,
    chat::{
        client::ClientAsk,
        generation::Role,
        tools::{CalledFunction, ToolCall},
        turn::{Detail, Routed, Spent, TurnAnswer, Unanswered},
        verdict::{CheckedSentence, Supporting, Verdict},
    },
    failure::FailureKind,
    platform::ports::Embedder,
};

use super::{
    answerable::{self, Gap},
    asking,
    check::{Checked, evidence::Evidence, meaning},
    citations::{self, Cited, MARK, Marked},
    context::Context,
    fallback,
    findings::Findings,
    prompt::Prompt,
    route::Choice,
    sources::Source,
    written::{Failed, Written},
};

/// Stands before an answer to a question about facts for which nothing was found.
const NOTHING_FOUND: &str = "I found nothing about this in your documents or memories.";
/// The same for a guest.
const NOTHING_OPEN: &str = "I found nothing about this in what is open to guests.";

/// What an answer stands on.
#[derive(Debug)]
pub struct Grounds<'a> {
    /// The question and who asks.
    pub context: &'a Context,
    /// What was found.
    pub findings: Findings,
    /// What of it the model reads.
    pub prompt: Prompt,
    /// The same, ready to be looked up.
    pub evidence: Evidence,
    /// The route.
    pub choice: &'a Choice,
    /// The model is known to invent, and people read it: what it writes is a draft, of which nothing is shown that is
    /// in doubt.
    pub drafts_only: bool,
    /// One source holds all that the question is about.
    is_covered: bool,
}

/// An answer before what is kept beside it is put together.
#[derive(Debug, Default)]
struct Composed {
    text: String,
    citations: Vec<pipeline::chat::turn::Citation>,
    verdict: Verdict,
    sentences: Vec<CheckedSentence>,
    draft: Option<String>,
    calls: Vec<CalledFunction>,
    model: Option<String>,
    usage: Spent,
    degraded: Option<String>,
    finish: &'static str,
    unanswered: Option<Unanswered>,
}

/// True for a text that ends in the middle of a sentence, or of what it quotes: its model was slow, or lost its way.
fn breaks_off(text: &str) -> bool {
    let ends = |last: char| !last.is_alphanumeric() && !",;:".contains(last);
    !text.trim_end().ends_with(ends) || text.matches('`').count() % 2 == 1
}

/// What a model is held to: the sources and memories that it reads, and what its asker says.
fn evidence(context: &Context, findings: &Findings, prompt: &Prompt, drafts_only: bool) -> Evidence {
    let read = |id| prompt.memories.contains(id);
    let memories: Vec<_> = findings.memories.iter().filter(|(id, _)| read(id)).cloned().collect();
    let earlier = context.earlier.iter().map(|earlier| &earlier.message);
    let said = earlier.filter(|message| message.role == Role::User).map(|message| message.content.as_str());
    let instructions = context.turn.request.instructions.as_deref();
    let said = said.chain(instructions).chain([context.question.as_str()]);
    let evidence = Evidence::new(&findings.sources[..prompt.sources], &memories, said);
    if !drafts_only {
        return evidence;
    }
    let query = &context.query;
    // Of another language it is not known which words it is about.
    evidence.strict(if answerable::is_english(query) { answerable::subjects(query) } else { Vec::new() })
}

impl<'a> Grounds<'a> {
    /// Of what was found for a question; `build` makes the prompt of it.
    pub fn new(
        context: &'a Context,
        findings: Findings,
        choice: &'a Choice,
        drafts_only: bool,
        build: &impl Fn(&Findings) -> Prompt,
    ) -> Self {
        let prompt = build(&findings);
        let evidence = evidence(context, &findings, &prompt, drafts_only);
        let is_covered = answerable::is_covered(&context.query, &evidence);
        Self { context, findings, prompt, evidence, choice, drafts_only, is_covered }
    }

    /// The same with what of the sources is quoted alone: a small model reads no more of them in its time, and is led
    /// astray by less.
    #[must_use]
    pub fn narrowed_to_quotes(self, build: &impl Fn(&Findings) -> Prompt) -> Self {
        let Self { context, findings, choice, drafts_only, is_covered, .. } = self;
        let sources = fallback::quotes(&context.query, findings.sources);
        Self { is_covered, ..Self::new(context, Findings { sources, ..findings }, choice, drafts_only, build) }
    }

    fn sources(&self) -> &[Source] {
        &self.findings.sources[..self.prompt.sources]
    }

    /// True where what is not found must not be invented: a person asks for facts, and has documents to find them in.
    pub fn must_be_found(&self) -> bool {
        let ask = &self.context.turn.request;
        let has_documents = self.context.tenant.document_count > 0 && ask.source_filters().is_some();
        let question = &self.context.question;
        let is_about_documents = asking::asks_for_facts(question) && !asking::brings_its_own(question);
        ask.client.is_none() && is_about_documents && has_documents
    }

    /// True where what a model writes is not shown before it was checked; until then the sources are.
    pub fn are_drafted(&self) -> bool {
        self.drafts_only && !self.evidence.is_empty()
    }

    fn is_in_conversation(&self) -> bool {
        !self.context.earlier.is_empty() || self.context.summary.is_some()
    }

    /// Why no model needs to be asked; `None` if one is. A model that invents is asked only where a source holds all
    /// that the question is about.
    pub fn gap(&self) -> Option<Gap> {
        if !self.must_be_found() {
            return None;
        }
        let question = &self.context.query;
        let gap = answerable::gap(question, self.sources(), &self.evidence);
        // A question within a conversation may be about the conversation.
        let gap = gap.filter(|gap| !self.is_in_conversation() || self.is_new(gap));
        let is_unsure = self.drafts_only && !self.is_covered && answerable::is_english(question);
        gap.or_else(|| is_unsure.then_some(Gap::Unsure))
    }

    /// True for something named that was not said in the conversation before.
    fn is_new(&self, gap: &Gap) -> bool {
        let Gap::Unnamed(name) = gap else { return false };
        let name = name.to_lowercase();
        let said = self.context.earlier.iter().map(|earlier| earlier.message.content.as_str());
        !said.chain(self.context.summary.as_deref()).any(|said| said.to_lowercase().contains(&name))
    }

    /// The answer to a question that what was found cannot answer.
    pub fn refuse(&self, gap: &Gap) -> TurnAnswer {
        let is_by_guest = self.context.turn.request.is_by_guest();
        let Cited { text, citations } = fallback::unknown(gap, is_by_guest, &self.context.query, self.sources());
        let degraded = self.findings.degraded.clone();
        self.answer(Composed {
            text,
            citations,
            verdict: Verdict::Unknown,
            degraded,
            finish: "stop",
            ..Composed::default()
        })
    }

    /// What is shown until a draft was checked: of a question about facts what the sources say, word for word.
    pub fn meanwhile(&self) -> String {
        if self.must_be_found() { self.excerpts(fallback::MEANWHILE).text } else { String::new() }
    }

    fn excerpts(&self, lead: &str) -> Cited {
        fallback::excerpts(&self.context.query, self.sources(), &self.findings.memories, lead)
    }

    /// The answer from what a model wrote, or without one.
    pub async fn compose<P: Embedder>(
        &self,
        ports: &P,
        written: Result<Written, Failed>,
        budget: &Budget,
    ) -> TurnAnswer {
        let composed = match written {
            Ok(written) => {
                let (checked, not_compared) = self.check(ports, &written, budget).await;
                let mut composed = self.of_model(written, checked);
                composed.degraded = composed.degraded.or_else(|| not_compared.map(str::to_owned));
                composed
            }
            Err(failed) => self.without_model(&failed),
        };
        self.answer(composed)
    }

    fn answer(&self, composed: Composed) -> TurnAnswer {
        let turn = &self.context.turn.turn_id;
        let calls = composed.calls.into_iter().enumerate();
        let is_known = matches!(composed.verdict, Verdict::Supported | Verdict::Partly | Verdict::Unsupported);
        // Of what a model wrote some sentence stands in a source that is cited for it, or in a memory, which the
        // sentence names; what is quoted is cited.
        let is_cited = |by: &Supporting| {
            by.memory_id.is_some() || composed.citations.iter().any(|citation| Some(citation.n) == by.n)
        };
        let stands = if composed.sentences.is_empty() {
            !composed.citations.is_empty()
        } else {
            composed.sentences.iter().flat_map(|sentence| &sentence.by).any(is_cited)
        };
        let detail = Detail {
            grounded: is_known && stands,
            citations: composed.citations,
            route: Routed { name: self.choice.route, model: composed.model, why: self.choice.why.clone() },
            usage: composed.usage,
            verdict: composed.verdict,
            sentences: composed.sentences,
            draft: composed.draft,
            degraded: composed.degraded,
            memories: self.prompt.memories.clone(),
            proposals: Vec::new(),
            finish: composed.finish.to_owned(),
            tool_calls: calls.map(|(place, function)| ToolCall::of_turn(turn, place, function)).collect(),
            unanswered: composed.unanswered,
        };
        TurnAnswer { answer: composed.text, detail }
    }

    fn of_model(&self, written: Written, checked: Checked) -> Composed {
        let composed = match &self.context.turn.request.client {
            None => self.for_people(written.text, checked),
            // It is the client's program that reads it: code and JSON stay as they are.
            Some(_) if self.is_as_is(&written) => Composed { text: written.text, ..Composed::default() },
            Some(_) => self.for_client(&written.text, checked),
        };
        Composed {
            calls: written.calls,
            model: Some(written.model),
            usage: written.spent,
            degraded: self.findings.degraded.clone(),
            finish: written.finish,
            ..composed
        }
    }

    /// A client has read the answer already: it is told what speaks for it.
    fn for_client(&self, text: &str, Checked { sentences, verdict }: Checked) -> Composed {
        let Cited { text, citations } = citations::cite_at_end(text, &sentences, self.sources());
        Composed { text, citations, verdict, sentences, ..Composed::default() }
    }

    /// People are given what stands. What matters and is in no source is not shown, but kept for who asks.
    fn for_people(&self, text: String, Checked { sentences, verdict }: Checked) -> Composed {
        let must_be_found = self.must_be_found();
        // In a conversation what asserts nothing may be about the conversation.
        let says_nothing = verdict == Verdict::Nothing && !self.is_in_conversation();
        let is_in_doubt = self.drafts_only
            && (verdict != Verdict::Supported
                || breaks_off(&text)
                || asking::lacks_number(&self.context.question, &text));
        if must_be_found && (says_nothing || is_in_doubt || verdict == Verdict::Unsupported) {
            return self.instead_of(text);
        }
        let mark = if must_be_found { MARK } else { "" };
        let Marked { cited, sentences } = citations::cite(&text, &sentences, self.sources(), mark);
        let text =
            if self.says_nothing_was_found() { format!("{}\n\n{}", self.nothing(), cited.text) } else { cited.text };
        Composed { text, citations: cited.citations, verdict, sentences, ..Composed::default() }
    }

    /// What is shown where a draft does not stand: what the sources say, if one of them holds all that was asked about.
    /// Otherwise nothing speaks for an answer being there at all.
    fn instead_of(&self, draft: String) -> Composed {
        let request = &self.context.turn.request;
        let question = &self.context.query;
        let (verdict, Cited { text, citations }) = if self.is_covered {
            (Verdict::Unsupported, self.excerpts(fallback::UNSUPPORTED))
        } else {
            let nearest = fallback::unknown(&Gap::Unsure, request.is_by_guest(), question, self.sources());
            (Verdict::Unknown, nearest)
        };
        Composed { text, citations, verdict, draft: Some(draft), ..Composed::default() }
    }

    /// Where there is nothing to hold an answer against, nothing is known of it.
    async fn check<P: Embedder>(
        &self,
        ports: &P,
        written: &Written,
        budget: &Budget,
    ) -> (Checked, Option<&'static str>) {
        if self.evidence.is_empty() || self.is_as_is(written) {
            return (Checked::default(), None);
        }
        meaning::check(ports, &written.text, &self.context.query, &self.evidence, budget).await
    }

    /// True for what a client's program reads, not a person: it is no text to be checked.
    fn is_as_is(&self, written: &Written) -> bool {
        let client = self.context.turn.request.client.as_ref();
        client.is_some_and(|client| client.is_plain || client.format.is_some() || !written.calls.is_empty())
    }

    /// An answer about facts for which nothing was found says so.
    fn says_nothing_was_found(&self) -> bool {
        self.evidence.is_empty() && !self.is_in_conversation() && asking::asks_for_facts(&self.context.question)
    }

    fn nothing(&self) -> &'static str {
        if self.context.turn.request.is_by_guest() { NOTHING_OPEN } else { NOTHING_FOUND }
    }

    /// What was found, where no model answers.
    fn without_model(&self, failed: &Failed) -> Composed {
        let too_long = self.prompt.too_long.map(fallback::too_long);
        let why = too_long.as_deref().unwrap_or_else(|| fallback::reason(&failed.failure));
        let must_call = self.context.turn.request.client.as_ref().is_some_and(ClientAsk::must_call);
        let unanswered = match failed.failure.kind {
            _ if too_long.is_some() => Unanswered::TooLong,
            FailureKind::Exhausted => Unanswered::Exhausted,
            _ if failed.spent.prompt_tokens > 0 && must_call => Unanswered::Uncalled,
            _ if failed.spent.prompt_tokens > 0 => Unanswered::Empty,
            _ => Unanswered::Unavailable,
        };
        let lead = fallback::only_quoted(why);
        let findings = &self.findings;
        let Cited { text, citations } =
            fallback::excerpts(&self.context.query, &findings.sources, &findings.memories, &lead);
        Composed {
            text,
            citations,
            verdict: if findings.sources.is_empty() { Verdict::Unknown } else { Verdict::Unsupported },
            usage: failed.spent,
            unanswered: Some(unanswered),
            degraded: Some(format!("{why}; the answer is what was found, word for word")),
            finish: "stop",
            ..Composed::default()
        }
    }
}
