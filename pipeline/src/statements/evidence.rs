//! What speaks for a clause being worth keeping, and what against: words of several languages, each with its weight.
//!
//! No word decides alone. "Our tests" is ours, and fails; "invoices are kept for ten years" is a rule by its plural,
//! its verb and its number. What weighs enough together is proposed, the surer the more it weighs.

use super::words::{Phrases, begins, holds, words};

/// What a clause must weigh.
const ENOUGH: i8 = 3;

/// Whose it is.
static OURS: Phrases = Phrases::new(
    "\
    we|we're|our|ours|us|wir|unser|unsere|unseren|unserem|unserer|uns|nous|notre|nos|nosotros|\
    nuestro|nuestra|nuestros|nuestras|usamos|nosso|nossa|nossos|nossas|a gente",
);
/// Where it holds.
pub(super) static SCOPES: Phrases = Phrases::new(
    "\
    this repo|this repository|this project|this codebase|this app|this team|this company|this shop|\
    this product|this service|this package|this crate|this library|this monorepo|on my machine|on my laptop|\
    on my desk|in prod|in production|dieses projekt|diesem projekt|ce projet|este proyecto|este projeto",
);
/// What must be, may be or never is.
static RULES: Phrases = Phrases::new(
    "\
    must|mustn't|has to be|have to be|needs to be|need to be|may only|may not|can only|cannot be|can't be|\
    never|always|only after|only when|only on|only in|not allowed|forbidden|required|mandatory|banned|\
    off limits|off-limits|no longer|stays|stay|muss|müssen|darf|dürfen|immer|nie|niemals|toujours|\
    jamais|doit|doivent|siempre|nunca|debe|deben|sempre|deve|devem",
);
/// Why it is so.
static REASONS: Phrases = Phrases::new(
    "\
    on purpose|deliberately|intentionally|contract|contracts|by law|legal|compliance|policy|gdpr|\
    signed off|convention|auditors|is spelled|are spelled|is pronounced|stands for|is short for|contrato|\
    contrat|vertrag|gesetz",
);
/// Who has the say.
static OWNERS: Phrases = Phrases::new(
    "\
    owns|maintains|approves|reviews everything|reviews all|reviews every|responsible for|in charge of|\
    signs off|sign off|has access to|have access to|decides|reviewer|approval|an ok from|code owner|\
    belongs to|goes through|go through|gehört|zuständig",
);
/// How things are.
static STATES: Phrases = Phrases::new(
    "\
    is|isn't|are|aren't|may|has|have|need|needs|go|goes|live|lives|begin|begins|start|starts|end|\
    ends|belong|belongs|run|runs|use|uses|come|comes|expect|expects|mean|means|own|owns|review|\
    reviews|handle|handles|deploy|deploys|release|releases|ship|ships|host|hosts|store|stores|support|\
    supports|target|targets|depend|depends|follow|follows|keep|keeps|write|writes|get|gets|count|\
    counts|ist|sind|läuft|laufen|heißt|liegt|liegen|gehört|gehören|bleibt|bleiben|nutzen|verwenden|\
    machen|arbeiten|brauchen|haben|est|sont|utilise|utilisons|avons|reste|restent|son|está|están|tiene|\
    tienen|tenemos|é|são|fica|ficam|segue|seguimos|tem|temos|owns|pay|pays|expire|expires|contain|\
    contains|require|requires|cost|costs|defaults to|applies|apply|serves|serve",
);
/// How often.
static TIMES: Phrases = Phrases::new(
    "\
    every|each|per|nightly|daily|weekly|monthly|quarterly|yearly|automatically|by itself|until|jede|\
    jeden|jedes|jeder|täglich|chaque|cada|tous les|toutes les|todos los|todas las|todos os|todas as",
);
/// When.
static DATES: Phrases = Phrases::new(
    "\
    night|day|days|week|weeks|month|months|quarter|sprint|nacht|tag|woche|monat|nuit|jour|semaine|\
    mois|noche|día|semana|mes|noite|dia|mês|monday|mondays|tuesday|tuesdays|wednesday|wednesdays|\
    thursday|thursdays|friday|fridays|saturday|sunday|sundays|weekend|weekends|january|february|march|\
    april|june|july|august|september|october|november|december|montag|montags|dienstag|dienstags|\
    mittwoch|mittwochs|donnerstag|donnerstags|freitag|freitags|lundi|mardi|mercredi|jeudi|vendredi|lunes|\
    martes|miércoles|jueves|viernes|segunda|terça|quarta|quinta|sexta|noon|midnight|utc",
);
/// For how much.
static EXTENTS: Phrases = Phrases::new(
    "\
    all|everything|everywhere|anything|anywhere|nobody|everyone|everybody|at all|by default|only|no|\
    except|und zwar|überall|alles|alle|nur|partout|solo|só|apenas|tudo|todo|two|three|four|five|ten|\
    its own|once a|once per",
);
/// What it is not.
static CONTRASTS: Phrases = Phrases::new(
    "\
    instead of|rather than|and not|but not|not in|not from|not by|statt|au lieu de|en lugar de|en vez de|\
    em vez de",
);
/// What projects have.
static MATTERS: Phrases = Phrases::new(
    "\
    deadline|limit|limits|minimum|maximum|max|default|owner|maintainer|budget|timezone|license|licence|\
    prefix|suffix|namespace|region|currency|retention|spec|branches|customers|clients|tenants|partners|\
    name|naming|min spec",
);
/// What passes, and what somebody is about to do.
static PASSING: Phrases = Phrases::new(
    "\
    just|still|again|already|since|got|getting|was|were|had|did|didn't|seems|seem|looks|trying|tried|\
    i|i've|i'd|i'll|me|says|say|tells|asked|asks|keeps saying|people|example|tutorial|fixture|\
    fixtures|meeting|we need|we must|we have until|lol|using up|we'll|it'll|should|can we|we can|\
    we need to|we want|we have to|we should|we see|we get|we had|like this|like that|no idea|no clue|\
    no need|no rush|no worries|will|we're at|we have a|we have an|we still|we already|we just",
);
/// What points at the conversation.
static POINTING: Phrases = Phrases::new("you|you're|it|that|these|those");
/// What is wrong, or was looked at.
static TROUBLE: Phrases = Phrases::new(
    "\
    failing|fail|fails|failed|broken|breaks|broke|crash|crashes|crashed|weird|flaky|stuck|slow|\
    not working|doesn't|does not|panics|panic|hangs|leaks|wrong|red|is down|times out|missing|unused|\
    empty|undefined|null|returns|throws|green|too|we get a|we get an|getting a|a bug|passing|outdated|\
    conflicts|done|finished|left|messy|an error|an issue|a problem|warnings|passed|full of|on fire|grün|\
    rot|complain|complaining|off by",
);
/// What code does.
static BEHAVIOUR: Phrases = Phrases::new("always|never");
static IS: Phrases = Phrases::new("is");
/// How a clause begins that is about many.
static PLURALS: Phrases = Phrases::new("les|los|las|os");
/// What stands behind many, beside how they are.
static OF_MANY: Phrases = Phrases::new("must|never|always|can|may");
/// What was done, and holds.
static LASTING: Phrases = Phrases::new(
    "dropped|stopped|switched|moved|need|moving|switching|using|dropping|keeping|staying|sticking|migrating",
);
/// What was done once.
static PAST: Phrases = Phrases::new("ran|went|found|saw|lost|made|sent|wrote");
static CHANGE: Phrases = Phrases::new("change|changes");
/// What each kind of words weighs; each counts once.
static WEIGHTS: [(i8, &Phrases); 14] = [
    (2, &OURS),
    (2, &SCOPES),
    (2, &RULES),
    (2, &REASONS),
    (2, &OWNERS),
    (1, &STATES),
    (1, &TIMES),
    (1, &DATES),
    (1, &EXTENTS),
    (1, &CONTRASTS),
    (1, &MATTERS),
    (-2, &PASSING),
    (-1, &POINTING),
    (-4, &TROUBLE),
];
/// What says that more follows than a request.
static GENERAL: Phrases = Phrases::new(
    "\
    generally|in general|from now on|whenever|each time|every time you|any time|as a rule|in future|\
    in the future|going forward|next time|henceforth|when you add|when you change|when you touch|\
    when you write|before every|after every|before each|after each|before you add|before you change|\
    when adding|when changing|when writing|ab jetzt|ab sofort|in zukunft|künftig|grundsätzlich|dorénavant|\
    désormais|à partir de maintenant|a partir de ahora|de ahora en adelante|a partir de agora|daqui pra frente|\
    de agora em diante|we do that|we do it|we do this|as everywhere|like everywhere|house style|that's a rule|\
    that's the rule|that's our convention|machen wir|wie überall|comme partout|como en todas partes",
);
/// Who or what a clause begins with that is about nothing lasting.
pub(super) static ABOUT_NOTHING: Phrases = Phrases::new(
    "\
    i|i'm|i've|i'd|i'll|it|it's|its|that|that's|this|these|those|they|they're|he|she|you|you're|\
    your|there|there's|here|here's|if|when|then|now|still|maybe|yes|no idea|no worries|no need|\
    no rush|nothing|something|somebody|someone|one|both|either|because|which|whatever|as|why|who|what|\
    not|ich|es|das|je|ça|c'est|eso|isso|wenn|si|se|but|or|while|after|before|until|once|same|\
    looks|seems",
);
/// Environments and branches are a project's own.
static ENVIRONMENTS: Phrases = Phrases::new("prod|production|staging|main|master|ci|dev|qa");
/// In Japanese, which has no spaces: what says that it lasts, and what that it does not.
const JAPANESE: &str = "今後|必ず|常に|毎日|毎週|毎月|毎年|に決めました|に決まりました|統一|禁止|を使っています|ルール|方針|しないでください|にしています|このプロジェクト";
const NOT_IN_JAPANESE: &str = "ですか|ますか|でしょうか|かもしれ|？|今日|今だけ|一旦|とりあえず|昨日|エラー|思います";

