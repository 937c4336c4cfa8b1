//! A part of a sentence, and what of it is no opening, no request and no question.

use super::{
    evidence::{self, points_at_this},
    leads,
    words::{Phrases, begins, holds, lowered, words},
};

/// Shortest and longest statement, in bytes.
pub(super) const BYTES: std::ops::RangeInclusive<usize> = 8..=300;
/// What points at something that is only seen where it is said.
pub(super) static POINTING: Phrases = Phrases::new("here|that one|these|those|above|below|it|there");
/// When an order holds that holds for good.
static WHENEVER: Phrases = Phrases::new(
    "\
    whenever you|every time you|each time you|any time you|when you add|when you change|when you touch|\
    when adding|when changing",
);

/// What a clause may open with that says nothing.
static OPENINGS: Phrases = Phrases::new(
    "\
    ok|okay|yes|yeah|yep|yup|no|nope|so|right|great|perfect|nice|cool|good|fine|sure|alright|\
    actually|hmm|well|also|and|but|thanks|thank you|thx|ty|hi|hey|hello|oh|ah|haha|lol|works|done|\
    please note|please|pls|however|then|super|danke|merci|gracias|obrigado|ótimo|und|aber|also|et|\
    mais|y|pero|mas",
);
/// Those of them that are said without a comma.
static LOOSE: Phrases = Phrases::new("then|ok|okay|yes|yeah|so|also|and|but|oh|btw|fyi|thx|und|et|y");
/// What announces that something is told.
static ANNOUNCED: Phrases = Phrases::new(
    "\
    btw|by the way|fyi|heads up|for context|for reference|for the record|nb|ps|psa|just so you know|\
    so you know|reminder|important|context|correction|one more|one more thing|another thing|one thing|\
    in this repo|in this project|for this project|for this repo|übrigens|nur zur info|wichtig|au fait|\
    por cierto|aliás|a propósito",
);
/// What the short head of a colon says that does the same: "one real thing: …".
static ANNOUNCING: Phrases = Phrases::new("thing|more|note|context|up|coisa|cosa|chose");
/// What orders that it is remembered.
static REMEMBERED: Phrases = Phrases::new(
    "\
    remember that|remember|please remember that|please remember|keep in mind that|keep in mind|\
    please keep in mind that|note that|please note that|don't forget that|bear in mind that|denk dran, dass|\
    merk dir|rappelle-toi que|recuerda que|lembre que",
);
/// The same two in the middle of a sentence.
const ANNOUNCED_INSIDE: &str = "btw|by the way|fyi";
const REMEMBERED_INSIDE: &str = "note that|remember that|keep in mind that|keep in mind|bear in mind";
/// What a clause is called that is told.
static CALLED: Phrases = Phrases::new("note|decision|decided");
static NOTE: Phrases = Phrases::new("note");
/// What either weighs (see `evidence`), and what a norm or a request to change it adds or takes.
const ANNOUNCEMENT: i8 = 2;
const REMEMBRANCE: i8 = 3;
const INTENT: i8 = 2;
pub(super) const REPAIR: i8 = -3;
/// Before a colon: what follows is not said by who types it.
pub(super) static HEARD: Phrases = Phrases::new(
    "\
    readme|contributing|wiki|log|logs|thread|prints|say|says|said|writes|wrote|error|warning|output|\
    todo|fixme|changelog|comment|text|title|label|message|docs",
);
/// How questions begin, also those without their mark.
static QUESTIONS: Phrases = Phrases::new(
    "\
    what|what's|why|how|how's|where|where's|who|who's|which|is|are|does|do you|do we|did|can|could|\
    should|would|will|has|have you|have we|any idea|am i|isn't|aren't|doesn't|won't|didn't|wasn't|\
    weren't|shouldn't|couldn't|wouldn't|don't we|was|wie|warum|wieso|wo|wer|wann|kannst|könntest|\
    comment|pourquoi|est-ce|où|cómo|por qué|qué|dónde|como|por que|qual|quem|onde|puedes|podrías|\
    peux-tu|tu peux|pode|você pode",
);
/// What somebody says who has just told what is wrong.
static REPAIRS: Phrases = Phrases::new(
    "\
    fix it|fix that|fix this|fix them|why|can you look|can you find|can you see|can you fix it|\
    can you fix that|find out|look into|debug|investigate|any idea|how come|what's going on|what is going on|\
    what happened|should|they should|it should|that should",
);
/// What a request beside a statement is about.
static IT: Phrases = Phrases::new("it|them|that|this");
/// Requests that leave what was told as it is.
static WRITING: Phrases = Phrases::new("write|put|note|document|add|mention|remember|keep");
/// How far "don't …" reaches that holds for good.
static BOUNDS: Phrases = Phrases::new("without asking|without my|unless i|unless we|by hand|under any|ever|anywhere");
/// Verbs that ask for work once, beside those that may order for good.
static WORK: Phrases = Phrases::new(
    "\
    apply|bring|compress|speed|regenerate|shorten|clean|compare|continue|debug|draft|drop|explain|\
    extract|figure|find|finish|fix|generate|get|give|go|help|improve|increase|investigate|look|lower|\
    port|profile|reduce|redo|replace|reproduce|rerun|revert|see|set|summarise|summarize|swap|switch|\
    tell|trace|turn|undo|walk|make sure|try|let|can you|could you|don't|dont|do not|let me|let's|\
    i need|i want|schreib|mach|füg|füge|bau|zeig|schau|prüf|prüfe|lösch|lösche|ändere|nimm|stell|\
    erhöh|lass|bitte|haz|añade|agrega|pon|cambia|arregla|revisa|borra|muestra|escribe|fais|ajoute|\
    corrige|regarde|montre|écris|mets|vérifie|supprime|enlève|faz|faça|adiciona|adicione|muda|mude|\
    mostra|cria|apaga|verifica|coloca",
);
/// What a verb that orders is followed by, where it might be a noun.
static OBJECTS: Phrases = Phrases::new(
    "\
    the|a|an|this|that|it|them|these|those|all|my|our|your|me|us|both|every|some|to|in|into|on|\
    up|out|now",
);
/// Before what is asked for, and says nothing.
const CONJUNCTIONS: &str = "and|so|but|then|now|please|pls|just|also|or|und|ok";
/// A condition, or a time from which on: what it asks for belongs to it.
static CONDITIONS: Phrases = Phrases::new(
    "\
    whenever|when|if|every time|each time|before|after|from now on|going forward|in future|in the future|\
    generally|wenn|ab jetzt",
);
/// Behind a fact: it is meant to be so.
static KEPT: Phrases = Phrases::new("don't|do not|dont");
/// What begins like it.
static NOT_KEPT: Phrases = Phrases::new("don't worry|don't bother|don't forget to|do not worry");

