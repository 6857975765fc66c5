//! What a call selects: filters by name and value, and pages.
//!
//! **Invariant:** a filter this service does not document for the operation is refused before any row is looked at, so
//! that none is ever silently ignored.

use crate::wire::{ApiError, node::Node, page};

/// Name and the values that pass.
pub(super) type Filter = (String, Vec<String>);

/// The filters of a request. `known` are the operation's names; `tag:` among them stands for `tag:KEY` of any key.
pub(super) fn filters(p: &Node, known: &[&str]) -> Result<Vec<Filter>, ApiError> {
    let rows: Vec<Filter> = p.list("Filter").iter().map(|f| (f.text("Name").unwrap_or_default().to_owned(), f.texts("Value"))).collect();
    let fine = |name: &str| known.contains(&name) && name != "tag:" || known.contains(&"tag:") && name.len() > 4 && name.starts_with("tag:");
    match rows.iter().find(|(name, _)| !fine(name)) {
        Some((name, _)) => Err(invalid("InvalidParameterValue", format!("The filter '{name}' is invalid"))),
        None => Ok(rows),
    }
}

/// Whether a row passes every filter; `values` gives what the row has under a filter's name, nothing if it has none.
pub(super) fn passes(filters: &[Filter], values: impl Fn(&str) -> Vec<String>) -> bool {
    filters.iter().all(|(name, wanted)| values(name).iter().any(|value| wanted.iter().any(|pattern| matches(pattern, value))))
}

/// The values tags give to `tag:KEY` and `tag-key`.
pub(super) fn of_tags<'a>(name: &str, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let tags = tags.into_iter();
    match name.strip_prefix("tag:") {
        Some(key) => tags.filter(|(k, _)| *k == key).map(|(_, v)| v.to_owned()).collect(),
        None => tags.map(|(k, _)| k.to_owned()).collect(),
    }
}

/// One step of a pattern.
enum Step {
    Many,
    One,
    Char(char),
}

/// EC2's wildcards: `*` for any text, `?` for one character, a backslash before one that is meant as it stands.
fn matches(pattern: &str, value: &str) -> bool {
    let mut steps = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '*' => Step::Many,
            '?' => Step::One,
            '\\' => Step::Char(chars.next().unwrap_or('\\')),
            c => Step::Char(c),
        });
    }
    let value: Vec<char> = value.chars().collect();
    let (mut at, mut step) = (0, 0);
    // Where the last `*` stands and how much it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    while at < value.len() {
        match steps.get(step) {
            Some(Step::Many) => {
                star = Some((step, at));
                step += 1;
            }
            Some(Step::One) => (at, step) = (at + 1, step + 1),
            Some(Step::Char(c)) if *c == value[at] => (at, step) = (at + 1, step + 1),
            _ => match star {
                Some((back, from)) => {
                    star = Some((back, from + 1));
                    (at, step) = (from + 1, back + 1);
                }
                None => return false,
            },
        }
    }
    steps[step..].iter().all(|s| matches!(s, Step::Many))
}

/// One page by MaxResults (within `bounds`) and NextToken; no size means everything.
pub(super) fn paged<T>(p: &Node, rows: Vec<T>, bounds: (usize, usize)) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match p.text("MaxResults") {
        None => usize::MAX,
        Some(text) => {
            let wrong = |more: String| invalid("InvalidParameterValue", format!("Value ( {text} ) for parameter maxResults is invalid.{more}"));
            match text.parse::<usize>() {
                Err(_) => return Err(wrong(String::new())),
                Ok(n) if n < bounds.0 => return Err(wrong(format!(" Expecting a value greater than or equal to {}.", bounds.0))),
                Ok(n) if n > bounds.1 => return Err(wrong(format!(" Expecting a value smaller than or equal to {}.", bounds.1))),
                Ok(n) => n,
            }
        }
    };
    page::page(rows, p.text("NextToken"), size).ok_or_else(|| invalid("InvalidNextToken", "The token is not valid."))
}

/// The first id that is not there, in EC2's words: `The subnet ID 'x' does not exist`.
pub(super) fn all_known(ids: &[String], known: impl Fn(&str) -> bool, code: &str, what: &str) -> Result<(), ApiError> {
    let lost: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !known(id)).collect();
    match lost.as_slice() {
        [] => Ok(()),
        [one] => Err(invalid(code, format!("The {what} ID '{one}' does not exist"))),
        many => Err(invalid(code, format!("The {what} IDs '{}' do not exist", many.join(", ")))),
    }
}

/// A refusal with status 400.
pub(super) fn invalid(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::bad(code, message)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, value, wanted) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("*", "", true),
            ("web-*", "web-", true),
            ("*-asg", "web-asg", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("w\\*b", "w*b", true),
            ("w\\*b", "web", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, value), wanted, "{pattern} on {value}");
        }
    }
}
