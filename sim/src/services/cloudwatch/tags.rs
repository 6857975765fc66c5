//! Tags of alarms.
//!
//! **Invariant:** a key stands once; an alarm has at most 50.

use serde_json::Value;

use super::fields::{at_most, invalid, missing, need, sized, text, texts};
use crate::{
    wire::{ApiError, answer::Members},
    world::{World, alarm::Alarm},
};

const MOST: usize = 50;

/// Tags of a request.
pub(super) fn read(v: &Value) -> Result<Vec<(String, String)>, ApiError> {
    let mut out: Vec<(String, String)> = Vec::new();
    for row in at_most(v, "Tags", MOST)? {
        let key = sized(need(row, "Key")?, "Tags.Key", 128)?;
        let value = need(row, "Value")?;
        if value.chars().count() > 256 {
            return Err(ApiError::validation(format!("The value of the tag {key} is longer than 256 characters.")));
        }
        if out.iter().any(|(k, _)| k == key) {
            return Err(ApiError::validation(format!("The tag key {key} is given twice.")));
        }
        out.push((key.to_owned(), value.to_owned()));
    }
    Ok(out)
}

/// The name of the alarm an ARN names.
fn named(w: &World, v: &Value) -> Result<String, ApiError> {
    let arn = text(v, "ResourceARN").ok_or_else(|| missing("ResourceARN"))?;
    if !arn.starts_with("arn:aws:cloudwatch:") || arn.split(':').nth(5) != Some("alarm") {
        return Err(invalid(format!("{arn} is not the ARN of an alarm.")));
    }
    let name = w.alarms.values().find(|a| a.arn == arn).map(|a| a.name.clone());
    name.ok_or_else(|| ApiError::new(404, "ResourceNotFoundException", format!("{arn} does not exist.")))
}

fn edit(w: &mut World, name: &str, change: impl FnOnce(&mut Alarm)) {
    if let Some(alarm) = w.alarms.get_mut(name) {
        change(alarm);
    }
}

pub(super) fn list(w: &World, v: &Value) -> Result<Members, ApiError> {
    let name = named(w, v)?;
    let tags = w.alarms.get(&name).map(|a| a.tags.as_slice()).unwrap_or_default();
    Ok(Members::new().list("Tags", tags.iter().map(|(k, t)| Members::new().set("Key", k).set("Value", t))))
}

pub(super) fn put(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let name = named(w, v)?;
    if v.get("Tags").is_none() {
        return Err(missing("Tags"));
    }
    let new = read(v)?;
    let mut tags = w.alarms.get(&name).map(|a| a.tags.clone()).unwrap_or_default();
    tags.retain(|(k, _)| !new.iter().any(|(key, _)| key == k));
    tags.extend(new);
    if tags.len() > MOST {
        return Err(invalid(format!("An alarm has at most {MOST} tags.")));
    }
    edit(w, &name, |alarm| alarm.tags = tags);
    Ok(Members::new())
}

pub(super) fn remove(w: &mut World, v: &Value) -> Result<Members, ApiError> {
    let name = named(w, v)?;
    if v.get("TagKeys").is_none() {
        return Err(missing("TagKeys"));
    }
    let keys = texts(v, "TagKeys");
    edit(w, &name, |alarm| alarm.tags.retain(|(k, _)| !keys.contains(k)));
    Ok(Members::new())
}
