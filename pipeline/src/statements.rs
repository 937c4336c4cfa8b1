//! What somebody states in a session of work that may be worth remembering: decisions, preferences, instructions and
//! facts.
//!
//! Found by how sentences begin and by what their words weigh, not by a model: it costs nothing, the same message
//! always states the same, and what is not plainly stated is left alone. Precision goes first, since a person looks at
//! each: questions, requests for work, what is only considered, quotes and pasted output state nothing.

mod clause;
mod evidence;
mod leads;
mod prose;
mod words;

pub use prose::sentences;

use self::{
    clause::{BYTES, Clause, POINTING, is_order, orders, points},
    evidence::points_at_this,
    leads::{Form, LEADS},
    words::{Phrases, begins, begins_as, holds, lowered, words},
};
use crate::job::cursors::Speaker;

/// Something that was stated.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// `decision`, `preference`, `instruction` or `fact`.
    pub kind: &'static str,
    /// What was stated, as it was.
    pub text: String,
    /// How sure it is that it is one, from 0 to 1.
    pub confidence: f64,
    /// It is about who says it, wherever they work.
    pub is_personal: bool,
}

/// Most bytes of a message that are looked at.
pub const LOOKED_AT: usize = 8 * 1024;
/// Most parts of sentences that are looked at: who types writes fewer.
const CLAUSES: usize = 64;
/// How sure what Claude says of a decision is: it may be its own idea.
const OF_ASSISTANT: f64 = 0.4;

/// What is only considered, quoted, or told of another time.
static HEDGES: Phrases = Phrases::new(
    "\
    maybe|perhaps|not sure|might|probably|thinking about|thinking of|considering|i think|i guess|i wonder|\
    what if|how about|could|would|suppose|imagine|hypothetically|for example|he said|she said|they said|\
    according to|back then|at first|originally|turns out|problem is|the thing is|since the|after the update|\
    somehow|they are not|they aren't|these are|it is not|it isn't|two things|last job|old project|old job|\
    previous job|in the past|back when|requirements:|user story|acceptance criteria|used to|years ago|\
    but then|in theory|let me know|not yet|if we|should we|whether|wondering|in case|someday|ideally|\
    apparently|supposedly|i hope|i wish|wrote|suggested|suggests|thinks|claims|i heard|i read|\
    told me that|the docs say|commit message:|message:|title|changelog|proposes|proposed|wants|recommends|\
    recommend|vielleicht|könnte|könnten|evtl|ich glaube|peut-être|pourrait|je pense|quizás|quizá|tal vez|\
    creo que|afaik|iirc|i believe|i assume|podría|talvez|acho que|poderia",
);
/// What passes.
static PASSING: Phrases = Phrases::new(
    "\
    for now|right now|at the moment|for the moment|currently|today|yesterday|tomorrow|this time|this once|\
    just once|first,|just now|temporarily|this morning|this week|this afternoon|last night|tonight|\
    for the demo|in the meantime|this pr|this commit|this branch|this bug|this change|this file|this test|\
    this function|this one|in a minute|heute|gerade|erst mal|erstmal|gestern|vorerst|diesmal|aujourd'hui|\
    pour l'instant|cette fois|hoy|ahora|por ahora|esta vez|hoje|por enquanto|desta vez|dessa vez",
);
/// What is wrong at the time, and no fact about a project.
static TROUBLE: Phrases = Phrases::new(
    "\
    failing|fails|failed|broken|breaks|crash|error|bug|wrong|weird|flaky|stuck|slow|not working|\
    doesn't work|does not work|issue|problem|timeout|leak|panic|panics|red again|is down|out of memory",
);
/// What takes back what was said before.
static TAKEN_BACK: Phrases = Phrases::new(
    "\
    scratch that|revert that|forget that|undo that|take that back|on second thought|on second thoughts|\
    changed my mind|actually no|no wait|wait no|no, wait|wait, no|doch nicht",
);
/// How a decision is called one.
static DECISION: Phrases = Phrases::new("decision|final decision|entscheidung|décision|decisión|decisão");
/// How a statement begins that stands behind a comma.
static BEHIND_COMMA: Phrases = Phrases::new("we|our|no|from now on|always|never");
/// "as it is", "how it is": nothing is settled.
static LEFT: Phrases = Phrases::new("as|how|what|whatever|who|where|than|think|hope|fine|good|great|way");
/// What is liked at one time.
static OF_ONE_TIME: Phrases = Phrases::new("how|when|your|to see");
/// What is said and not meant.
static SARCASM: Phrases = Phrases::new(
    "\
    oh sure|yeah right|yeah sure|who needs|love it when|of course we|what could go wrong|never ever|/s|\
    because why not|great idea|brilliant|🙃|🙄|😏",
);

/// True if a message takes back what was said before it.
pub fn takes_back(message: &str) -> bool {
    let first = prose::sentences(message).take(2).collect::<Vec<_>>().join(" ");
    holds(&lowered(&first), &TAKEN_BACK)
}

/// True if a message states something.
pub fn states_something(by: Speaker, message: &str) -> bool {
    !statements(by, message, 1).is_empty()
}

