//! Amazon EC2, API 2016-11-15: launch templates and instances (aws-reference 7).
//!
//! **Invariant:** template data comes back exactly as it was sent, under the answer's names.

mod data;
mod describe;
mod instances;
mod schema;
mod templates;

use crate::{
    services::Principal,
    wire::{ApiError, node::Node, page, xml::Fields},
    world::World,
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    if p.text("DryRun") == Some("true") {
        return Err(ApiError::new(
            412,
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    match op {
        "DescribeLaunchTemplates" => templates::describe(w, p),
        "DescribeLaunchTemplateVersions" => templates::describe_versions(w, p),
        "CreateLaunchTemplate" => templates::create(w, p, who),
        "CreateLaunchTemplateVersion" => templates::create_version(w, p, who),
        "ModifyLaunchTemplate" => templates::modify(w, p),
        "DeleteLaunchTemplateVersions" => templates::delete_versions(w, p),
        "DescribeInstances" => instances::describe(w, p),
        "DescribeInstanceStatus" => instances::status(w, p),
        "GetConsoleOutput" => instances::console(w, p),
        "DescribeImages" => describe::images(w, p),
        "DescribeSubnets" => describe::subnets(w, p),
        "DescribeAvailabilityZones" => describe::zones(w),
        "DescribeVpcs" => describe::vpcs(w),
        _ => Err(ApiError::bad(
            "InvalidAction",
            format!("The action {op} is not valid for this web service."),
        )),
    }
}

/// One page by MaxResults and NextToken; no size means everything.
fn paged<T>(p: &Node, rows: Vec<T>, max: usize) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match p.text("MaxResults") {
        None => usize::MAX,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| {
                ApiError::bad(
                    "InvalidParameterValue",
                    format!("Value ( {text} ) for parameter maxResults is invalid."),
                )
            })?
            .min(max),
    };
    page::page(rows, p.text("NextToken"), size)
        .ok_or_else(|| ApiError::bad("InvalidNextToken", "The token is not valid."))
}

/// Filters as name and values.
fn filters(p: &Node) -> Vec<(String, Vec<String>)> {
    p.list("Filter")
        .iter()
        .map(|f| {
            (
                f.text("Name").unwrap_or_default().to_owned(),
                f.texts("Value"),
            )
        })
        .collect()
}

/// Whether a value matches one of the filter's, `*` allowed as in EC2.
fn fits(values: &[String], value: &str) -> bool {
    values.iter().any(|v| match v.split_once('*') {
        None => v == value,
        Some((head, tail)) => {
            value.len() >= head.len() + tail.len()
                && value.starts_with(head)
                && value.ends_with(tail)
        }
    })
}

/// A tagSet.
fn tag_set<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Fields> {
    tags.into_iter()
        .map(|(k, v)| Fields::new().set("key", k).set("value", v))
        .collect()
}

fn invalid_filter(name: &str) -> ApiError {
    ApiError::bad(
        "InvalidParameterValue",
        format!("The filter '{name}' is invalid"),
    )
}
