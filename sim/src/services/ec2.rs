//! Amazon EC2, API 2016-11-15: launch templates and instances (aws-reference 7).
//!
//! **Invariant:** template data comes back exactly as it was sent, under the answer's names; a dry run is judged as the
//! real call is.

mod data;
mod images;
mod instances;
mod network;
mod schema;
mod select;
mod template_lists;
mod templates;

use crate::{
    services::Principal,
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    if p.text("DryRun") == Some("true") {
        // The whole operation on a world that is thrown away: what would be refused is refused as without DryRun.
        let mut real = p.clone();
        real.kids.remove("DryRun");
        call(&mut w.clone(), op, &real, who)?;
        return Err(ApiError::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
    }
    match op {
        "DescribeLaunchTemplates" => template_lists::templates(w, p),
        "DescribeLaunchTemplateVersions" => template_lists::versions(w, p),
        "CreateLaunchTemplate" => templates::create(w, p, who),
        "CreateLaunchTemplateVersion" => templates::create_version(w, p, who),
        "ModifyLaunchTemplate" => templates::modify(w, p),
        "DeleteLaunchTemplateVersions" => templates::delete_versions(w, p),
        "DescribeInstances" => instances::describe(w, p),
        "DescribeInstanceStatus" => instances::status(w, p),
        "GetConsoleOutput" => instances::console(w, p),
        "DescribeImages" => images::describe(w, p),
        "DescribeSubnets" => network::subnets(w, p),
        "DescribeAvailabilityZones" => network::zones(w, p),
        "DescribeVpcs" => network::vpcs(w, p),
        _ => Err(ApiError::bad("InvalidAction", format!("The action {op} is not valid for this web service."))),
    }
}

/// A tagSet.
fn tag_set<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Fields> {
    tags.into_iter().map(|(k, v)| Fields::new().set("key", k).set("value", v)).collect()
}
