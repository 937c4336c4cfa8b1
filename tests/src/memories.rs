//! Memories two by two: that differ in what matters, and that say the same in other words.

/// Pairs that differ in one name, number, date or "not".
pub fn different() -> Vec<(&'static str, &'static str)> {
    pairs(include_str!("../memories/differ.txt"))
}

/// Pairs that say the same in other words.
pub fn paraphrased() -> Vec<(&'static str, &'static str)> {
    pairs(include_str!("../memories/paraphrased.txt"))
}

fn pairs(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(|line| line.split_once(" | ")).collect()
}
