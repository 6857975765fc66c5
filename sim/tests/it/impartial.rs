//! Nothing in the simulator looks at who asks: no client, no user agent, no tag's or change's name decides anything.

use std::path::{Path, PathBuf};

/// What no line of code may hold, whatever it is for.
const WORDS: &[&str] = &["user-agent", "user_agent", "useragent", "boto", "aws-cli", "aws_cli", "awscli", "aws-sdk", "aws_sdk", "fleetgate"];
/// Tags that a comparison must not name.
const TAGS: &[&str] = &["v1", "v2", "v3", "v4", "v5", "stable", "prod", "production", "staging"];

/// What is wrong with a line of code, if anything.
fn wrong(line: &str) -> Option<String> {
    // The crate's own name, where it must be spelled.
    let low = line.to_lowercase().replace("fleetgate_sim", "").replace("fleetgate-sim", "");
    if let Some(word) = WORDS.iter().find(|word| low.contains(*word)) {
        return Some(format!("the word {word}"));
    }
    let compares = |literal: &str| {
        let near = ["==", "!=", "contains(", "starts_with(", "ends_with(", "eq(", "strip_prefix(", "matches!("];
        low.contains(&format!("\"{literal}\"")) && (near.iter().any(|sign| low.contains(sign)) || low.contains(&format!("\"{literal}\" =>")))
    };
    if let Some(tag) = TAGS.iter().find(|tag| compares(tag)) {
        return Some(format!("a comparison with {tag:?}"));
    }
    // `latest` is what a reference without a tag means to docker; nothing may be compared with it.
    (compares("latest")).then(|| "a comparison with \"latest\"".to_owned())
}

/// Lines of code: comments and unit tests are not.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(n, line)| (n + 1, line))
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn nothing_branches_on_a_client_or_a_tag() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources are there");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("below").display().to_string();
        // The seed is data: names and tags are what it is made of.
        if name == "seed.rs" || name.starts_with("seed/") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        found.extend(code(&text).filter_map(|(n, line)| wrong(line).map(|why| format!("{name}:{n}: {why}: {}", line.trim()))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_it_looks_for_it_finds() {
    for line in [
        "let agent = header(\"User-Agent\");",
        "if client.contains(\"Boto3\") {",
        "if name == \"fleetgate\" {",
        "if tag == \"v3\" {",
        "match tag { \"latest\" => unhealthy(), _ => ok() }",
        "if tags.contains(\"latest\") {",
    ] {
        assert!(wrong(line).is_some(), "{line}");
    }
    for line in ["use fleetgate_sim::Sim;", "rest.split_once(':').unwrap_or((rest, \"latest\"))", "let version = \"$Latest\";"] {
        assert_eq!(wrong(line), None, "{line}");
    }
    assert_eq!(code("a\n// boto\nb\n#[cfg(test)]\nmod tests").count(), 2);
}