/// A part of a sentence, without what opens it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause<'a> {
    pub(super) text: &'a str,
    /// How much what stands around it says that it is to be kept.
    pub(super) announced: i8,
}

/// The clause without signs of lists and markup, and without what says nothing.
pub(super) fn without_openings(clause: &str) -> Clause<'_> {
    let signs = |letter: char| letter.is_whitespace() || "-*#_•`".contains(letter);
    let mut clause = Clause { text: clause.trim_matches(signs), announced: 0 };
    while let Some((length, announced)) = opening(&lowered(clause.text)) {
        clause.text = clause.text[length..].trim_start_matches([',', ':', '!']).trim_matches(signs);
        clause.announced = clause.announced.max(announced);
    }
    clause
}

/// How long what opens a clause is, and how much it announces.
fn opening(lower: &str) -> Option<(usize, i8)> {
    let longest = |list: &Phrases, ends: &[char]| {
        list.leading(lower).map(str::len).filter(|length| lower[*length..].starts_with(ends)).max()
    };
    let any = [',', ':', '!', ' '];
    if let Some(length) = longest(&REMEMBERED, &any) {
        return Some((length, REMEMBRANCE));
    }
    // "note the order" orders; "note: the order …" tells.
    if let Some(length) = longest(&NOTE, &any[..2]).or_else(|| longest(&ANNOUNCED, &any)) {
        return Some((length, ANNOUNCEMENT));
    }
    if let Some(length) = longest(&OPENINGS, &any[..3]).or_else(|| longest(&LOOSE, &any)) {
        return Some((length, 0));
    }
    let (head, _) = lower.split_once(": ")?;
    (words(head).count() < 5 && holds(head, &ANNOUNCING)).then_some((head.len(), ANNOUNCEMENT))
}

