//! The house rules of ARCHITECTURE.md, read off the sources: who may import whom, what SQL may say, where the environment
//! is read. Each rule is a function over files; each has a test on the real tree and one on a made-up offence, so that a
//! rule that sees nothing fails too.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file, by its path from the root of the clone.
struct File {
    path: String,
    text: String,
}

fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below these directories with this extension, sorted.
fn tree(directories: &[&str], extension: &str) -> Vec<File> {
    fn walk(directory: &Path, extension: &str, found: &mut Vec<File>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for path in entries.map(|entry| entry.expect("a directory entry").path()) {
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = fs::read_to_string(&path).expect("a readable source");
                let path = path.strip_prefix(root()).expect("a path below the root");
                found.push(file(&path.to_string_lossy(), &text));
            }
        }
    }
    let mut found = Vec::new();
    for directory in directories {
        walk(&root().join(directory), extension, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Sources of the product, tests left out: they may import what they like.
fn product() -> Vec<File> {
    let mut files = tree(&["src"], "rs");
    files.retain(|f| !is_test(&f.path));
    assert!(files.iter().any(|f| layer(&f.path) == "domain"), "the product's sources were not found");
    files
}

fn simulator() -> Vec<File> {
    let files = tree(&["sim/src"], "rs");
    assert!(files.len() > 10, "the simulator's sources were not found");
    files
}

fn migrations() -> Vec<File> {
    let files = tree(&["migrations"], "sql");
    assert!(!files.is_empty(), "the migrations were not found");
    files
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn clean(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

fn caught(offences: &[String]) {
    assert!(!offences.is_empty(), "the made-up offence was not found");
}

/// A source taken apart: what is code, and what stands in string literals.
struct Parts {
    /// The text with comments, the contents of literals and `#[cfg(test)]` modules blanked; lines stay where they were.
    code: String,
    /// Line and content of each string literal outside test modules.
    strings: Vec<(usize, String)>,
}

/// Reads Rust as far as comments, strings and characters go. Lifetimes are told from characters by their missing quote.
fn take_apart(text: &str) -> Parts {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut strings, mut line, mut at) = (String::new(), Vec::new(), 1, 0);
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < chars.len() {
        let rest = &chars[at..];
        let (length, literal) = if rest.starts_with(&['/', '/']) {
            (rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with(&['/', '*']) {
            (block_comment(rest), None)
        } else if let Some(hashes) = raw_string(rest, at.checked_sub(1).map(|before| chars[before])) {
            let close: String = format!("\"{}", "#".repeat(hashes));
            let open = rest.iter().position(|c| *c == '"').unwrap_or_default() + 1;
            let body: String = rest[open..].iter().collect();
            let end = body.find(&close).map_or(body.chars().count(), |byte| body[..byte].chars().count());
            (open + end + close.len(), Some(rest[open..open + end].iter().collect()))
        } else if rest[0] == '"' {
            let mut end = 1;
            while end < rest.len() && rest[end] != '"' {
                end += if rest[end] == '\\' { 2 } else { 1 };
            }
            let end = end.min(rest.len());
            (end + 1, Some(rest[1..end].iter().collect::<String>()))
        } else if rest[0] == '\'' && rest.get(1) == Some(&'\\') {
            (rest.iter().skip(3).position(|c| *c == '\'').map_or(1, |p| p + 4), None)
        } else if rest[0] == '\'' && rest.get(2) == Some(&'\'') {
            (3, None)
        } else {
            code.push(rest[0]);
            line += usize::from(rest[0] == '\n');
            at += 1;
            continue;
        };
        let length = length.min(rest.len());
        if let Some(literal) = literal {
            strings.push((line, literal));
        }
        code.extend(rest[..length].iter().map(|c| blank(*c)));
        line += rest[..length].iter().filter(|c| **c == '\n').count();
        at += length;
    }
    without_test_modules(code, strings)
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Number of hashes if a raw string starts here.
fn raw_string(rest: &[char], before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let rest = if rest[0] == 'b' { &rest[1..] } else { rest };
    let hashes = rest.strip_prefix(&['r'])?;
    let count = hashes.iter().take_while(|c| **c == '#').count();
    (hashes.get(count) == Some(&'"')).then_some(count)
}

/// Blanks `#[cfg(test)] mod name { … }`.
fn without_test_modules(mut code: String, mut strings: Vec<(usize, String)>) -> Parts {
    let mut from = 0;
    while let Some(start) = code[from..].find("#[cfg(test)]").map(|p| p + from) {
        from = start + 1;
        let item = code[start + 12..].trim_start();
        let (Some(open), Some(end)) = (item.find('{'), item.find(';').or(Some(usize::MAX))) else {
            continue;
        };
        if !item.starts_with("mod ") || end < open {
            continue;
        }
        let open = code.len() - item.len() + open;
        let close = matching(&code, open);
        let lines = line_of(&code, start)..=line_of(&code, close);
        strings.retain(|(line, _)| !lines.contains(line));
        let blanked: String = code[start..close].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..close, &blanked);
    }
    Parts { code, strings }
}

/// Just behind the brace that closes the one at `open`.
fn matching(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + c.len_utf8();
        }
    }
    code.len()
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Places where a word stands alone.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let open_left = !word.starts_with(is_word) || !before.is_some_and(is_word);
        let open_right = !word.ends_with(is_word) || !after.is_some_and(is_word);
        open_left && open_right
    })
}

/// Names at the top of what follows a `::`: `a` of `a::b`, and `a`, `c` of `{a::b, c}`.
fn heads(rest: &str) -> Vec<String> {
    let rest = rest.trim_start();
    if !rest.starts_with('{') {
        return vec![rest.chars().take_while(|c| is_word(*c)).collect()];
    }
    let inside = &rest[1..matching(rest, 0).max(2) - 1];
    let mut depth = 0;
    inside
        .split(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(|part| part.trim().chars().take_while(|c| is_word(*c)).collect())
        .collect()
}

/// Top-level modules of its own crate that a file names, with the line: `crate::…`, and `super::…` where it leads there.
fn modules_named(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(is_word) {
            found.extend(heads(&code[at + 7..]).into_iter().map(|name| (line_of(code, at), name)));
        }
    }
    let own: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    for (at, _) in code.match_indices("super::") {
        let before = &code[..at];
        if before.ends_with(is_word) || before.ends_with("super::") {
            continue;
        }
        let rest = code[at..].trim_start_matches("super::");
        let up = (code.len() - at - rest.len()) / "super::".len();
        // Modules written inside a file are a level of their own.
        if up == own.len() + inline_depth(before) {
            found.extend(heads(rest).into_iter().map(|name| (line_of(code, at), name)));
        }
    }
    found.retain(|(_, name)| name.starts_with(char::is_lowercase));
    found
}

/// How many `mod name {` are open at the end of this code.
fn inline_depth(before: &str) -> usize {
    words(before, "mod")
        .filter(|at| {
            let rest = before[at + 3..].trim_start().trim_start_matches(is_word).trim_start();
            rest.starts_with('{') && matching(before, before.len() - rest.len()) == before.len() && !before.ends_with('}')
        })
        .count()
}

/// Layer of a file: the first folder or file below `src/`.
fn layer(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split(['/', '.']).next().unwrap_or(below)
}

/// Who may name whom. `None`: wiring, which sees everything.
fn may_name(layer: &str) -> Option<&'static [&'static str]> {
    Some(match layer {
        "domain" => &["domain"],
        "clock" => &["clock", "domain"],
        "config" => &["config", "domain"],
        "failpoint" => &["failpoint"],
        "store" => &["store", "domain", "clock", "failpoint"],
        "aws" => &["aws", "domain", "clock", "failpoint"],
        "app" => &["app", "store", "aws", "domain", "clock"],
        "worker" => &["worker", "app", "store", "domain", "clock"],
        "web" => &["web", "app", "store", "domain", "clock"],
        "api" => &["api", "web", "app", "store", "domain", "clock"],
        "main" | "lib" | "cli" | "demo" | "serve" => return None,
        // A new top-level module gets its row here.
        _ => &[],
    })
}

