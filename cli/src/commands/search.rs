//! `friend search`: hits as file and line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    arguments::Search,
    client::Request,
    context::Context,
    failure::{Exit, Failure},
    output::{self, BOLD, DIM, WARNING, styled},
    project::Project,
};

/// Editors that open a file at a line by `--goto file:line`, and take `+line` for a file.
const GO_TO: [&str; 5] = ["code", "code-insiders", "codium", "vscodium", "cursor"];
/// Lines shown of a hit.
const LINES: usize = 6;

/// Finds, and shows or opens what was found.
///
/// # Errors
/// Nothing was found, or it cannot be looked for.
pub fn search(arguments: &Search, context: &Context) -> Result<(), Failure> {
    let query = arguments.query.join(" ");
    let filters = json!({
        "tags": (!arguments.tags.is_empty()).then_some(&arguments.tags),
        "type": arguments.kind, "language": arguments.language,
    });
    let own = Project::preferred(arguments.project.as_deref())?;
    let mut body = json!({
        "query": query, "top_k": arguments.top, "mode": arguments.mode.name(), "filters": filters, "project": own,
    });
    if arguments.rerank {
        body["rerank"] = json!(true);
    }
    let reply = context.client.reply(Request::new("POST", "/api/search").repeatable(), &body)?;
    let answer = reply.json()?;
    if let Some(why) = reply.headers.get("x-degraded").and_then(|why| why.to_str().ok()) {
        anstream::eprintln!("{}", styled(WARNING, &output::harmless(why)));
    }
    let hits = answer["hits"].as_array().cloned().unwrap_or_default();
    let here = Project::here(None).ok();
    if arguments.open {
        return open(&hits, here.as_ref());
    }
    context.output.data(&answer, || show(&answer, &hits, &query, here.as_ref()));
    if hits.is_empty() { Err(nothing(&query)) } else { Ok(()) }
}

fn nothing(query: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing is about {query:?}"))
        .advise("other words, fewer filters, or `friend push` first")
}

fn show(answer: &Value, hits: &[Value], query: &str, here: Option<&Project>) {
    for hit in hits {
        let found_by: Vec<String> = hit["found_by"].as_array().into_iter().flatten().map(output::text).collect();
        let why = format!("{:.2} {}", hit["score"].as_f64().unwrap_or(0.0), found_by.join("+"));
        output::line(&format!("{}  {}", styled(BOLD, &place(hit, here)), styled(DIM, &why)));
        for text in snippet(&output::text(&hit["text"]), query) {
            output::line(&format!("    {text}"));
        }
    }
    if answer["mode"].as_str() == Some("keyword") {
        anstream::eprintln!("{}", styled(DIM, "by words alone"));
    }
}

/// Where a hit or citation stands: a path from here where the file is here, its name elsewhere; with its line.
pub fn place(hit: &Value, here: Option<&Project>) -> String {
    let name = ["external_id", "title", "document_id", "memory_id"].iter().find_map(|field| hit[*field].as_str());
    let name = name.unwrap_or_default();
    let path = here.and_then(|project| local(name, project)).unwrap_or_else(|| name.to_owned());
    let path = output::harmless(&path);
    match hit["start_line"].as_u64() {
        Some(line) => format!("{path}:{line}"),
        None => path.into_owned(),
    }
}

/// The path, from the current folder where it is below it, of a document of this project.
fn local(external_id: &str, project: &Project) -> Option<String> {
    let file = project.root.join(project.path(external_id)?);
    let below = std::env::current_dir().ok().and_then(|folder| file.strip_prefix(folder).ok().map(PathBuf::from));
    Some(below.unwrap_or(file).display().to_string())
}