/// True if it is a word before a colon that is nobody's name.
pub(super) fn is_announcement(lower: &str) -> bool {
    begins(lower, &CALLED) || begins(lower, &ANNOUNCED) || begins(lower, &REMEMBERED)
}

impl Clause<'_> {
    /// What follows a colon, where that is not what somebody else said.
    pub(super) fn behind_colon(&self) -> Option<Self> {
        let (head, tail) = self.text.split_once(": ")?;
        let head = lowered(head);
        let is_heard = holds(&head, &HEARD) || is_request(&head) || asks(&head) || words(&head).count() < 3;
        (!is_heard).then(|| without_openings(tail))
    }

    /// The part that is no request and no question beside it.
    pub(super) fn without_requests(&self) -> Option<Self> {
        let clause = self.without_announcement();
        let is_general = evidence::is_general(&lowered(clause.text));
        let (mut start, mut end, mut at) = (0, clause.text.len(), 0);
        let (mut announced, mut is_bound) = (clause.announced, false);
        for piece in clause.text.split(", ") {
            let lower = lowered(piece);
            let bare = without_conjunctions(lower.trim());
            let is_first = start == at;
            let is_kept = !is_first && begins(bare, &KEPT) && !begins(bare, &NOT_KEPT);
            if is_kept {
                announced += INTENT;
            }
            let is_exempt = is_bound || is_kept || (is_general && at == 0 && !asks(bare));
            let is_work = !is_exempt && is_work(bare);
            if is_work && !is_first {
                end = at;
                announced += if is_repair_beside(bare) { REPAIR } else { 0 };
                break;
            }
            at = (at + piece.len() + 2).min(clause.text.len());
            if is_work {
                start = at;
            }
            is_bound = begins(&lower, &CONDITIONS);
        }
        let rest = without_openings(bare(clause.text.get(start..end.max(start))?));
        let announced = announced + rest.announced;
        BYTES.contains(&rest.text.len()).then_some(Clause { announced, ..rest })
    }

    /// "rename it and note that we …", "… in Frankfurt by the way".
    fn without_announcement(self) -> Self {
        let lower = lowered(self.text);
        let found = |list: &'static str, announced: i8| {
            let places = list.split('|').filter_map(|part| {
                let at = lower.find(part).filter(|at| lower[..*at].ends_with([' ', ',']))?;
                let rest = &lower[at + part.len()..];
                (!rest.starts_with(char::is_alphanumeric)).then_some((at, at + part.len()))
            });
            places.min().map(|(at, end)| (at, end, announced))
        };
        let places = [found(REMEMBERED_INSIDE, REMEMBRANCE), found(ANNOUNCED_INSIDE, ANNOUNCEMENT)];
        let Some((at, end, announced)) = places.into_iter().flatten().min() else { return self };
        let (head, tail) = (&self.text[..at], self.text[end..].trim_start());
        let is_behind = tail.starts_with([',', ')']) || words(tail).count() < 3;
        let text = if is_behind { head.trim_end_matches([' ', ',', '(']) } else { tail };
        Clause { text, announced: self.announced.max(announced) }
    }
}

