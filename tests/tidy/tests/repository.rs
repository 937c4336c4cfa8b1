//! The rules, held to the repository.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

use std::path::{Path, PathBuf};

use tidy::{
    Finding, apart::reaching_across, circles::circles, docs::empty_docs, fence, links::dead_links,
    map::unnamed_folders, pipes, sizes, sources::Sources, statements,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(rule: impl Fn(&Sources) -> Vec<Finding>) {
    report(&rule(&Sources::read(&root()).unwrap()));
}

fn report(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings\n{}\n", findings.len(), lines.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    check(circles);
}

#[test]
fn schedule_and_api_know_nothing_of_each_other() {
    check(reaching_across);
}

#[test]
fn sql_is_in_the_stores_alone() {
    check(statements::outside_of_stores);
}

#[test]
fn every_table_has_one_owner() {
    check(statements::tables_of_several_owners);
}

#[test]
fn what_must_not_drift_apart_is_said_once() {
    check(statements::said_more_than_once);
}

#[test]
fn no_answer_is_read_by_its_position() {
    check(statements::answers_by_position);
}

#[test]
fn the_map_names_every_folder_that_holds_sources() {
    check(unnamed_folders);
}

#[test]
fn no_file_is_too_long() {
    check(sizes::long_files);
}

#[test]
fn no_line_is_too_long() {
    check(sizes::long_lines);
}

#[test]
fn no_pipe_of_a_script_is_left_before_its_end() {
    check(pipes::left_early);
}

#[test]
fn pure_crates_depend_on_no_platform_and_nothing_above() {
    let dependencies = fence::dependencies(&root()).unwrap();
    // The lowest crate has no dependency; all others have some.
    let is_known = dependencies.iter().all(|found| found.names.contains(&found.of));
    let depends = dependencies.iter().skip(1).all(|found| found.names.len() > 1);
    assert!(is_known && depends, "Cargo says nothing about a crate: {dependencies:?}");
    report(&fence::forbidden_dependencies(&dependencies));
}

#[test]
fn pure_crates_read_no_clock_and_draw_no_randomness() {
    check(fence::clocks_and_randomness);
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    check(dead_links);
}

#[test]
fn documentation_says_more_than_a_name() {
    check(empty_docs);
}