/// The lines of a chunk that say most about the query, its words marked.
fn snippet(text: &str, query: &str) -> Vec<String> {
    let words: Vec<String> = query
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .collect();
    let lines: Vec<&str> = text.lines().skip_while(|line| line.trim().is_empty()).collect();
    let weight = |line: &str| {
        let line = line.to_lowercase();
        words.iter().filter(|word| line.contains(word.as_str())).count()
    };
    // The first of the windows with the most words in it.
    let windows = (0..lines.len().saturating_sub(LINES - 1).max(1)).map(|first| {
        let end = (first + LINES).min(lines.len());
        (lines.get(first..end).unwrap_or_default().iter().map(|line| weight(line)).sum::<usize>(), first)
    });
    let first = windows.rev().max_by_key(|(weight, _)| *weight).map_or(0, |(_, first)| first);
    let columns = output::width().saturating_sub(6);
    let shown = lines.iter().skip(first).take(LINES);
    shown.map(|line| marked(&console::truncate_str(&line.replace('\t', "    "), columns, "…"), &words)).collect()
}

/// A line with the words of a query marked.
fn marked(line: &str, words: &[String]) -> String {
    let lower = line.to_lowercase();
    // A letter whose lower case is longer shifts what is behind it: then nothing is marked.
    if lower.len() != line.len() {
        return line.to_owned();
    }
    let mut marked = String::new();
    let mut rest = 0;
    while let Some((start, end)) = next_word(&lower, rest, words) {
        let (Some(before), Some(word)) = (line.get(rest..start), line.get(start..end)) else { break };
        marked.push_str(before);
        marked.push_str(&styled(WARNING, word));
        rest = end;
    }
    marked.push_str(line.get(rest..).unwrap_or_default());
    marked
}

fn next_word(line: &str, from: usize, words: &[String]) -> Option<(usize, usize)> {
    let rest = line.get(from..)?;
    let found = words.iter().filter_map(|word| rest.find(word.as_str()).map(|at| (from + at, from + at + word.len())));
    found.min_by_key(|(start, end)| (*start, usize::MAX - end))
}

/// Opens the first hit whose file is here.
fn open(hits: &[Value], here: Option<&Project>) -> Result<(), Failure> {
    let file = |hit: &Value| {
        let project = here?;
        let file = project.root.join(project.path(hit["external_id"].as_str()?)?);
        file.is_file().then(|| (file, hit["start_line"].as_u64().unwrap_or(1)))
    };
    let (file, line) = hits.iter().find_map(file).ok_or_else(|| {
        Failure::new(Exit::NotFound, "none of the hits is a file of this folder's project")
            .advise("run it inside of the repository that was pushed")
    })?;
    let named = |name: &&str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = ["VISUAL", "EDITOR"].iter().find_map(named).unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).args(at_line(program, &file, line)).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(Exit::Failed, format!("{program} ended with {status}"))),
        Err(error) => Err(Failure::new(Exit::Failed, format!("{program} does not start: {error}"))
            .advise("set EDITOR to your editor")),
    }
}

/// How an editor is told to begin on a line: most as vi is, some by their own option.
fn at_line(program: &str, file: &Path, line: u64) -> [OsString; 2] {
    let name = Path::new(program).file_stem().unwrap_or_default();
    if GO_TO.iter().any(|editor| name == *editor) {
        let mut place = file.as_os_str().to_owned();
        place.push(format!(":{line}"));
        return ["--goto".into(), place];
    }
    [format!("+{line}").into(), file.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_are_about_the_query_are_shown() {
        let text =
            (0..40).map(|line| if line == 30 { "let fence = claim;\n".to_owned() } else { format!("line {line}\n") });
        let shown = snippet(&text.collect::<String>(), "the fence of a claim");
        assert_eq!(shown.len(), LINES);
        assert!(shown.iter().any(|line| console::strip_ansi_codes(line) == "let fence = claim;"), "{shown:?}");
    }

    #[test]
    fn words_are_marked_whatever_their_case_and_nothing_is_lost() {
        let line = "The Fence, and its fences: ÄÖ";
        let marked = marked(line, &["fence".to_owned()]);
        assert_eq!(console::strip_ansi_codes(&marked), line);
        assert_eq!(marked.matches('\u{1b}').count(), 4, "{marked:?}");
    }
}
