//! How sentences begin that state something.

use super::words::Phrases;

/// What else a beginning asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing: all of the sentence is the statement.
    Whole,
    /// What stands behind it is the statement.
    Behind,
    /// That it chooses for good.
    Choice,
    /// That it says how things are, and not what is wrong with them.
    Fact,
    /// That it is about a kind of thing.
    Taste,
}

/// How a sentence begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    pub(super) text: &'static str,
    pub(super) kind: &'static str,
    pub(super) form: Form,
    pub(super) confidence: f64,
    pub(super) is_personal: bool,
}

const fn decision(text: &'static str, confidence: f64) -> Lead {
    Lead { text, kind: "decision", form: Form::Whole, confidence, is_personal: false }
}

const fn choice(text: &'static str) -> Lead {
    Lead { text, kind: "decision", form: Form::Choice, confidence: 0.6, is_personal: false }
}

const fn taste(text: &'static str) -> Lead {
    Lead { text, kind: "preference", form: Form::Taste, confidence: 0.8, is_personal: true }
}

const fn instruction(text: &'static str) -> Lead {
    Lead { text, kind: "instruction", form: Form::Whole, confidence: 0.9, is_personal: false }
}

const fn behind(text: &'static str, kind: &'static str) -> Lead {
    Lead { text, kind, form: Form::Behind, confidence: 0.9, is_personal: false }
}

const fn personal(text: &'static str) -> Lead {
    Lead { text, kind: "fact", form: Form::Fact, confidence: 0.7, is_personal: true }
}

/// All of them; of two that fit the first decides.
pub(super) const LEADS: &[Lead] = &[
    behind("decision: ", "decision"),
    behind("decided: ", "decision"),
    behind("final decision: ", "decision"),
    decision("the decision is ", 0.9),
    decision("we decided ", 0.8),
    decision("we've decided ", 0.8),
    decision("we have decided ", 0.8),
    decision("i decided ", 0.8),
    decision("i've decided ", 0.8),
    decision("i have decided ", 0.8),
    decision("we agreed ", 0.8),
    decision("we've agreed ", 0.8),
    decision("we settled on ", 0.8),
    decision("we've settled on ", 0.8),
    decision("we chose ", 0.8),
    decision("we've chosen ", 0.8),
    decision("we're going with ", 0.8),
    decision("we are going with ", 0.8),
    decision("we'll go with ", 0.8),
    decision("we will go with ", 0.8),
    decision("we'll stick with ", 0.8),
    decision("we're sticking with ", 0.8),
    decision("we are sticking with ", 0.8),
    decision("we stick with ", 0.8),
    decision("let's go with ", 0.7),
    decision("lets go with ", 0.7),
    decision("let's stick with ", 0.7),
    decision("lets stick with ", 0.7),
    decision("let's standardize on ", 0.8),
    decision("let's standardise on ", 0.8),
    decision("we standardized on ", 0.8),
    decision("we standardised on ", 0.8),
    decision("we're dropping ", 0.7),
    decision("we are dropping ", 0.7),
    decision("we dropped support for ", 0.7),
    decision("we won't support ", 0.8),
    decision("we will not support ", 0.8),
    decision("we switched to ", 0.7),
    decision("we switched from ", 0.7),
    decision("we've switched to ", 0.7),
    decision("we're switching to ", 0.7),
    decision("we are switching to ", 0.7),
    decision("we moved to ", 0.6),
    decision("we migrated to ", 0.7),
    decision("we're migrating to ", 0.7),
    choice("let's use "),
    choice("lets use "),
    choice("we'll use "),
    choice("we will use "),
    taste("i prefer "),
    taste("i'd prefer "),
    taste("i would prefer "),
    taste("i strongly prefer "),
    taste("i'd rather have "),
    taste("i would rather have "),
    taste("i like "),
    taste("i love "),
    taste("i hate "),
    taste("i dislike "),
    taste("i don't like "),
    taste("i do not like "),
    taste("i can't stand "),
    taste("i don't want any "),
    taste("i never want "),
    taste("my preference is "),
    taste("my preferred "),
    taste("my favourite "),
    taste("my favorite "),
    taste("we prefer "),
    taste("ich bevorzuge "),
    taste("ich mag "),
    taste("je préfère "),
    taste("prefiero "),
    taste("prefiro "),
    taste("odio "),
    taste("ich möchte keine "),
    taste("ich will keine "),
    taste("je ne veux pas de "),
    taste("no quiero "),
    taste("não quero "),
    decision("final decision is ", 0.9),
    decision("wir haben uns für ", 0.8),
    decision("wir haben beschlossen ", 0.8),
    decision("wir haben entschieden ", 0.8),
    decision("wir nehmen ab jetzt ", 0.8),
    decision("on a décidé ", 0.8),
    decision("nous avons décidé ", 0.8),
    decision("hemos decidido ", 0.8),
    decision("decidimos ", 0.8),
    instruction("from now on"),
    instruction("going forward"),
    instruction("in future,"),
    instruction("in the future,"),
    instruction("i want you to always "),
    instruction("i want you to never "),
    instruction("i need you to always "),
    instruction("make sure to always "),
    instruction("make sure you always "),
    instruction("make sure you never "),
    instruction("remember to always "),
    instruction("remember to never "),
    instruction("we have a rule "),
    instruction("we have a policy "),
    instruction("we have a convention "),
    instruction("the rule is "),
    instruction("the convention is "),
    instruction("our convention is "),
    instruction("our policy is "),
    personal("my name is "),
    personal("call me "),
    personal("my timezone is "),
    personal("my time zone is "),
    personal("my editor "),
    personal("my shell "),
    personal("my machine "),
    personal("my laptop "),
    personal("i work "),
    personal("i maintain "),
    personal("i own "),
    personal("i review "),
    personal("i only "),
    personal("i took over "),
    personal("i'm the "),
    personal("i am the "),
    personal("i'm responsible for "),
    personal("i speak "),
    personal("ich arbeite "),
    personal("ich nutze "),
    personal("je travaille "),
    personal("trabajo "),
    personal("trabalho "),
    personal("i live in "),
    personal("i use "),
    personal("i'm on macos"),
    personal("i'm on linux"),
    personal("i'm on windows"),
];

