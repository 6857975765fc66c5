//! The table of behaviours (`BEHAVIOURS.md`) against the sources: every row has a test, every guess a parameter.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../BEHAVIOURS.md");
const PARAMS: [&str; 3] =
    [include_str!("../../src/params.rs"), include_str!("../../src/params/cache.rs"), include_str!("../../src/params/metrics.rs")];

/// Rule, section and tags, parameters, test.
fn rows() -> Vec<[&'static str; 4]> {
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    let rows = TABLE.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| rule |") && !l.starts_with("|---"));
    rows.map(|l| cells(l).try_into().unwrap_or_else(|_| panic!("four cells: {l}"))).collect()
}

/// Names of parameters in a row; `–` is none.
fn named(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split(", ").map(|name| name.trim_matches('`')).filter(|name| *name != "–")
}

fn fields() -> BTreeSet<&'static str> {
    PARAMS
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|l| l.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| name)
        .filter(|n| !n.contains(' '))
        .collect()
}

#[test]
fn every_row_has_its_test() {
    assert!(rows().len() >= 60, "{} rows", rows().len());
    let mut seen = BTreeSet::new();
    for [rule, _, _, test] in rows() {
        assert!(seen.insert(rule), "twice: {rule}");
        let (module, name) = test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("module::name: {test}"));
        let path = format!("{}/tests/it/{module}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{test}: {path}: {e}"));
        let (before, _) = source.split_once(&format!("fn {name}(")).unwrap_or_else(|| panic!("no test {test} for: {rule}"));
        let attribute = before.lines().rev().find(|l| l.starts_with("#[")).unwrap_or_default();
        assert!(attribute.starts_with("#[tokio::test") || attribute.starts_with("#[test"), "{test} is no test");
    }
}

#[test]
fn every_guess_is_a_parameter_and_every_parameter_stands_in_a_row() {
    let known = fields();
    let mut told = BTreeSet::new();
    for [rule, section, parameters, _] in rows() {
        for name in named(parameters) {
            assert!(known.contains(name), "{name} is no parameter: {rule}");
            told.insert(name);
        }
        assert!(!section.contains("[I]") || named(parameters).next().is_some(), "inferred, and no parameter: {rule}");
    }
    // Members of a bucket, and the structs within.
    told.extend(["capacity", "refill", "cache", "metrics"]);
    assert_eq!(known.difference(&told).collect::<Vec<_>>(), Vec::<&&str>::new(), "parameters in no row");
}
