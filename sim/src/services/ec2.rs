//! Amazon EC2, API 2016-11-15: launch templates, instances, security groups and the network (aws-reference 7).
//!
//! **Invariant:** template data comes back exactly as it was sent, under the answer's names; a dry run is judged as the
//! real call is.

mod data;
mod images;
mod instances;
mod network;
mod permissions;
mod power;
mod regions;
mod schema;
mod security_groups;
mod security_rules;
mod select;
mod tags;
mod template_delete;
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
        "DeleteLaunchTemplate" => template_delete::template(w, p),
        "DeleteLaunchTemplateVersions" => template_delete::versions(w, p),
        "DescribeInstances" => instances::describe(w, p),
        "DescribeInstanceStatus" => instances::status(w, p),
        "GetConsoleOutput" => instances::console(w, p),
        "TerminateInstances" => power::terminate(w, p),
        "StopInstances" => power::stop(w, p),
        "StartInstances" => power::start(w, p),
        "RebootInstances" => power::reboot(w, p),
        "DescribeImages" => images::describe(w, p),
        "DescribeSecurityGroups" => security_groups::describe(w, p),
        "CreateSecurityGroup" => security_groups::create(w, p),
        "DeleteSecurityGroup" => security_groups::delete(w, p),
        "AuthorizeSecurityGroupIngress" => security_rules::authorize(w, p, false),
        "AuthorizeSecurityGroupEgress" => security_rules::authorize(w, p, true),
        "RevokeSecurityGroupIngress" => security_rules::revoke(w, p, false),
        "RevokeSecurityGroupEgress" => security_rules::revoke(w, p, true),
        "DescribeSecurityGroupRules" => security_rules::describe(w, p),
        "CreateTags" => tags::create(w, p),
        "DeleteTags" => tags::delete(w, p),
        "DescribeTags" => tags::describe(w, p),
        "DescribeRegions" => regions::describe(w, p),
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