/// What makes of "let's use" a choice for good.
pub(super) static CHOICES: Phrases = Phrases::new(
    "\
    instead of|rather than|everywhere|from now on|for all|for every|as our|as the|going forward|and not|\
    not|by default|throughout|across the",
);

/// What points at something that only the conversation holds.
pub(super) static REFERENCES: Phrases = Phrases::new(
    "\
    nothing|to go|to talk|to wait|to meet|later|it|that|this|them|those|these|so|both|either|neither|\
    one|option|the first|the second|the third|the last|the latter|the former|the other|the same|your|\
    yours|what|whatever|which|plan|approach|to do it|to do that|to do this|on it|on that|on this|\
    against it",
);

/// The same behind a verb that orders.
pub(super) static PRONOUNS: Phrases = Phrases::new("it|that|this|them|those|these|so|one");

/// Verbs that order something for good. What only tells, "always fails", is none of them.
static VERBS: Phrases = Phrases::new(
    "\
    add|allow|annotate|answer|ask|assert|assume|avoid|await|be|begin|block|build|bump|cache|call|cast|catch|\
    change|check|choose|cite|close|commit|confirm|create|declare|define|delete|depend|deploy|disable|do|\
    document|downgrade|edit|enable|encrypt|end|escape|explain|expose|extend|follow|force-push|format|generate|\
    group|guess|handle|hard-code|hardcode|hash|ignore|implement|import|include|indent|inherit|install|introduce|\
    invent|keep|leave|let|link|lint|lock|log|make|mark|mention|merge|mock|modify|move|name|open|order|pass|\
    paste|pick|pin|place|prefer|print|publish|push|put|quote|raise|read|rebase|refactor|refer|reference|\
    reformat|release|rely|remove|rename|reply|require|respond|restart|retry|return|reuse|review|rewrite|rotate|\
    run|sanitise|sanitize|send|set|share|show|sign|skip|sort|spawn|speak|split|squash|start|stick|stop|store|\
    suggest|swallow|tag|talk|test|throw|touch|translate|try|type|unwrap|update|upgrade|use|validate|vendor|\
    verify|work|wrap|write",
);

/// True for a verb that orders something for good.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.leading(word).any(|verb| verb == word)
}
