//! Wildcards, ARNs and policy variables.
//!
//! **Invariant:** in an ARN a wildcard stays within its own one of the six parts that colons divide; a variable whose value
//! the context does not have matches nothing.

use super::Context;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Many,
    One,
    Char(char),
}

/// A pattern ready to be matched.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Step>);

impl Pattern {
    /// Reads `*`, `?` and, if `variables`, `${key}` and the escapes `${*}`, `${?}`, `${$}`. Nothing when a variable has no
    /// single value.
    pub(super) fn new(text: &str, variables: bool, context: &Context) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if variables
                && let Some(inner) = rest.strip_prefix("${")
                && let Some((name, after)) = inner.split_once('}')
            {
                match name {
                    "*" | "?" | "$" => steps.extend(name.chars().map(Step::Char)),
                    name => steps.extend(value(name, context)?.chars().map(Step::Char)),
                }
                rest = after;
                continue;
            }
            steps.push(match c {
                '*' => Step::Many,
                '?' => Step::One,
                c => Step::Char(c),
            });
            rest = &rest[c.len_utf8()..];
        }
        Some(Self(steps))
    }

    /// The same without wildcards: every character stands for itself.
    pub(super) fn literal(text: &str, variables: bool, context: &Context) -> Option<String> {
        let steps = Self::new(text, variables, context)?.0;
        let as_char = |step: Step| match step {
            Step::Many => '*',
            Step::One => '?',
            Step::Char(c) => c,
        };
        Some(steps.into_iter().map(as_char).collect())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        run(&self.0, &text)
    }

    /// Matches an ARN part by part; `*` alone is every resource.
    pub(super) fn matches_arn(&self, text: &str) -> bool {
        if self.0 == [Step::Many] {
            return true;
        }
        let (mine, theirs) = (self.parts(), text.splitn(6, ':').collect::<Vec<_>>());
        mine.len() == 6 && theirs.len() == 6 && mine.iter().zip(theirs).all(|(mine, theirs)| run(mine, &theirs.chars().collect::<Vec<_>>()))
    }

    /// The six parts of an ARN; the last keeps its colons.
    fn parts(&self) -> Vec<&[Step]> {
        let mut parts = Vec::new();
        let mut rest = self.0.as_slice();
        while parts.len() < 5
            && let Some(at) = rest.iter().position(|s| *s == Step::Char(':'))
        {
            parts.push(&rest[..at]);
            rest = &rest[at + 1..];
        }
        parts.push(rest);
        parts
    }
}

fn value<'a>(name: &str, context: &'a Context) -> Option<&'a str> {
    match context.get(name)? {
        [one] => Some(one),
        _ => None,
    }
}

/// Greedy match that goes back to the last `*` alone, so a long pattern costs no more than the product of the lengths.
fn run(steps: &[Step], text: &[char]) -> bool {
    let (mut s, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match steps.get(s) {
            Some(Step::Many) => {
                back = Some((s, t));
                s += 1;
                continue;
            }
            Some(Step::One) => {}
            Some(Step::Char(c)) if *c == text[t] => {}
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    s = star + 1;
                    t = from + 1;
                    continue;
                }
                None => return false,
            },
        }
        s += 1;
        t += 1;
    }
    steps[s..].iter().all(|step| *step == Step::Many)
}
