//! Tags of a repository itself (aws-reference 8).
//!
//! **Invariant:** a call tags all or nothing; a repository never has more than 50.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    input::{bad, list, need, texts},
    no_repository,
};
use crate::{wire::ApiError, world::World};

const TAGS_LIMIT: usize = 50;

pub(super) fn arn(w: &World, name: &str) -> String {
    format!("arn:aws:ecr:{}:{}:repository/{name}", w.region, w.account)
}

/// Reads `tags` into what a repository would have then.
pub(super) fn read(v: &Value, before: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    let odd = |words: String| ApiError::bad("InvalidTagParameterException", words);
    let mut out = before.clone();
    let mut seen = Vec::new();
    for row in list(v, "tags", 200)?.unwrap_or_default() {
        let (key, value) = (need(row, "Key")?, need(row, "Value")?);
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(odd("Tag keys have 1 to 128 characters and tag values at most 256".into()));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(odd(format!("The tag key '{key}' begins with the reserved prefix aws:")));
        }
        if seen.contains(&key) {
            return Err(odd(format!("The tag key '{key}' stands twice")));
        }
        seen.push(key);
        out.insert(key.to_owned(), value.to_owned());
    }
    if out.len() > TAGS_LIMIT {
        let words = "The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is 50.";
        return Err(ApiError::bad("TooManyTagsException", words));
    }
    Ok(out)
}

/// Name of the repository behind the call's ARN.
fn named<'a>(w: &World, v: &'a Value) -> Result<&'a str, ApiError> {
    let text = need(v, "resourceArn")?;
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", "aws", "ecr", region, account, resource] = parts.as_slice() else {
        return Err(bad("resourceArn", "Invalid ARN"));
    };
    let name = resource.strip_prefix("repository/").ok_or_else(|| bad("resourceArn", "Invalid ARN"))?;
    if *region != w.region || *account != w.account || !w.repositories.contains_key(name) {
        return Err(no_repository(name, account));
    }
    Ok(name)
}

pub(super) fn tag(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = named(w, v)?;
    if v.get("tags").is_none_or(Value::is_null) {
        return Err(bad("tags", "must not be null"));
    }
    if let Some(r) = w.repositories.get_mut(name) {
        r.labels = read(v, &r.labels)?;
    }
    Ok(json!({}))
}

pub(super) fn untag(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = named(w, v)?;
    let keys = texts(v, "tagKeys", 200)?.ok_or_else(|| bad("tagKeys", "must not be null"))?;
    if let Some(r) = w.repositories.get_mut(name) {
        r.labels.retain(|key, _| !keys.contains(&key.as_str()));
    }
    Ok(json!({}))
}

pub(super) fn listed(w: &World, v: &Value) -> Result<Value, ApiError> {
    let name = named(w, v)?;
    let labels = w.repositories.get(name).into_iter().flat_map(|r| &r.labels);
    let rows: Vec<Value> = labels.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(json!({"tags": rows}))
}
