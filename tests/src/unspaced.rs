//! Sentences in scripts without spaces between words, and what is looked for in them.

/// A script's sentences and queries, as the file of its name has them.
#[derive(Debug)]
pub struct Labelled {
    /// The script.
    pub name: &'static str,
    /// The sentences, the first of which has the number 1.
    pub sentences: Vec<&'static str>,
    /// Queries, each with the numbers of the sentences that hold what it looks for.
    pub queries: Vec<(&'static str, Vec<usize>)>,
}

/// All that are measured.
pub fn labelled() -> [Labelled; 3] {
    [
        read("chinese", include_str!("../unspaced/chinese.txt")),
        read("japanese", include_str!("../unspaced/japanese.txt")),
        read("thai", include_str!("../unspaced/thai.txt")),
    ]
}

fn read(name: &'static str, text: &'static str) -> Labelled {
    let lines = || text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let numbers = |list: &str| list.split(' ').filter_map(|number| number.parse().ok()).collect();
    let queries = lines().filter_map(|line| line.split_once(" | ")).map(|(query, list)| (query, numbers(list)));
    let sentences = lines().filter(|line| !line.contains(" | ")).filter_map(|line| Some(line.split_once(' ')?.1));
    Labelled { name, sentences: sentences.collect(), queries: queries.collect() }
}
