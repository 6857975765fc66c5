//! Repositories and their settings (aws-reference 8).
//!
//! **Invariant:** an answer shows what a repository is set to, never what a call asked for and did not get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    about,
    input::{self, bad, flag, list, need, object, text},
    no_repository, not_paged, over_limit, paged, registry, repository, repository_mut, resource_tags, seconds, unsorted, with_token,
};
use crate::{
    wire::ApiError,
    world::{
        World,
        images::{Mutability, Repository},
    },
};

const REPOSITORIES_LIMIT: usize = 100_000;

/// Reads the tag mutability of a request.
fn mutability(v: &Value) -> Result<Option<Mutability>, ApiError> {
    let rows = list(v, "imageTagMutabilityExclusionFilters", 5)?;
    let mut exclusions = Vec::new();
    for row in rows.unwrap_or_default() {
        if need(row, "filterType")? != "WILDCARD" {
            return Err(bad("imageTagMutabilityExclusionFilters.filterType", "Member must satisfy enum value set: [WILDCARD]"));
        }
        let pattern = need(row, "filter")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'*' | b'-');
        if !(1..=128).contains(&pattern.len()) || !pattern.bytes().all(plain) {
            return Err(bad("imageTagMutabilityExclusionFilters.filter", "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$'"));
        }
        exclusions.push(pattern.to_owned());
    }
    let Some(mode) = text(v, "imageTagMutability")? else {
        return match rows {
            Some(_) => Err(bad("imageTagMutabilityExclusionFilters", "Exclusion filters need an imageTagMutability with exclusion")),
            None => Ok(None),
        };
    };
    match (mode, rows) {
        ("MUTABLE" | "IMMUTABLE", None) | ("MUTABLE_WITH_EXCLUSION" | "IMMUTABLE_WITH_EXCLUSION", Some(_)) => {
            Ok(Some(Mutability { mode: mode.to_owned(), exclusions }))
        }
        ("MUTABLE" | "IMMUTABLE", Some(_)) => {
            Err(bad("imageTagMutabilityExclusionFilters", format!("Exclusion filters cannot be specified with {mode}")))
        }
        ("MUTABLE_WITH_EXCLUSION" | "IMMUTABLE_WITH_EXCLUSION", None) => {
            Err(bad("imageTagMutabilityExclusionFilters", format!("Exclusion filters must be specified with {mode}")))
        }
        _ => Err(bad(
            "imageTagMutability",
            "Member must satisfy enum value set: [MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]",
        )),
    }
}

fn mutability_json(m: &Mutability) -> Value {
    let mut out = json!({"imageTagMutability": m.mode});
    if !m.exclusions.is_empty() {
        let rows = m.exclusions.iter().map(|filter| json!({"filterType": "WILDCARD", "filter": filter}));
        out["imageTagMutabilityExclusionFilters"] = rows.collect();
    }
    out
}

fn described(w: &World, r: &Repository) -> Value {
    let mut out = about(w, &r.name, mutability_json(&r.mutability));
    out["repositoryArn"] = resource_tags::arn(w, &r.name).into();
    out["repositoryUri"] = format!("{}/{}", w.registry(), r.name).into();
    out["createdAt"] = seconds(r.created).into();
    out["imageScanningConfiguration"] = json!({"scanOnPush": r.scan_on_push});
    out["encryptionConfiguration"] = json!({"encryptionType": "AES256"});
    out
}

pub(super) fn create(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = input::repository_name(v)?;
    let registry = registry(w, v)?;
    if registry != w.account {
        return Err(bad("registryId", format!("a repository can not be created in the registry with id '{registry}'")));
    }
    let mutability = mutability(v)?.unwrap_or_default();
    let scan_on_push = object(v, "imageScanningConfiguration")?.map_or(Ok(None), |scan| flag(scan, "scanOnPush"))?.unwrap_or_default();
    let labels = resource_tags::read(v, &BTreeMap::new())?;
    if let Some(encryption) = object(v, "encryptionConfiguration")? {
        match (need(encryption, "encryptionType")?, text(encryption, "kmsKey")?) {
            ("AES256", None) => {}
            ("AES256", Some(_)) => return Err(bad("encryptionConfiguration.kmsKey", "A KMS key cannot be specified with AES256")),
            ("KMS" | "KMS_DSSE", _) => {
                return Err(ApiError::bad("KmsException", "The operation failed due to a KMS exception: there are no KMS keys"));
            }
            _ => return Err(bad("encryptionConfiguration.encryptionType", "Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]")),
        }
    }
    if w.repositories.contains_key(name) {
        let words = format!("The repository with name '{name}' already exists in the registry with id '{registry}'");
        return Err(ApiError::bad("RepositoryAlreadyExistsException", words));
    }
    if w.repositories.len() >= REPOSITORIES_LIMIT {
        return Err(over_limit());
    }
    let row = Repository { name: name.to_owned(), created: w.now, mutability, scan_on_push, labels, ..Repository::default() };
    let answer = json!({"repository": described(w, &row)});
    w.repositories.insert(name.to_owned(), row);
    Ok(answer)
}

pub(super) fn delete(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let force = flag(v, "force")?.unwrap_or_default();
    if !r.images.is_empty() && !force {
        let words =
            format!("The repository with name '{}' in registry with id '{}' cannot be deleted because it still contains images", r.name, w.account);
        return Err(ApiError::bad("RepositoryNotEmptyException", words));
    }
    let answer = json!({"repository": described(w, r)});
    let name = r.name.clone();
    w.repositories.remove(&name);
    Ok(answer)
}

pub(super) fn describe(w: &World, v: &Value) -> Result<Value, ApiError> {
    let registry = registry(w, v)?;
    let names = input::texts(v, "repositoryNames", 100)?;
    if names.is_some() {
        not_paged(v, "repositoryNames")?;
    }
    if let Some(odd) = names.iter().flatten().find(|name| !input::is_repository_name(name)) {
        return Err(bad("repositoryNames", format!("'{odd}' is not a repository name")));
    }
    let own = registry == w.account;
    if let Some(name) = names.iter().flatten().find(|name| !own || !w.repositories.contains_key(**name)) {
        return Err(no_repository(name, registry));
    }
    if !own {
        let words =
            format!("User is not authorized to perform: ecr:DescribeRepositories on resource: arn:aws:ecr:{}:{registry}:repository/*", w.region);
        return Err(ApiError::bad("AccessDeniedException", words));
    }
    let wanted = |r: &&Repository| names.as_ref().is_none_or(|names| names.contains(&r.name.as_str()));
    let mut rows: Vec<&Repository> = w.repositories.values().filter(wanted).collect();
    rows.sort_by_key(|r| unsorted(w, &r.name));
    let (rows, next) = paged(v, rows, 1000)?;
    let rows: Vec<Value> = rows.into_iter().map(|r| described(w, r)).collect();
    Ok(with_token(json!({"repositories": rows}), next))
}

pub(super) fn put_mutability(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let mutability = mutability(v)?.ok_or_else(|| bad("imageTagMutability", "must not be null"))?;
    let answer = about(w, &name, mutability_json(&mutability));
    repository_mut(w, v)?.mutability = mutability;
    Ok(answer)
}

pub(super) fn put_scanning(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let name = repository(w, v)?.name.clone();
    let scan = object(v, "imageScanningConfiguration")?.ok_or_else(|| bad("imageScanningConfiguration", "must not be null"))?;
    let on = flag(scan, "scanOnPush")?.unwrap_or_default();
    repository_mut(w, v)?.scan_on_push = on;
    Ok(about(w, &name, json!({"imageScanningConfiguration": {"scanOnPush": on}})))
}
