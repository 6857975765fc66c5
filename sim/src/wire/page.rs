//! Paging by opaque tokens (aws-reference 2.5).
//!
//! **Invariant:** a token this server did not make is refused, never read as page one.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Slices one page out of `rows`; `None` when the token is not ours.
pub(crate) fn page<T>(rows: Vec<T>, token: Option<&str>, size: usize) -> Option<(Vec<T>, Option<String>)> {
    let offset = match token {
        None => 0,
        Some(token) => {
            let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
            text.strip_prefix("page/")?.parse::<usize>().ok()?
        }
    };
    let total = rows.len();
    if offset > total {
        return None;
    }
    let rows: Vec<T> = rows.into_iter().skip(offset).take(size).collect();
    let end = offset + rows.len();
    let next = (end < total).then(|| STANDARD.encode(format!("page/{end}")));
    Some((rows, next))
}
