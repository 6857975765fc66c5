//! Releases: an image of an application, numbered, bound to a digest.

use serde::{Deserialize, Serialize};

use super::observation::Millis;

/// A release. The tag is a label; the digest is what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Release {
    /// Application.
    pub app: String,
    /// 1, 2, … per application; shown as `v5`.
    pub number: i64,
    /// The tag it was made from, when there was one.
    pub tag: Option<String>,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Commit, as given.
    pub commit: Option<String>,
    /// Notes, as given.
    pub notes: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When (wall clock, UTC ms).
    pub created_at: Millis,
}

impl Release {
    /// `v5`, or `v5 (1.4.2)` where the tag says more.
    pub fn label(&self) -> String {
        match &self.tag {
            Some(tag) if *tag != format!("v{}", self.number) => format!("v{} ({tag})", self.number),
            _ => format!("v{}", self.number),
        }
    }
}

/// Is this a digest as ECR writes it?
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

/// Is this a tag as ECR takes it (1–300 of letters, digits and `. _ -`)?
pub fn is_tag(text: &str) -> bool {
    (1..=300).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// `sha256:0123456789ab`, for people.
pub fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
