//! What a recall of memories is worth: whether what holds came, and whether something came that holds no more.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::measures::{interval, mean};

/// Places that count: as many as whoever asks surely looks at.
const FIRST: usize = 5;

/// A question, and the memories that bear on it, by their names.
#[derive(Debug, Default)]
pub struct Question {
    /// Its own name.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// What sorts of question it is one of.
    pub groups: Vec<String>,
    /// Each of them answers it. There are none if what answers it was not kept.
    pub wanted: HashSet<String>,
    /// What holds no more, as far as it was kept; nothing where nothing was superseded.
    pub stale: Option<HashSet<String>>,
}

/// How the recall for one question went. Places count from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    groups: Vec<String>,
    is_kept: bool,
    was_superseded: bool,
    wanted: Option<usize>,
    stale: Option<usize>,
}

impl Recall {
    /// Of the names of what was recalled, the best first.
    pub fn of(ranking: &[&str], question: &Question) -> Self {
        let place = |names: &HashSet<String>| ranking.iter().position(|name| names.contains(*name));
        Self {
            groups: question.groups.clone(),
            is_kept: !question.wanted.is_empty(),
            was_superseded: question.stale.is_some(),
            wanted: place(&question.wanted),
            stale: question.stale.as_ref().and_then(place),
        }
    }

    /// True if something that holds no more came before what holds, or in its place.
    fn misleads(&self) -> bool {
        self.stale.is_some_and(|stale| self.wanted.is_none_or(|wanted| stale < wanted))
    }
}

fn is_within(place: Option<usize>, places: usize) -> bool {
    place.is_some_and(|place| place < places)
}

/// The figures of all recalls, which are a set's, and of each group of them.
pub fn figures(set: &str, recalls: &[Recall]) -> Vec<(String, Value)> {
    let mut groups: BTreeMap<&str, Vec<&Recall>> = BTreeMap::new();
    for recall in recalls {
        for group in &recall.groups {
            groups.entry(group).or_default().push(recall);
        }
    }
    let whole = (set.to_owned(), figures_of(&recalls.iter().collect::<Vec<_>>()));
    let parts = groups.into_iter().map(|(group, recalls)| (format!("{set} {group}"), figures_of(&recalls)));
    std::iter::once(whole).chain(parts).collect()
}

fn figures_of(recalls: &[&Recall]) -> Value {
    let of_all = |is: fn(&Recall) -> bool| share(recalls.iter().map(|recall| is(recall)));
    let of_superseded =
        |is: fn(&Recall) -> bool| share(recalls.iter().filter(|recall| recall.was_superseded).map(|recall| is(recall)));
    json!({
        "kept": of_all(|recall| recall.is_kept),
        "first": of_all(|recall| is_within(recall.wanted, 1)),
        "among_first": of_all(|recall| is_within(recall.wanted, FIRST)),
        "stale": of_superseded(|recall| recall.stale.is_some()),
        "stale_among_first": of_superseded(|recall| is_within(recall.stale, FIRST)),
        "stale_before": of_superseded(Recall::misleads),
    })
}

/// A share of questions, and between which two it lies in 95 of 100 samples of them; null of none.
fn share(values: impl Iterator<Item = bool>) -> Value {
    let values: Vec<f64> = values.map(|is| f64::from(u8::from(is))).collect();
    if values.is_empty() {
        return Value::Null;
    }
    let (low, high) = interval(&values);
    json!({ "of": values.len(), "share": mean(values.iter().copied()), "low": low, "high": high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn question(stale: Option<&[&str]>) -> Question {
        Question { wanted: names(&["new"]), stale: stale.map(names), ..Question::default() }
    }

    /// Of one recall: what of it is so.
    fn told(figures: &Value) -> [bool; 5] {
        ["first", "among_first", "stale", "stale_among_first", "stale_before"]
            .map(|name| figures[name]["share"].as_f64().unwrap() > 0.5)
    }

    #[test]
    fn what_is_stale_misleads_only_before_what_holds_or_in_its_place() {
        let of = |ranking: &[&str]| figures_of(&[&Recall::of(ranking, &question(Some(&["old"])))]);
        assert_eq!(told(&of(&["new", "other"])), [true, true, false, false, false]);
        assert_eq!(told(&of(&["new", "old"])), [true, true, true, true, false]);
        assert_eq!(told(&of(&["old", "new"])), [false, true, true, true, true]);
        assert_eq!(told(&of(&["old"])), [false, false, true, true, true]);
        assert_eq!(told(&of(&["a", "b", "c", "d", "e", "old", "new"])), [false, false, true, false, true]);
        assert_eq!(told(&of(&[])), [false; 5]);
    }

    #[test]
    fn shares_of_stale_answers_are_those_of_questions_of_which_something_was_superseded() {
        let [held, superseded] = [None, Some(&["old"][..])].map(|stale| Recall::of(&["old", "new"], &question(stale)));
        let figures = figures_of(&[&held, &superseded]);
        assert_eq!((&figures["among_first"]["of"], &figures["stale"]["of"]), (&json!(2), &json!(1)));
        assert_eq!((&figures["stale"]["share"], &figures_of(&[&held])["stale"]), (&json!(1.0), &Value::Null));
    }

    #[test]
    fn what_was_not_kept_is_not_recalled_and_counts_all_the_same() {
        let lost = Question { stale: Some(HashSet::new()), ..Question::default() };
        let figures = figures_of(&[&Recall::of(&["new"], &lost)]);
        assert_eq!((&figures["kept"]["share"], &figures["kept"]["of"]), (&json!(0.0), &json!(1)));
        assert_eq!(told(&figures), [false; 5]);
    }

    #[test]
    fn a_question_counts_in_each_of_its_groups() {
        let of = |groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            Recall::of(&["new"], &Question { groups, ..question(None) })
        };
        let figures = figures("own", &[of(&["same", "held"]), of(&["other", "held"])]);
        let counts: Vec<(&str, &Value)> =
            figures.iter().map(|(name, figures)| (name.as_str(), &figures["first"]["of"])).collect();
        assert_eq!(
            counts,
            [("own", &json!(2)), ("own held", &json!(2)), ("own other", &json!(1)), ("own same", &json!(1))]
        );
    }
}
