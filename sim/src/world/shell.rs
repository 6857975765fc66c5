//! User data read the way a shell would, as far as starting a container goes: assignments, expansion, functions,
//! command substitution of the metadata service, `docker pull` and `docker run`.
//!
//! **Invariant:** pure; a script only yields the acts it would perform, in order. What it does not understand has no
//! effect on the machine, as a command that succeeds silently.

use std::collections::BTreeMap;

/// Something a script does to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Pull(String),
    Run(String),
    /// A command this machine image does not have.
    Missing(String),
}

/// What a script would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    /// `set -e` is on: the first failure ends it.
    pub(crate) strict: bool,
}

struct Shell<'a> {
    vars: BTreeMap<String, String>,
    functions: BTreeMap<String, Vec<String>>,
    metadata: &'a dyn Fn(&str) -> Option<String>,
    script: Script,
}

/// Reads a script; `metadata` answers instance metadata paths below `meta-data/`.
pub(crate) fn interpret(text: &str, metadata: &dyn Fn(&str) -> Option<String>) -> Script {
    if !text.starts_with("#!") {
        return Script::default();
    }
    let mut shell = Shell { vars: BTreeMap::new(), functions: BTreeMap::new(), metadata, script: Script::default() };
    let lines = logical_lines(text);
    shell.run(&lines, 0);
    let containers = shell.script.acts.iter().any(|a| matches!(a, Act::Pull(_) | Act::Run(_)));
    if let (false, Some(image)) = (containers, shell.vars.get("IMAGE")) {
        shell.script.acts.push(Act::Run(image.clone()));
    }
    shell.script
}

/// Lines with continuations joined, comments and here-documents gone.
fn logical_lines(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut pending = String::new();
    let mut heredoc: Option<String> = None;
    for line in text.lines() {
        if let Some(end) = &heredoc {
            if line.trim() == end {
                heredoc = None;
            }
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            pending.push_str(start);
            pending.push(' ');
            continue;
        }
        let full = std::mem::take(&mut pending) + line;
        if let Some((_, word)) = full.split_once("<<").filter(|(_, w)| !w.starts_with('<')) {
            let word: String = word
                .trim_start_matches('-')
                .trim_start()
                .chars()
                .filter(|c| *c != '\'' && *c != '"')
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !word.is_empty() {
                heredoc = Some(word);
            }
        }
        out.push(full);
    }
    if !pending.is_empty() {
        out.push(pending);
    }
    out
}