/// `web, api, worker -> app -> {store, aws} -> domain`, and nothing sideways or back.
fn layering(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        let Some(allowed) = may_name(layer(&f.path)) else {
            continue;
        };
        if allowed.is_empty() {
            offences.push(format!("{}: has no row in the table of layers", f.path));
        }
        for (line, name) in modules_named(&f.path, &take_apart(&f.text).code) {
            // The route table holds the whole site on one screen, the API's handlers too; the pages do not know them.
            let route_table = f.path == "src/web.rs" && name == "api";
            if !allowed.contains(&name.as_str()) && !route_table {
                offences.push(format!("{}:{line}: {} may not name crate::{name}", f.path, layer(&f.path)));
            }
        }
    }
    offences
}

/// Crates that only some layers may name; `aws_` and the like stand for every crate that starts so.
const FOREIGN: [(&str, &[&str]); 12] = [
    ("sqlx", &["store"]),
    ("aws_", &["aws"]),
    ("axum", &["web", "api", "serve"]),
    ("axum_extra", &["web", "api", "serve"]),
    ("tower", &["web", "api", "serve"]),
    ("tower_http", &["web", "api", "serve"]),
    ("hyper", &["serve"]),
    ("hyper_util", &["serve"]),
    ("socket2", &["serve"]),
    ("askama", &["web"]),
    ("tokio", &["store", "aws", "app", "worker", "web", "api", "serve", "clock", "main", "lib", "cli", "demo"]),
    ("fleetgate_sim", &["main", "demo"]),
];

