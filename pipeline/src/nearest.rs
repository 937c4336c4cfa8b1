//! The name that somebody meant who wrote another.

/// Names as far from what was written are no guess any more: 1 is the same, 0 has nothing in common.
const ALIKE: f64 = 0.5;

/// What is said of a name that is not known, of a `field` or a `parameter`, among those that are.
pub fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name: String = name.chars().take(60).collect();
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    if known.is_empty() {
        return format!("there is no {kind} {name:?}, nor any other: leave it out");
    }
    let likeness = |other: &&str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), other);
    let nearest = known.iter().copied().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
    let guess = nearest.filter(|nearest| likeness(nearest) >= ALIKE);
    let guess = guess.map_or_else(String::new, |guess| format!("; did you mean {guess:?}?"));
    let between = if guess.is_empty() { ": known" } else { " Known" };
    format!("there is no {kind} {name:?}{guess}{between} are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_mistypes_is_told_what_was_meant() {
        let known = ["limit", "cursor", "external_id"];
        let said = |name| unknown("parameter", name, known.into_iter());
        assert!(said("limits").contains("did you mean \"limit\"?"), "{}", said("limits"));
        assert!(said("externalId").contains("did you mean \"external_id\"?"), "{}", said("externalId"));
        assert_eq!(said("page"), "there is no parameter \"page\": known are cursor, external_id, limit");
        assert_eq!(
            unknown("parameter", "x", [].into_iter()),
            "there is no parameter \"x\", nor any other: leave it out"
        );
    }
}
