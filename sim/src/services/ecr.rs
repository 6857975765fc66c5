//! Amazon ECR, API 2015-09-21 (aws-reference 8).
//!
//! **Invariant:** manifests come back byte for byte, so that sha256 of the text is the digest; only an answer by tag for
//! a client that lists other types is another text with another digest.

mod images;
mod input;
mod layers;
mod lifecycle;
mod lifecycle_text;
mod lists;
mod put;
mod repositories;
mod repository_policy;
mod resource_tags;
mod scan;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    rng,
    wire::{ApiError, page},
    world::{World, images::Repository},
};
use input::{bad, text};

/// Routes an operation; `host` is where the caller found this port.
pub(crate) fn call(w: &mut World, op: &str, v: &Value, host: &str) -> Result<Value, ApiError> {
    match op {
        "GetAuthorizationToken" => token(w, v),
        "DescribeRegistry" => Ok(json!({"registryId": w.account, "replicationConfiguration": {"rules": []}})),
        "GetRegistryScanningConfiguration" => Ok(json!({"registryId": w.account, "scanningConfiguration": {"scanType": "BASIC", "rules": []}})),
        "CreateRepository" => repositories::create(w, v),
        "DeleteRepository" => repositories::delete(w, v),
        "DescribeRepositories" => repositories::describe(w, v),
        "PutImageTagMutability" => repositories::put_mutability(w, v),
        "PutImageScanningConfiguration" => repositories::put_scanning(w, v),
        "SetRepositoryPolicy" => repository_policy::set(w, v),
        "GetRepositoryPolicy" => repository_policy::get(w, v),
        "DeleteRepositoryPolicy" => repository_policy::delete(w, v),
        "TagResource" => resource_tags::tag(w, v),
        "UntagResource" => resource_tags::untag(w, v),
        "ListTagsForResource" => resource_tags::listed(w, v),
        "DescribeImages" => lists::describe(w, v),
        "ListImages" => lists::list(w, v),
        "BatchGetImage" => images::get(w, v),
        "BatchDeleteImage" => images::delete(w, v),
        "PutImage" => put::put(w, v),
        "BatchCheckLayerAvailability" => layers::check(w, v),
        "InitiateLayerUpload" => layers::initiate(w, v),
        "UploadLayerPart" => layers::part(w, v),
        "CompleteLayerUpload" => layers::complete(w, v),
        "GetDownloadUrlForLayer" => layers::url(w, v, host),
        "StartImageScan" => scan::start(w, v),
        "DescribeImageScanFindings" => scan::findings(w, v),
        "PutLifecyclePolicy" => lifecycle::put(w, v),
        "GetLifecyclePolicy" => lifecycle::get(w, v),
        "DeleteLifecyclePolicy" => lifecycle::delete(w, v),
        "StartLifecyclePolicyPreview" => lifecycle::start_preview(w, v),
        "GetLifecyclePolicyPreview" => lifecycle::preview(w, v),
        _ => Err(ApiError::bad("UnknownOperationException", "")),
    }
}

pub(crate) use layers::{LAYER_PATH, download};

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// The words of every quota.
fn over_limit() -> ApiError {
    ApiError::bad(
        "LimitExceededException",
        "The operation did not succeed because it would have exceeded a service limit for your account. For more information, see Amazon ECR service quotas in the Amazon Elastic Container Registry User Guide.",
    )
}

fn token(w: &World, v: &Value) -> Result<Value, ApiError> {
    let registries = input::texts(v, "registryIds", 10)?.unwrap_or_else(|| vec![w.account.as_str()]);
    if let Some(odd) = registries.iter().find(|id| !input::is_account(id)) {
        return Err(bad("registryIds", format!("'{odd}' must satisfy regular expression '[0-9]{{12}}'")));
    }
    let password = rng::hex(w.seed, "ecr_token", &(w.now / 3_600_000).to_string(), 120);
    let rows: Vec<Value> = registries
        .into_iter()
        .map(|id| {
            json!({
                "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
                "expiresAt": seconds(w.now + 12 * 3_600_000),
                "proxyEndpoint": format!("https://{id}.dkr.ecr.{}.amazonaws.com", w.region),
            })
        })
        .collect();
    Ok(json!({"authorizationData": rows}))
}

fn no_repository(name: &str, registry: &str) -> ApiError {
    ApiError::bad("RepositoryNotFoundException", format!("The repository with name '{name}' does not exist in the registry with id '{registry}'"))
}

/// The registry a call names, or this account's; only this account's has repositories.
fn registry<'a>(w: &'a World, v: &'a Value) -> Result<&'a str, ApiError> {
    match text(v, "registryId")? {
        Some(id) if !input::is_account(id) => Err(bad("registryId", "must satisfy regular expression '[0-9]{12}'")),
        Some(id) => Ok(id),
        None => Ok(&w.account),
    }
}

fn repository<'a>(w: &'a World, v: &Value) -> Result<&'a Repository, ApiError> {
    let name = input::repository_name(v)?;
    let registry = registry(w, v)?;
    w.repositories.get(name).filter(|_| registry == w.account).ok_or_else(|| no_repository(name, registry))
}

fn repository_mut<'a>(w: &'a mut World, v: &Value) -> Result<&'a mut Repository, ApiError> {
    let name = repository(w, v)?.name.clone();
    let account = w.account.clone();
    w.repositories.get_mut(&name).ok_or_else(|| no_repository(&name, &account))
}

/// An answer about a repository: its name and registry, and more.
fn about(w: &World, name: &str, more: Value) -> Value {
    let mut out = json!({"registryId": w.account, "repositoryName": name});
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

/// AWS lists in no order: here in one the seed draws and time does not change.
fn unsorted(w: &World, key: &str) -> u64 {
    rng::hash(w.seed, "ecr_order", key)
}

fn paged<T>(v: &Value, rows: Vec<T>, most: i64) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match input::whole(v, "maxResults")? {
        None => 100,
        Some(n) if (1..=most).contains(&n) => n as usize,
        Some(_) => return Err(bad("maxResults", format!("Member must be between 1 and {most}"))),
    };
    page::page(rows, text(v, "nextToken")?, size).ok_or_else(|| bad("nextToken", "Invalid token"))
}

/// Pages are for listings, not for what is named.
fn not_paged(v: &Value, named: &str) -> Result<(), ApiError> {
    match ["maxResults", "nextToken"].iter().find(|name| v.get(**name).is_some_and(|value| !value.is_null())) {
        Some(name) => Err(bad(name, format!("{name} cannot be specified with {named}"))),
        None => Ok(()),
    }
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let (Some(next), Some(map)) = (next, answer.as_object_mut()) {
        map.insert("nextToken".into(), next.into());
    }
    answer
}