/// What a clause weighs that may be worth keeping.
pub(super) struct Weighed {
    pub(super) kind: &'static str,
    pub(super) confidence: f64,
}

/// The weight of a clause, if it is enough; `announced` is how much what stood before says so.
pub(super) fn weigh(lower: &str, announced: i8) -> Option<Weighed> {
    let contains = |list: &str| !lower.is_ascii() && list.split('|').any(|part| lower.contains(part));
    if contains(JAPANESE) {
        return (!contains(NOT_IN_JAPANESE)).then_some(Weighed { kind: "instruction", confidence: 0.6 });
    }
    if begins(lower, &ABOUT_NOTHING) && !begins(lower, &SCOPES) {
        return None;
    }
    let weight = announced + of_words(lower) + of_form(lower);
    let holds_any = |lists: &[&Phrases]| lists.iter().any(|list| holds(lower, list));
    let is_said = || announced > 2 || lower.starts_with("no ") || holds_any(&[&OURS, &RULES, &STATES, &OWNERS, &TIMES]);
    (weight >= ENOUGH && is_said()).then(|| Weighed {
        kind: if holds(lower, &RULES) { "instruction" } else { "fact" },
        confidence: (0.2 + 0.1 * f64::from(weight)).min(0.8),
    })
}

fn of_words(lower: &str) -> i8 {
    WEIGHTS.iter().filter(|(_, list)| holds(lower, list)).map(|(weight, _)| weight).sum()
}

