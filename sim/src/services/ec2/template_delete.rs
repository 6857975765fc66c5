//! Launch templates and versions deleted (aws-reference 7.1).
//!
//! **Invariant:** versions answer one by one, with status 200: the default one and one that is not there stay in the second
//! set. What still names a deleted one fails when it launches.

use super::{
    select::invalid,
    templates::{find, missing, no_id, one},
};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

const MOST: usize = 200;

pub(super) fn template(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let id = find(w, p)?;
    let gone = w.templates.remove(&id).ok_or_else(|| no_id(&id))?;
    Ok(Fields::new().set("launchTemplate", one(&gone)))
}

fn refused(base: Fields, number: u64, code: &str, message: String) -> Fields {
    base.set("versionNumber", number).set("responseError", Fields::new().set("code", code).set("message", message))
}

pub(super) fn versions(w: &mut World, p: &Node) -> Result<Fields, ApiError> {
    let wanted = p.texts("LaunchTemplateVersion");
    if wanted.is_empty() {
        return Err(missing("LaunchTemplateVersion"));
    }
    if wanted.len() > MOST {
        return Err(invalid("InvalidParameterValue", format!("At most {MOST} versions can be deleted in one request")));
    }
    let mut numbers = Vec::new();
    for text in &wanted {
        let number = text.parse::<u64>().map_err(|_| invalid("InvalidParameterValue", format!("Invalid launch template version: {text}")))?;
        numbers.push(number);
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let id = match find(w, p) {
        Ok(id) => id,
        // A template that is not there is told for each version, not as the call's own error.
        Err(error) if error.code.contains(".NotFound") => {
            let (id, name) = (p.text("LaunchTemplateId"), p.text("LaunchTemplateName"));
            let code = if id.is_some() { "launchTemplateIdDoesNotExist" } else { "launchTemplateNameDoesNotExist" };
            let base = || Fields::new().opt("launchTemplateId", id).opt("launchTemplateName", name);
            failed.extend(numbers.iter().map(|n| refused(base(), *n, code, error.message.clone())));
            return Ok(answer(done, failed));
        }
        Err(error) => return Err(error),
    };
    let Some(t) = w.templates.get_mut(&id) else {
        return Err(no_id(&id));
    };
    for n in numbers {
        let base = Fields::new().set("launchTemplateId", &t.id).set("launchTemplateName", &t.name);
        if n == t.default {
            failed.push(refused(base, n, "unexpectedError", format!("Cannot delete default version {n} of launch template {}", t.id)));
        } else if t.versions.remove(&n).is_some() {
            done.push(base.set("versionNumber", n));
        } else {
            let message = format!("The specified launch template version {n} does not exist");
            failed.push(refused(base, n, "launchTemplateVersionDoesNotExist", message));
        }
    }
    Ok(answer(done, failed))
}

fn answer(done: Vec<Fields>, failed: Vec<Fields>) -> Fields {
    Fields::new().items("successfullyDeletedLaunchTemplateVersionSet", done).items("unsuccessfullyDeletedLaunchTemplateVersionSet", failed)
}