/// The first statements in a message, in its order, each once, and at most so many.
pub fn statements(by: Speaker, message: &str, most: usize) -> Vec<Statement> {
    let message = &message[..message.floor_char_boundary(LOOKED_AT)];
    let own = if by == Speaker::User { prose::own(message) } else { message };
    if by == Speaker::User && holds(&lowered(own), &SARCASM) {
        return Vec::new();
    }
    let written = prose::without_quotes(own);
    let mut found: Vec<Statement> = Vec::new();
    let sentences: Vec<&str> = prose::of(&written).take(CLAUSES).collect();
    for (place, sentence) in sentences.iter().enumerate() {
        let is_to_change = sentences.get(place + 1).is_some_and(|next| clause::is_repair(&lowered(next)));
        for clause in prose::clauses(sentence) {
            // Emphasis may stand inside: "**Decision:** …".
            if let Some(statement) = statement(by, &clause.replace("**", ""), is_to_change)
                && found.iter().all(|known| known.text != statement.text)
            {
                found.push(statement);
            }
            if found.len() >= most {
                return found;
            }
        }
    }
    found
}

fn statement(by: Speaker, clause: &str, is_to_change: bool) -> Option<Statement> {
    if clause.contains(prose::QUOTED) {
        return None;
    }
    // "Decision (written to the log): …".
    let decided = clause.split_once(": ").filter(|(head, _)| begins(&lowered(head), &DECISION));
    let decided = decided.map(|(_, tail)| format!("decision: {tail}"));
    let mut clause = clause::without_openings(decided.as_deref().unwrap_or(clause));
    if by == Speaker::Assistant && !LEADS.iter().any(|lead| lead.is_decision() && begins_as(clause.text, lead.text)) {
        return None;
    }
    if is_to_change {
        clause.announced += clause::REPAIR;
    }
    // "the rule here: never …": what follows a colon may be all of it.
    stated(by, &clause).or_else(|| clause.behind_colon().and_then(|behind| stated(by, &behind))).or_else(|| {
        // "that was a joke, we never …": a comma may stand for a full stop.
        let (_, tail) = clause.text.split_once(", ")?;
        let tail = clause::without_openings(tail);
        let lower = lowered(tail.text);
        (begins(&lower, &BEHIND_COMMA) && !holds(&lower, &POINTING)).then(|| stated(by, &tail)).flatten()
    })
}

fn stated(by: Speaker, clause: &Clause<'_>) -> Option<Statement> {
    let clause = clause.without_requests()?;
    let text = clause.text;
    if text.ends_with(['?', '？']) || !BYTES.contains(&text.len()) || text.starts_with(['"', '“', '\'', '‘', '<', '|'])
    {
        return None;
    }
    let lower = lowered(text);
    let is_general = evidence::is_general(&lower);
    if holds(&lower, &HEDGES) || (!is_general && holds(&lower, &PASSING)) || clause::asks(&lower) {
        return None;
    }
    let lead = LEADS.iter().find(|lead| lower.starts_with(lead.text) && lead.is_met(&lower));
    let (kind, confidence) = match lead {
        Some(lead) => (lead.kind, lead.confidence),
        None => judged(&lower, is_general, clause.announced)?,
    };
    if by == Speaker::Assistant && !lead.is_some_and(leads::Lead::is_decision) {
        return None;
    }
    let text = clause::bare(match lead {
        Some(lead) if lead.form == Form::Behind => text.get(lead.text.len()..)?,
        _ => text,
    });
    // Without spaces nobody can count words.
    let enough = BYTES.contains(&text.len()) && (text.split_whitespace().count() >= 3 || !text.is_ascii());
    enough.then(|| Statement {
        kind,
        text: text.to_owned(),
        confidence: if by == Speaker::Assistant { OF_ASSISTANT } else { confidence },
        is_personal: lead.is_some_and(|lead| lead.is_personal),
    })
}

/// Kind and confidence of what begins in no known way.
fn judged(lower: &str, is_general: bool, announced: i8) -> Option<(&'static str, f64)> {
    if is_settled(lower) {
        return Some(("decision", 0.7));
    }
    if is_order(lower) && !points_at_this(lower) {
        return Some(("instruction", 0.8));
    }
    let is_general_order = is_general && orders(lower.strip_prefix("please ").unwrap_or(lower));
    if clause::is_request(lower) || is_general_order {
        return (is_general && !points(lower)).then_some(("instruction", 0.6));
    }
    evidence::weigh(lower, announced).map(|weighed| (weighed.kind, weighed.confidence))
}

/// "tabs and no spaces it is"; not "leave it as it is".
fn is_settled(lower: &str) -> bool {
    lower.strip_suffix(" it is").is_some_and(|choice| {
        words(choice).count() < 6 && !begins(choice, &evidence::ABOUT_NOTHING) && !holds(choice, &LEFT)
    })
}

/// What is meant is said, and not only pointed at: "that one", "option 2", "it".
fn names_something(rest: &str) -> bool {
    let rest = rest.trim_start();
    // "we decided that all services log JSON" says it; "let's go with that approach" does not.
    let rest = rest.strip_prefix("that ").filter(|rest| rest.split_whitespace().count() > 2).unwrap_or(rest);
    !rest.is_empty() && (!begins(rest, &leads::REFERENCES) || begins(rest, &evidence::SCOPES))
}

impl leads::Lead {
    /// True if it says itself that something is decided.
    fn is_decision(&self) -> bool {
        self.kind == "decision" && self.confidence >= 0.8
    }

    /// True if what follows it makes it what it seems to be.
    fn is_met(&self, lower: &str) -> bool {
        let rest = &lower[self.text.len()..];
        names_something(rest)
            && match self.form {
                Form::Choice => holds(rest, &leads::CHOICES),
                Form::Fact => !holds(rest, &TROUBLE) && !points(rest),
                Form::Taste => !points(rest) && !begins(rest, &OF_ONE_TIME),
                Form::Whole | Form::Behind => true,
            }
    }
}

#[cfg(test)]
mod tests;