fn of_form(lower: &str) -> i8 {
    let is_plural = is_plural(lower);
    let subject = lower.strip_prefix("the ").or_else(|| lower.strip_prefix("our ")).unwrap_or(lower);
    let is_one = lower.starts_with("the ") && !is_plural;
    // "the loop never ends" tells what code does, "the table has 2 million rows" what somebody sees.
    let is_behaviour = is_one && holds(lower.split(", ").next().unwrap_or_default(), &BEHAVIOUR);
    let is_seen = is_one && ![&OWNERS, &REASONS, &IS].iter().any(|list| holds(lower, list));
    let evidence = [
        (1, words(lower).any(is_exact)),
        (1, is_plural),
        (1, lower.contains(", not ")),
        (2, begins(subject, &ENVIRONMENTS)),
        (-2, is_behaviour),
        (-1, is_seen),
        (-3, is_told(lower)),
        (-2, points_at_this(lower)),
    ];
    evidence.iter().filter(|(_, is_so)| *is_so).map(|(weight, _)| weight).sum()
}

/// "invoices are", "pages older than two years must": of all of a kind.
fn is_plural(lower: &str) -> bool {
    if begins(lower, &PLURALS) {
        return true;
    }
    let mut before = "";
    for word in words(lower).take(6) {
        if !before.is_empty() && (holds(word, &STATES) || holds(word, &OF_MANY)) {
            return before.len() > 2 && before.ends_with('s') && !before.ends_with("ss") && !before.ends_with("us");
        }
        before = word;
    }
    false
}

/// "we deployed", "we're looking": told of one time, and not of always.
fn is_told(lower: &str) -> bool {
    let mut words = words(lower).skip_while(|word| !["we", "we're"].contains(word));
    let (Some(we), Some(verb)) = (words.next(), words.next()) else { return false };
    let verb = if ["are", "always"].contains(&verb) { words.next().unwrap_or_default() } else { verb };
    if holds(verb, &LASTING) {
        return false;
    }
    holds(verb, &PAST) || verb.ends_with("ed") || (we == "we're" && verb.ends_with("ing"))
}

/// A number, a path, a name in code: what is said exactly.
fn is_exact(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) || word.chars().skip(1).any(|letter| "/._".contains(letter))
}

/// An order that says itself that it is for good.
pub(super) fn is_general(lower: &str) -> bool {
    holds(lower, &GENERAL) || lower.split_once(" when ").is_some_and(|(_, when)| holds(when, &CHANGE))
}

/// True if it says how things are.
pub(super) fn says(lower: &str) -> bool {
    holds(lower, &STATES) || holds(lower, &RULES)
}

/// "this change": not "this repository", where all of it holds.
pub(super) fn points_at_this(lower: &str) -> bool {
    words(lower).any(|word| ["this", "these", "those"].contains(&word)) && !holds(lower, &SCOPES)
}