/// Types of a library stop in the layer that is made of it.
fn foreign_crates(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        let code = take_apart(&f.text).code;
        for (name, homes) in FOREIGN {
            if homes.contains(&layer(&f.path)) {
                continue;
            }
            for (at, _) in code.match_indices(name) {
                let rest = &code[at + name.len()..];
                let rest = if name.ends_with('_') { rest.trim_start_matches(is_word) } else { rest };
                let used = rest.starts_with("::") || code[..at].ends_with("use ") && rest.starts_with([';', ' ']);
                // `crate::aws::x` and `self.tokio::…` are paths of our own.
                let own = code[..at].ends_with(|c: char| is_word(c) || c == ':' || c == '.');
                if used && !own {
                    offences.push(format!("{}:{}: {name} has no place in {}", f.path, line_of(&code, at), layer(&f.path)));
                }
            }
        }
    }
    offences
}

/// Pages, API and workers read the store; they change it through `app` alone.
fn only_app_writes(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files.iter().filter(|f| ["web", "api", "worker"].contains(&layer(&f.path))) {
        let code = take_apart(&f.text).code;
        for word in ["WriteTx", "store.write", "store().write"] {
            offences.extend(words(&code, word).map(|at| format!("{}:{}: {word} outside app", f.path, line_of(&code, at))));
        }
    }
    offences
}

/// The simulator knows nothing of the product.
fn simulator_is_alone(files: &[File], manifest: &str) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        let code = take_apart(&f.text).code;
        offences.extend(words(&code, "fleetgate").map(|at| format!("{}:{}: names the product", f.path, line_of(&code, at))));
    }
    for (number, line) in manifest.lines().enumerate() {
        if line.split(['=', '.']).next().is_some_and(|key| key.trim() == "fleetgate") || line.contains("path = \"..\"") {
            offences.push(format!("sim/Cargo.toml:{}: depends on the product", number + 1));
        }
    }
    offences
}

/// The simulator answers every client alike.
fn no_look_at_the_client(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        let parts = take_apart(&f.text);
        let code = parts.code.lines().enumerate().map(|(n, line)| (n + 1, line.to_owned()));
        for (line, text) in code.chain(parts.strings) {
            let text = text.to_lowercase();
            if ["user-agent", "user_agent", "useragent", "botocore", "boto3", "aws-cli", "aws-sdk"].iter().any(|w| text.contains(w)) {
                offences.push(format!("{}:{line}: looks at the client", f.path));
            }
        }
    }
    offences
}

/// One reader of the environment.
fn environment(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files.iter().filter(|f| f.path != "src/config.rs") {
        let code = take_apart(&f.text).code;
        for word in ["env::var", "env::vars", "env::var_os", "env::vars_os", "env::set_var"] {
            offences.extend(words(&code, word).map(|at| format!("{}:{}: {word}", f.path, line_of(&code, at))));
        }
    }
    offences
}