fn without_conjunctions(lower: &str) -> &str {
    let first = CONJUNCTIONS.split('|').find_map(|word| lower.strip_prefix(word)?.strip_prefix(' '));
    first.map_or(lower, without_conjunctions)
}

/// A question, also without its mark.
pub(super) fn asks(lower: &str) -> bool {
    lower.ends_with(['?', '？']) || begins(lower, &QUESTIONS)
}

/// A question or a request, and no statement that looks like one.
fn is_work(bare: &str) -> bool {
    let is_lead = leads::LEADS.iter().any(|lead| bare.starts_with(lead.text));
    !is_lead && (asks(bare) || (is_request(bare) && !is_order(bare)))
}

/// "fix that", "why": what was told before it is wrong.
pub(super) fn is_repair(lower: &str) -> bool {
    begins(without_conjunctions(lower), &REPAIRS)
}

/// The same beside it, where any request about it says so, "speed them up", but for one to write it down.
fn is_repair_beside(bare: &str) -> bool {
    let object = words(bare).nth(1).unwrap_or_default();
    let is_about_it = is_request(bare) && holds(object, &IT);
    is_repair(bare) || (is_about_it && !begins(bare, &WRITING))
}

/// Work that is asked for: a verb in front, and not a noun that looks like one.
pub(super) fn is_request(lower: &str) -> bool {
    let lower = without_conjunctions(lower);
    let head = lower.split(": ").next().unwrap_or_default();
    let (verb, object) = head.split_once(' ').unwrap_or((head, ""));
    let is_verb = || leads::is_verb(verb.trim_end_matches([',', '.', '!']));
    begins(lower, &WORK) || (is_verb() && (begins(object, &OBJECTS) || !evidence::says(head)))
}

/// The text without marks around it, and without a request that follows without a comma.
pub(super) fn bare(text: &str) -> &str {
    let lower = lowered(text);
    let requests = [" so don't ", " so please ", " so can you ", " so dont ", " please ", "ので、", "から、"];
    let end = requests.iter().filter_map(|request| lower.find(request)).filter(|at| *at > 0).min();
    text[..end.unwrap_or(text.len())]
        .trim()
        .trim_matches(|letter: char| "*_`".contains(letter))
        .trim_end_matches(['.', '!', ',', ':', ';', '。'])
        .trim_end_matches(":)")
        .trim()
}

/// True if it points at something that is only seen where it is said.
pub(super) fn points(lower: &str) -> bool {
    holds(lower, &POINTING) || points_at_this(lower)
}

/// "always …", "never …", "don't ever …": for good, and by a verb that orders.
pub(super) fn is_order(lower: &str) -> bool {
    let rest = lower.strip_prefix("please ").unwrap_or(lower);
    let rest = rest.strip_prefix("you should ").or_else(|| rest.strip_prefix("you must ")).unwrap_or(rest);
    let for_good = ["always ", "never ", "don't ever ", "do not ever ", "we always ", "we never "];
    if let Some(rest) = for_good.iter().find_map(|beginning| rest.strip_prefix(beginning)) {
        return orders(rest);
    }
    let not = ["don't ", "do not "].iter().find_map(|beginning| rest.strip_prefix(beginning));
    if let Some(rest) = not {
        return orders(rest) && holds(rest, &BOUNDS) && !points(rest);
    }
    // "whenever you change the schema, run …"
    begins(rest, &WHENEVER) && rest.split_once(", ").is_some_and(|(_, then)| is_request(then) || is_order(then))
}

pub(super) fn orders(rest: &str) -> bool {
    let word = rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '-')).next().unwrap_or_default();
    !word.is_empty()
        && leads::is_verb(word)
        && rest.len() > word.len() + 1
        && !begins(&rest[word.len()..], &leads::PRONOUNS)
}