/// Splits a line into commands, leaving quotes and `$(…)` whole.
fn commands(line: &str) -> Vec<String> {
    let (mut out, mut current) = (Vec::new(), String::new());
    let (mut quote, mut depth) = (None, 0u32);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '#') if depth == 0 && (current.is_empty() || current.ends_with(char::is_whitespace)) => {
                break;
            }
            (None, ';' | '|' | '&') if depth == 0 => {
                if chars.peek() == Some(&c) {
                    chars.next();
                }
                out.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    out.push(current);
    out.into_iter().map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Shell<'_> {
    fn run(&mut self, lines: &[String], depth: u32) {
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            at += 1;
            let trimmed = line.trim();
            if let Some((name, rest)) = trimmed.split_once("()").filter(|(n, _)| is_name(n.trim())) {
                let rest = rest.trim().trim_start_matches('{').trim();
                let mut body = Vec::new();
                if let Some(inner) = rest.strip_suffix('}') {
                    body.push(inner.to_owned());
                } else {
                    body.push(rest.to_owned());
                    while let Some(line) = lines.get(at) {
                        at += 1;
                        if line.trim() == "}" {
                            break;
                        }
                        body.push(line.clone());
                    }
                }
                self.functions.insert(name.trim().to_owned(), body);
                continue;
            }
            for command in commands(trimmed) {
                self.command(&command, depth);
            }
        }
    }

    fn command(&mut self, command: &str, depth: u32) {
        let mut words = self.words(command);
        while words.first().is_some_and(|w| {
            matches!(
                w.as_str(),
                "then" | "do" | "else" | "if" | "while" | "until" | "!" | "sudo" | "{" | "(" | "exec" | "export" | "readonly" | "local" | "time"
            )
        }) {
            words.remove(0);
        }
        while let Some((name, value)) = words.first().and_then(|w| w.split_once('=')).filter(|(n, _)| is_name(n)) {
            self.vars.insert(name.to_owned(), value.to_owned());
            words.remove(0);
        }
        let Some(first) = words.first().cloned() else {
            return;
        };
        if first == "set" {
            for word in &words[1..] {
                let flags = word.strip_prefix('-').filter(|f| !f.starts_with('-'));
                self.script.strict |= flags.is_some_and(|f| f.contains('e')) || word == "errexit";
            }
            return;
        }
        if first == "amazon-linux-extras" {
            // The target's machine image is Amazon Linux 2023, which lacks it (aws-reference 12.1).
            self.script.acts.push(Act::Missing(first));
            return;
        }
        if let Some(docker) = words.iter().position(|w| w == "docker" || w.ends_with("/docker")) {
            self.docker(&words[docker + 1..]);
            return;
        }
        if let (Some(body), true) = (self.functions.get(&first).cloned(), depth < 4) {
            self.run(&body, depth + 1);
        }
    }

    fn docker(&mut self, args: &[String]) {
        let args = match args.first().map(String::as_str) {
            Some("image" | "container") => &args[1..],
            _ => args,
        };
        let Some(verb) = args.first() else { return };
        if verb != "pull" && verb != "run" {
            return;
        }
        let mut rest = args[1..].iter();
        while let Some(word) = rest.next() {
            if let Some(flag) = word.strip_prefix('-') {
                let alone = flag.contains('=')
                    || matches!(
                        word.as_str(),
                        "-d" | "-i"
                            | "-t"
                            | "-it"
                            | "-ti"
                            | "-dit"
                            | "-itd"
                            | "-P"
                            | "-q"
                            | "-a"
                            | "--detach"
                            | "--rm"
                            | "--init"
                            | "--privileged"
                            | "--read-only"
                            | "--interactive"
                            | "--tty"
                            | "--quiet"
                            | "--publish-all"
                    );
                if !alone {
                    rest.next();
                }
            } else if !word.is_empty() {
                let image = word.clone();
                self.script.acts.push(if verb == "pull" { Act::Pull(image) } else { Act::Run(image) });
                return;
            }
        }
    }

    /// Words of a command, expanded.
    fn words(&self, text: &str) -> Vec<String> {
        let (mut out, mut word, mut started) = (Vec::new(), String::new(), false);
        let mut chars: Vec<char> = text.chars().collect();
        chars.push(' ');
        let mut quote: Option<char> = None;
        let mut i = 0;
        while i < chars.len() {
            let c = chars[i];
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (Some('\''), c) => word.push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    started = true;
                }
                (_, '\\') if i + 1 < chars.len() => {
                    i += 1;
                    word.push(chars[i]);
                }
                (_, '$' | '`') => {
                    let (value, next) = self.expand(&chars, i);
                    word.push_str(&value);
                    started = true;
                    i = next;
                    continue;
                }
                (None, c) if c.is_whitespace() => {
                    if started || !word.is_empty() {
                        out.push(std::mem::take(&mut word));
                        started = false;
                    }
                }
                (_, c) => word.push(c),
            }
            i += 1;
        }
        out
    }

    /// Value of the expansion at `chars[at]`, and where it ends.
    fn expand(&self, chars: &[char], at: usize) -> (String, usize) {
        let tail: String = chars[at + 1..].iter().collect();
        if chars[at] == '`' {
            let inner: String = tail.chars().take_while(|c| *c != '`').collect();
            let end = at + inner.chars().count() + 2;
            return (self.substitute(&inner), end);
        }
        if let Some(inner) = tail.strip_prefix('(') {
            let mut depth = 1;
            let body: String = inner
                .chars()
                .take_while(|c| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    depth > 0
                })
                .collect();
            return (self.substitute(&body), at + body.chars().count() + 3);
        }
        if let Some(inner) = tail.strip_prefix('{') {
            let body: String = inner.chars().take_while(|c| *c != '}').collect();
            let (name, default) = body.split_once(":-").unwrap_or((&body, ""));
            let value = self.vars.get(name).filter(|v| !v.is_empty()).cloned().unwrap_or_else(|| default.to_owned());
            return (value, at + body.chars().count() + 3);
        }
        let name: String = tail.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            let skip = usize::from(tail.starts_with(['@', '*', '?', '#', '!', '$']));
            return (String::new(), at + 1 + skip);
        }
        (self.vars.get(&name).cloned().unwrap_or_default(), at + 1 + name.len())
    }

    /// Output of a command: the metadata service is known, everything else prints nothing.
    fn substitute(&self, command: &str) -> String {
        let words = self.words(command);
        for word in &words {
            if let Some((_, path)) = word.split_once("/meta-data/") {
                return (self.metadata)(path.trim_matches('/')).unwrap_or_default();
            }
        }
        if words.iter().any(|w| w.ends_with("/api/token")) {
            return "TOKEN".into();
        }
        if matches!(words.first().map(String::as_str), Some("echo" | "printf")) {
            return words[1..].join(" ");
        }
        String::new()
    }
}
