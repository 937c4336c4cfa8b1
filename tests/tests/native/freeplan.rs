//! Neurons run out first on every kind of day, and what `dry_run` says is what indexing takes.

use local_dev::client::Upload;
use pipeline::budget::allowances::Resource;
use serde_json::{Value, json};
use tests::{
    corpus,
    freeplan::{self, MIXES, Texts},
    report,
};

#[test]
fn neurons_are_first_and_all_else_is_below_sixty_percent() {
    let mut texts = Texts::default();
    for mix in MIXES {
        let day = freeplan::day(mix, &mut texts);
        let (first, share) = day.first();
        report(&format!("{}: {} first; {:?}", mix.name, first.name(), day.shares));
        report(&format!("  rows of D1 read and written by {:?}", day.d1));
        assert_eq!(first, Resource::Neurons, "{}", mix.name);
        assert!(share > 0.95, "{}: the day ended at {share} of the neurons", mix.name);
        for (resource, share) in day.shares.iter().filter(|(resource, _)| *resource != Resource::Neurons) {
            assert!(*share < 0.6, "{}: {} at {share}", mix.name, resource.name());
        }
    }
}

#[test]
fn what_is_said_beforehand_is_within_fifteen_percent() {
    let document =
        |file: &Upload| json!({ "external_id": file.path, "content": String::from_utf8_lossy(&file.content) });
    let documents: Vec<Value> = corpus::mixed(200).iter().map(document).collect();
    for (name, said, taken) in freeplan::estimate(&Value::from(documents)) {
        report(&format!("{name}: {said} said, {taken} taken"));
        assert!((said / taken - 1.0).abs() < 0.15, "{name}: {said} said, {taken} taken");
    }
}