/// Over 800 lines a file is a defect; those over 400 are named with the question.
fn sizes(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        match f.text.lines().count() {
            n if n > 800 => offences.push(format!("{}: {n} lines", f.path)),
            n if n > 400 => println!("is {} one thing? {n} lines", f.path),
            _ => {}
        }
    }
    offences
}

/// `foo.rs` beside `foo/`.
fn no_mod_rs(files: &[File]) -> Vec<String> {
    files.iter().filter(|f| f.path.ends_with("mod.rs")).map(|f| format!("{}: is a mod.rs", f.path)).collect()
}

/// Words that only one engine knows. In migrations none may stand at all; in queries the types may be column names.
const ENGINE_ONLY: [&str; 24] = [
    "autoincrement",
    "serial",
    "bigserial",
    "jsonb",
    "pragma",
    "trigger",
    "strict",
    "without rowid",
    "or ignore",
    "or replace",
    "insert or",
    "offset",
    "ilike",
    "glob",
    "datetime(",
    "strftime(",
    "julianday(",
    "unixepoch(",
    "json_extract(",
    "to_char(",
    "ifnull(",
    "last_insert_rowid",
    "current_timestamp",
    "::",
];
const ENGINE_TYPES: [&str; 12] =
    ["boolean", "bool", "integer", "int", "real", "blob", "bytea", "numeric", "timestamp", "timestamptz", "varchar", "uuid"];

/// Migrations run unchanged on both engines: TEXT and BIGINT columns, nothing of one engine alone.
fn migrations_are_portable(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files {
        let sql = without_sql_comments(&f.text).to_lowercase();
        for word in ENGINE_ONLY.iter().chain(&ENGINE_TYPES) {
            offences.extend(words(&sql, word).map(|at| format!("{}:{}: {word}", f.path, line_of(&sql, at))));
        }
        for (at, _) in sql.match_indices("create table") {
            let statement = &sql[at..sql[at..].find(';').map_or(sql.len(), |end| at + end)];
            let (Some(open), Some(close)) = (statement.find('('), statement.rfind(')')) else {
                continue;
            };
            for column in at_top(&statement[open + 1..close]) {
                offences.extend(column_type(column).map(|e| format!("{}:{}: {e}", f.path, line_of(&sql, at))));
            }
        }
        for (at, _) in sql.match_indices("add column") {
            offences.extend(column_type(&sql[at + 10..]).map(|e| format!("{}:{}: {e}", f.path, line_of(&sql, at))));
        }
    }
    offences
}

/// Complaint about a column that is neither TEXT nor BIGINT; constraints of the table are no columns.
fn column_type(definition: &str) -> Option<String> {
    let mut words = definition.split(|c: char| !is_word(c)).filter(|w| !w.is_empty());
    let (name, kind) = (words.next()?, words.next().unwrap_or_default());
    let constraint = ["primary", "foreign", "unique", "constraint", "check"].contains(&name);
    (!constraint && kind != "text" && kind != "bigint").then(|| format!("column {name} is {kind:?}"))
}

