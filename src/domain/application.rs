//! Applications and the names of things.

use serde::{Deserialize, Serialize};

use super::problem::FieldError;

/// A name and an ECR repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Application {
    /// Slug, unique.
    pub name: String,
    /// ECR repository name, without the registry host.
    pub repository: String,
}

/// Checks a slug: 1 to 40 of `a-z 0-9 -`, a letter or digit at both ends.
///
/// # Errors
/// Names `field` and says the rule.
pub fn slug(field: &str, value: &str) -> Result<(), FieldError> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if inner && value.len() <= 40 && edge(value.chars().next()) && edge(value.chars().last()) {
        Ok(())
    } else {
        Err(FieldError::new(field, "must be 1 to 40 lower-case letters, digits or hyphens, with a letter or digit at both ends"))
    }
}

/// Checks the name of an application: a slug that is no page of ours.
///
/// # Errors
/// Names `name` and says the rule.
pub fn application_name(value: &str) -> Result<(), FieldError> {
    slug("name", value)?;
    if value == "new" { Err(FieldError::new("name", "`new` is the address of a page here; choose another name")) } else { Ok(()) }
}

/// Checks the name of an environment: a slug that is no page of ours.
///
/// # Errors
/// Names `name` and says the rule.
pub fn environment_name(value: &str) -> Result<(), FieldError> {
    slug("name", value)?;
    if ["images", "adopt"].contains(&value) {
        return Err(FieldError::new("name", format!("`{value}` is the address of a page here; choose another name")));
    }
    Ok(())
}

/// Checks an ECR repository name (2–256, lower case, `/ . _ -` as separators).
///
/// # Errors
/// Names `field` and says the rule.
pub fn repository(field: &str, value: &str) -> Result<(), FieldError> {
    let ok = (2..=256).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c));
    if ok { Ok(()) } else { Err(FieldError::new(field, "must be an ECR repository name such as `stateless-app`, without host, tag or digest")) }
}

/// Checks free text: at most `max` characters, no control characters but line feeds and tabs.
///
/// # Errors
/// Names `field` and says the rule.
pub fn free_text(field: &str, value: &str, max: usize) -> Result<(), FieldError> {
    if value.chars().count() > max {
        return Err(FieldError::new(field, format!("may have at most {max} characters")));
    }
    let forbidden =
        |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    if value.chars().any(forbidden) {
        return Err(FieldError::new(field, "may not hold control or text-direction characters"));
    }
    Ok(())
}
