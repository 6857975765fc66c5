//! Reading a request's members with ECR's own complaints.
//!
//! **Invariant:** a member of another type, length or form is refused, never taken as absent.

use serde_json::{Value, json};

use crate::{
    wire::ApiError,
    world::{
        World,
        images::{Image, Repository},
    },
};

/// `InvalidParameterException` about one member.
pub(super) fn bad(name: &str, constraint: impl std::fmt::Display) -> ApiError {
    ApiError::bad("InvalidParameterException", format!("Invalid parameter at '{name}' failed to satisfy constraint: '{constraint}'"))
}

fn odd_type(name: &str, wanted: &str) -> ApiError {
    ApiError::bad("SerializationException", format!("The member {name} can not be converted to {wanted}"))
}

/// A member that is there.
pub(super) fn member<'a>(v: &'a Value, name: &str) -> Option<&'a Value> {
    v.get(name).filter(|value| !value.is_null())
}

pub(super) fn text<'a>(v: &'a Value, name: &str) -> Result<Option<&'a str>, ApiError> {
    member(v, name).map(|value| value.as_str().ok_or_else(|| odd_type(name, "a String"))).transpose()
}

pub(super) fn need<'a>(v: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    text(v, name)?.ok_or_else(|| bad(name, "must not be null"))
}

pub(super) fn flag(v: &Value, name: &str) -> Result<Option<bool>, ApiError> {
    member(v, name).map(|value| value.as_bool().ok_or_else(|| odd_type(name, "a Boolean"))).transpose()
}

pub(super) fn whole(v: &Value, name: &str) -> Result<Option<i64>, ApiError> {
    member(v, name).map(|value| value.as_i64().ok_or_else(|| odd_type(name, "a Long"))).transpose()
}

/// A structure that is there.
pub(super) fn object<'a>(v: &'a Value, name: &str) -> Result<Option<&'a Value>, ApiError> {
    member(v, name).map(|value| if value.is_object() { Ok(value) } else { Err(odd_type(name, "a structure")) }).transpose()
}

/// A list of one to `most` rows.
pub(super) fn list<'a>(v: &'a Value, name: &str, most: usize) -> Result<Option<&'a [Value]>, ApiError> {
    let Some(value) = member(v, name) else { return Ok(None) };
    let rows = value.as_array().ok_or_else(|| odd_type(name, "a list"))?;
    if rows.is_empty() || rows.len() > most {
        return Err(bad(name, format!("Member must have length between 1 and {most}")));
    }
    Ok(Some(rows))
}

pub(super) fn texts<'a>(v: &'a Value, name: &str, most: usize) -> Result<Option<Vec<&'a str>>, ApiError> {
    let Some(rows) = list(v, name, most)? else { return Ok(None) };
    rows.iter().map(|row| row.as_str().ok_or_else(|| odd_type(name, "a list of String"))).collect::<Result<_, _>>().map(Some)
}

/// Twelve digits.
pub(super) fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())
}

/// Words of small letters and digits, joined by `.`, `_`, `__` or dashes, in parts joined by `/`.
pub(super) fn is_repository_name(name: &str) -> bool {
    let word = |text: &str| {
        let mut joint = "";
        let mut from = 0;
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = text.as_bytes();
        for (at, b) in bytes.iter().enumerate() {
            if edge(Some(*b)) {
                if !matches!(joint, "" | "." | "_" | "__") && joint.bytes().any(|b| b != b'-') {
                    return false;
                }
                (joint, from) = ("", at + 1);
            } else {
                joint = text.get(from..=at).unwrap_or("??");
            }
        }
        edge(bytes.first().copied()) && edge(bytes.last().copied())
    };
    (2..=256).contains(&name.len()) && name.split('/').all(word)
}

pub(super) fn repository_name(v: &Value) -> Result<&str, ApiError> {
    let name = need(v, "repositoryName")?;
    if !is_repository_name(name) {
        return Err(bad("repositoryName", "must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'"));
    }
    Ok(name)
}

/// An algorithm, a colon and hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(name, hex)| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'.');
        !name.is_empty() && name.bytes().all(plain) && !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Whether an image may have this tag.
pub(super) fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && tag.len() <= 300 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

const DIGEST_RULE: &str = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";

/// An image as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) digest: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
}

/// Why an image is not found: AWS's failure code and reason.
pub(super) type Failure = (&'static str, String);

impl<'a> Asked<'a> {
    fn read(v: &'a Value) -> Result<Self, ApiError> {
        if !v.is_object() {
            return Err(odd_type("imageId", "a structure"));
        }
        Ok(Self { digest: text(v, "imageDigest")?, tag: text(v, "imageTag")? })
    }

    /// The one image a call is about.
    pub(super) fn one(v: &'a Value) -> Result<Self, ApiError> {
        Self::read(object(v, "imageId")?.ok_or_else(|| bad("imageId", "must not be null"))?)
    }

    /// The images a call names.
    pub(super) fn many(v: &'a Value) -> Result<Option<Vec<Self>>, ApiError> {
        let Some(rows) = list(v, "imageIds", 100)? else { return Ok(None) };
        rows.iter().map(Self::read).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn find<'r>(&self, r: &'r Repository) -> Result<&'r Image, Failure> {
        let lost = || ("ImageNotFound", "Requested image not found".to_owned());
        let digest = match (self.digest, self.tag) {
            (None, None) => return Err(("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null".into())),
            (Some(d), _) if !is_digest(d) => {
                return Err(("InvalidImageDigest", format!("Invalid request parameters: image digest should satisfy the regex '{DIGEST_RULE}'")));
            }
            (_, Some(t)) if !is_tag(t) => {
                return Err((
                    "InvalidImageTag",
                    "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]*'".into(),
                ));
            }
            (Some(d), Some(t)) => match r.tags.get(t) {
                Some(other) if other != d => {
                    return Err(("ImageTagDoesNotMatchDigest", "Requested image digest does not match the tag's digest".into()));
                }
                Some(_) => d,
                None => return Err(lost()),
            },
            (Some(d), None) => d,
            (None, Some(t)) => r.tags.get(t).ok_or_else(lost)?,
        };
        r.images.get(digest).ok_or_else(lost)
    }

    /// The same for a call that is about the image as a whole: the failure is the call's error.
    pub(super) fn must_find<'r>(&self, w: &World, r: &'r Repository) -> Result<&'r Image, ApiError> {
        self.find(r).map_err(|(code, _)| match code {
            "MissingDigestAndTag" => bad("imageId", "imageDigest and imageTag cannot both be null"),
            "InvalidImageDigest" => bad("imageDigest", format!("must satisfy regular expression '{DIGEST_RULE}'")),
            "InvalidImageTag" => bad("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]*'"),
            _ => ApiError::bad(
                "ImageNotFoundException",
                format!(
                    "The image with imageId {self} does not exist within the repository with name '{}' in the registry with id '{}'",
                    r.name, w.account
                ),
            ),
        })
    }

    /// As it was asked for, on the wire.
    pub(super) fn json(&self) -> Value {
        self.with(self.digest)
    }

    /// The same with the digest that was found.
    pub(super) fn with(&self, digest: Option<&str>) -> Value {
        let mut out = json!({});
        if let Some(d) = digest {
            out["imageDigest"] = d.into();
        }
        if let Some(t) = self.tag {
            out["imageTag"] = t.into();
        }
        out
    }
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let null = "null";
        write!(f, "{{imageDigest:'{}', imageTag:'{}'}}", self.digest.unwrap_or(null), self.tag.unwrap_or(null))
    }
}