/// Parts between the commas outside all parentheses.
fn at_top(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let comma = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn without_sql_comments(text: &str) -> String {
    text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The store's own queries: `$1` placeholders, no engine-only words; what belongs to one engine stands in `store/engine.rs`.
fn queries_are_portable(files: &[File]) -> Vec<String> {
    let mut offences = Vec::new();
    for f in files.iter().filter(|f| layer(&f.path) == "store") {
        for (line, text) in take_apart(&f.text).strings {
            let sql = text.to_lowercase();
            let verbs = ["select", "insert", "update", "delete", "where", "values", "order by", "returning", "pragma", "and"];
            if !verbs.iter().any(|word| words(&sql, word).next().is_some()) {
                continue;
            }
            if sql.contains('?') {
                offences.push(format!("{}:{line}: placeholder ?, $1 is meant", f.path));
            }
            for word in ENGINE_ONLY {
                let home = word == "pragma" && f.path == "src/store/engine.rs";
                if !home && words(&sql, word).next().is_some() {
                    offences.push(format!("{}:{line}: {word}", f.path));
                }
            }
        }
    }
    offences
}

#[test]
fn layers_name_only_what_lies_below() {
    clean(&layering(&product()));
}

#[test]
fn a_wrong_layer_is_found() {
    for (path, text) in [
        ("src/domain/plan.rs", "use crate::store::Store;"),
        ("src/domain/plan.rs", "use crate::{domain::ids::Id, clock::{self, Clocks}};"),
        ("src/domain/plan.rs", "fn f() -> super::super::aws::Aws { todo() }"),
        ("src/domain.rs", "use super::config;"),
        ("src/store/audit.rs", "fn f(x: &crate::app::App) {}"),
        ("src/aws/ec2.rs", "use crate::{\n    domain::image,\n    store,\n};"),
        ("src/app/gate.rs", "use crate::web::page;"),
        ("src/worker/observer.rs", "use crate::aws::Aws;"),
        ("src/web/login.rs", "use crate::api::me;"),
        ("src/api/me.rs", "use crate::aws;"),
        ("src/clock.rs", "use crate::config;"),
        ("src/web/home.rs", "use crate::{api::me};"),
        ("src/utils.rs", ""),
    ] {
        assert_eq!(layering(&[file(path, text)]).len(), 1, "{path}: {text}");
    }
}

#[test]
fn what_is_allowed_is_not_taken_for_an_offence() {
    let allowed = [
        ("src/domain/plan.rs", "use crate::domain::ids::Id; // crate::store::Store would be wrong"),
        ("src/domain/next/pin.rs", "use super::super::observation::X; use super::progress;"),
        ("src/domain/plan.rs", "const S: &str = \"use crate::store\"; const R: &str = r#\"crate::\"aws\"#; fn f<'a>(c: &'a char) { '\"'; }"),
        ("src/domain/plan.rs", "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}\n"),
        ("src/domain/plan.rs", "mod inner {\n    use super::super::aws;\n}\n"),
        ("src/app.rs", "mod inner {\n    use super::web;\n}\n"),
        ("src/api/me.rs", "use crate::{web, app::App, store::Store};"),
        ("src/main.rs", "use crate::web; use fleetgate_sim::Sim;"),
    ];
    for (path, text) in allowed {
        clean(&layering(&[file(path, text)]));
        clean(&foreign_crates(&[file(path, text)]));
    }
}

#[test]
fn libraries_stay_in_their_layer() {
    clean(&foreign_crates(&product()));
}

#[test]
fn a_library_in_a_wrong_layer_is_found() {
    for (path, text) in [
        ("src/domain/plan.rs", "use tokio::sync::watch;"),
        ("src/domain/plan.rs", "fn f(x: axum::Router) {}"),
        ("src/domain/plan.rs", "use aws_sdk_ec2 as ec2;"),
        ("src/app/gate.rs", "use sqlx::Row;"),
        ("src/app/gate.rs", "fn f(e: aws_sdk_autoscaling::Error) {}"),
        ("src/store/acts.rs", "use axum::Json;"),
        ("src/web/login.rs", "let x = fleetgate_sim::Seed::default();"),
        ("src/lib.rs", "use fleetgate_sim::Sim;"),
    ] {
        assert_eq!(foreign_crates(&[file(path, text)]).len(), 1, "{path}: {text}");
    }
}

#[test]
fn only_app_writes_to_the_store() {
    clean(&only_app_writes(&product()));
}

#[test]
fn a_write_beside_app_is_found() {
    caught(&only_app_writes(&[file("src/web/login.rs", "self.store.write(&permit, entry, f).await")]));
    caught(&only_app_writes(&[file("src/worker/observer.rs", "fn f(tx: &mut crate::store::WriteTx) {}")]));
}

#[test]
fn the_simulator_knows_nothing_of_the_product() {
    let manifest = fs::read_to_string(root().join("sim/Cargo.toml")).expect("sim/Cargo.toml");
    clean(&simulator_is_alone(&simulator(), &manifest));
}

#[test]
fn a_simulator_that_knows_the_product_is_found() {
    caught(&simulator_is_alone(&[file("sim/src/world.rs", "use fleetgate::domain::release::Release;")], ""));
    caught(&simulator_is_alone(&[], "[dependencies]\nfleetgate = { path = \"..\" }"));
    clean(&simulator_is_alone(&[file("sim/src/main.rs", "use fleetgate_sim::Sim; // fleetgate::x")], "name = \"fleetgate-sim\""));
}

#[test]
fn the_simulator_does_not_look_at_the_client() {
    clean(&no_look_at_the_client(&simulator()));
}

#[test]
fn a_look_at_the_client_is_found() {
    caught(&no_look_at_the_client(&[file("sim/src/server.rs", "if header(\"User-Agent\").contains(\"x\") {}")]));
    caught(&no_look_at_the_client(&[file("sim/src/server.rs", "let a = headers.get(header::USER_AGENT);")]));
    clean(&no_look_at_the_client(&[file("sim/src/server.rs", "// never by user agent or User-Agent\nlet a = 1;")]));
}

#[test]
fn only_config_reads_the_environment() {
    let mut files = product();
    files.extend(simulator());
    clean(&environment(&files));
}

#[test]
fn another_reader_of_the_environment_is_found() {
    caught(&environment(&[file("src/aws.rs", "let r = std::env::var(\"AWS_REGION\");")]));
    caught(&environment(&[file("sim/src/main.rs", "use std::env; fn f() { env::vars_os(); }")]));
    clean(&environment(&[file("src/cli.rs", "std::env::args(); env!(\"CARGO_PKG_VERSION\");")]));
}

#[test]
fn files_are_small() {
    clean(&sizes(&tree(&["src", "sim/src", "sim/tests", "tests"], "rs")));
}

#[test]
fn a_large_file_is_found() {
    caught(&sizes(&[file("src/app/gate.rs", &"\n".repeat(801))]));
}

#[test]
fn modules_stand_beside_their_folder() {
    clean(&no_mod_rs(&tree(&["src", "sim/src", "sim/tests", "tests"], "rs")));
}

#[test]
fn a_mod_rs_is_found() {
    caught(&no_mod_rs(&[file("src/app/mod.rs", "")]));
}

#[test]
fn migrations_run_on_both_engines() {
    clean(&migrations_are_portable(&migrations()));
}

#[test]
fn a_migration_for_one_engine_is_found() {
    for sql in [
        "create table t (id integer primary key);",
        "create table t (id bigint primary key autoincrement);",
        "create table t (id bigint, at timestamp not null);",
        "create table t (id bigint, ok double precision, primary key (id, ok));",
        "create table t (id text) strict;",
        "alter table t add column b boolean;",
        "alter table t add column b varbit;",
        "create trigger x after insert on t begin select 1; end;",
        "pragma foreign_keys = on;",
        "insert or ignore into t values (1);",
        "insert into t values (datetime('now'));",
        "insert into t select strftime('%s');",
        "insert into t values ('1'::bigint);",
        "create table t (id bigserial primary key, body jsonb);",
    ] {
        caught(&migrations_are_portable(&[file("migrations/0009_x.sql", sql)]));
    }
    let fine = "-- no boolean, no pragma\ncreate table t (a text not null references u (b), c bigint, unique (a, c));\n\
                create unique index i on t (a) where c in (1, 2);";
    clean(&migrations_are_portable(&[file("migrations/0009_x.sql", fine)]));
}

#[test]
fn queries_run_on_both_engines() {
    clean(&queries_are_portable(&product()));
}

#[test]
fn a_query_for_one_engine_is_found() {
    for text in [
        "let q = \"select a from t where b = ?\";",
        "let q = \"select a\n from t limit 5 offset 10\";",
        "let q = \"INSERT OR IGNORE into t values ($1)\";",
        "let q = r#\"select a::text from t\"#;",
        "let q = \"select json_extract(a, '$.b') from t\";",
        "conn.execute(\"pragma synchronous = off\")",
    ] {
        assert!(!queries_are_portable(&[file("src/store/acts.rs", text)]).is_empty(), "{text}");
    }
    let fine = "let x = a?.b::<C>(); let s = \"Which one?\"; let q = \"select a from t where b = $1\"; // b = ?";
    clean(&queries_are_portable(&[file("src/store/acts.rs", fine)]));
    clean(&queries_are_portable(&[file("src/store/engine.rs", "\"pragma synchronous = full\"")]));
}
