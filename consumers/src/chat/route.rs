//! Which route a question takes: the smallest that fits, and why.

use pipeline::{chat::catalogue::RouteName, identifiers};

/// What of a question decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Words of the question.
    pub words: usize,
    /// It holds code, or asks about some.
    pub code: bool,
    /// Signs of several steps of reasoning.
    pub reasoning: usize,
    /// Questions in it.
    pub questions: usize,
    /// Most of what was found for it is code.
    pub sources_are_code: bool,
}

/// A route and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The route.
    pub route: RouteName,
    /// Why, in a few words.
    pub why: String,
}

impl Choice {
    /// The smallest route instead, and what for.
    #[must_use]
    pub fn smallest(self, because: &str) -> Self {
        if self.route == RouteName::Simple {
            return self;
        }
        let why = format!("{because}; otherwise {}, because {}", self.route.name(), self.why);
        Self { route: RouteName::Simple, why }
    }
}

/// Words that only questions about code hold.
const CODE_WORDS: [&str; 30] = [
    "function",
    "method",
    "class",
    "struct",
    "compile",
    "compiler",
    "stacktrace",
    "traceback",
    "exception",
    "refactor",
    "regex",
    "sql",
    "api",
    "endpoint",
    "borrow",
    "async",
    "await",
    "null",
    "segfault",
    "unit",
    "test",
    "bug",
    "debug",
    "implement",
    "code",
    "codebase",
    "repository",
    "parameter",
    "variable",
    "library",
];
/// Of these one alone says little: they are words of everyday, too.
const WEAK_CODE_WORDS: [&str; 4] = ["unit", "test", "class", "library"];
const REASONING: [&str; 18] = [
    "compare",
    "difference",
    "trade-off",
    "tradeoff",
    "why",
    "prove",
    "derive",
    "design",
    "architecture",
    "plan",
    "step by step",
    "pros and cons",
    "evaluate",
    "analyse",
    "analyze",
    "reason",
    "implications",
    "versus",
];
const MANY_WORDS: usize = 120;
const FEW_WORDS: usize = 12;

/// Looks at a question.
pub fn features(question: &str, sources_are_code: bool) -> Features {
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let strong = words.iter().filter(|word| CODE_WORDS.contains(word) && !WEAK_CODE_WORDS.contains(word)).count();
    let weak = words.iter().filter(|word| WEAK_CODE_WORDS.contains(word)).count();
    let spelled = ["```", "::", "()", "->", "=>", "{", "};", "#include", "fn ", "def ", "</"]
        .iter()
        .any(|mark| question.contains(mark))
        || identifiers::words(question).any(identifiers::is_compound);
    Features {
        words: words.len(),
        code: spelled || strong > 0 || weak > 1,
        reasoning: REASONING.iter().filter(|cue| lower.contains(**cue)).count(),
        questions: question.matches('?').count(),
        sources_are_code,
    }
}

/// Decides. A caller's own choice stands.
pub fn choose(features: Features, asked_for: Option<RouteName>) -> Choice {
    let choice = |route, why: &str| Choice { route, why: why.to_owned() };
    if let Some(route) = asked_for {
        return choice(route, "the caller asked for it");
    }
    if features.reasoning >= 2 || (features.reasoning >= 1 && (features.questions > 1 || features.words > MANY_WORDS)) {
        return choice(RouteName::Complex, "it takes several steps of reasoning");
    }
    if features.code {
        return choice(RouteName::Code, "it is about code");
    }
    if features.words > MANY_WORDS || features.questions > 2 {
        return choice(RouteName::General, "it is long or asks for several things");
    }
    if features.sources_are_code && features.reasoning > 0 {
        return choice(RouteName::Code, "what was found for it is code");
    }
    if features.words <= FEW_WORDS && features.reasoning == 0 {
        return choice(RouteName::Simple, "it is short and asks for one thing");
    }
    choice(RouteName::General, "nothing speaks for a smaller or a larger model")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_route_that_fits() {
        let route = |question: &str| choose(features(question, false), None).route;
        assert_eq!(route("Hello!"), RouteName::Simple);
        assert_eq!(route("Where does Ada live?"), RouteName::Simple);
        assert_eq!(route("How do I call read_file()?"), RouteName::Code);
        assert_eq!(route("Explain this function to me please"), RouteName::Code);
        assert_eq!(
            route("Can you tell me what the committee decided about the new opening hours of the museum in spring"),
            RouteName::General
        );
        assert_eq!(route("Compare both designs: why is the first better?"), RouteName::Complex);
        assert_eq!(route("Write a unit about fractions"), RouteName::Simple);
    }

    /// Requests as people make them, each with the route that a person gave it.
    #[test]
    #[expect(clippy::print_stdout, reason = "the measured accuracy")]
    fn labelled_requests_go_where_they_belong() {
        let table = include_str!("routing.tsv");
        let labelled: Vec<(RouteName, &str)> = table
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter_map(|(route, request)| RouteName::parse(route).map(|route| (route, request)))
            .collect();
        assert!(labelled.len() >= 60 && labelled.len() == table.lines().count(), "{}", labelled.len());
        let missed: Vec<String> = labelled
            .iter()
            .filter_map(|(wanted, request)| {
                let got = choose(features(request, false), None).route;
                (got != *wanted).then(|| format!("{} taken for {}: {request}", wanted.name(), got.name()))
            })
            .collect();
        let right = labelled.len() - missed.len();
        println!("routing: {right} of {} right; {missed:#?}", labelled.len());
        assert!(right * 100 >= labelled.len() * 85, "{right} of {}: {missed:#?}", labelled.len());
    }

    #[test]
    fn a_callers_choice_stands() {
        let choice = choose(features("Hi", false), Some(RouteName::Complex));
        assert_eq!((choice.route, choice.why.as_str()), (RouteName::Complex, "the caller asked for it"));
    }
}
