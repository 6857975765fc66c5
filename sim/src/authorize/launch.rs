//! What Auto Scaling asks where a call names a launch template: that the caller could run it (aws-reference 13.2).
//!
//! **Invariant:** asked only for a template and version that exist, as the operation itself refuses the others; whatever part
//! is missing, the answer names the template and nothing else.

use super::{context, resource};
use crate::{
    policy::{Ask, Context, Decision},
    services::{Body, Request},
    wire::{ApiError, node::Node},
    world::{World, group::TemplateRef, template::Template},
};

/// The launch template specifications of a request.
pub(super) fn specifications(request: &Request) -> Vec<&Node> {
    let (Body::Form(p), "autoscaling") = (&request.body, request.service.as_str()) else {
        return Vec::new();
    };
    let at = match request.operation.as_str() {
        "CreateAutoScalingGroup" | "UpdateAutoScalingGroup" => Some(p),
        "StartInstanceRefresh" => p.at("DesiredConfiguration"),
        _ => None,
    };
    let mixed = at.and_then(|n| n.at("MixedInstancesPolicy")).and_then(|n| n.at("LaunchTemplate"));
    let overrides = mixed.into_iter().flat_map(|n| n.list("Overrides"));
    let direct = at.and_then(|n| n.at("LaunchTemplate"));
    let within = mixed.into_iter().chain(overrides).filter_map(|n| n.at("LaunchTemplateSpecification"));
    direct.into_iter().chain(within).collect()
}

/// Refuses unless the caller could run every template that the request names.
pub(super) fn check(w: &World, request: &Request, decide: impl Fn(&Ask) -> Decision) -> Result<(), ApiError> {
    for spec in specifications(request) {
        let template = match (spec.text("LaunchTemplateId"), spec.text("LaunchTemplateName")) {
            (Some(id), _) => w.templates.get(id),
            (None, Some(name)) => w.template_named(name),
            (None, None) => None,
        };
        let Some(template) = template else {
            continue;
        };
        let version = spec.text("Version").unwrap_or("$Default").to_owned();
        let reference = TemplateRef { id: template.id.clone(), name: template.name.clone(), version };
        let Some((_, version)) = w.version_of(&reference) else {
            continue;
        };
        if asks(w, request, template, &version.data).iter().any(|ask| decide(ask) != Decision::Allowed) {
            return Err(ApiError::new(403, "AccessDenied", format!("You are not authorized to use launch template: {}", template.id)));
        }
    }
    Ok(())
}

/// ec2:RunInstances on all that a launch touches, iam:PassRole on the profile's role, ec2:CreateTags where the template tags.
fn asks(w: &World, request: &Request, template: &Template, data: &Node) -> Vec<Ask> {
    let ec2 = |tail: &str| format!("arn:aws:ec2:{}:{}:{tail}", request.region, w.account);
    let arn = ec2(&format!("launch-template/{}", template.id));
    let base = launch_context(w, request, data).with("ec2:LaunchTemplate", &arn);
    let mut touched = vec![arn, ec2("instance/*"), ec2("volume/*"), ec2("network-interface/*")];
    touched.extend(data.text("ImageId").map(|id| format!("arn:aws:ec2:{}::image/{id}", request.region)));
    touched.extend(data.text("KeyName").map(|name| ec2(&format!("key-pair/{name}"))));
    touched.extend(data.texts("SecurityGroupId").iter().map(|id| ec2(&format!("security-group/{id}"))));
    touched.extend(w.subnets.iter().map(|s| ec2(&format!("subnet/{}", s.id))));
    let mut asks: Vec<Ask> = Vec::new();
    for resource in touched {
        let mut context = context::of_resource(w, base.clone(), &resource);
        context.add("ec2:IsLaunchTemplateResource", "true");
        asks.push(Ask { action: "ec2:RunInstances".into(), resource, context });
    }
    if let Some(role) = profile_role(w, data) {
        let context = base.clone().with("iam:PassedToService", "ec2.amazonaws.com");
        asks.push(Ask { action: "iam:PassRole".into(), context: context::of_resource(w, context, &role), resource: role });
    }
    for spec in data.list("TagSpecification") {
        let mut context = base.clone().with("ec2:CreateAction", "RunInstances");
        context::tags(&mut context, spec.list("Tag").into_iter());
        let resource = ec2(&format!("{}/*", spec.text("ResourceType").unwrap_or("instance")));
        asks.push(Ask { action: "ec2:CreateTags".into(), resource, context });
    }
    asks
}

fn launch_context(w: &World, request: &Request, data: &Node) -> Context {
    let mut context = context::of_caller(w, request);
    if let Some(kind) = data.text("InstanceType") {
        context.add("ec2:InstanceType", kind);
    }
    if let Some(profile) = profile(data).and_then(|name| w.iam.profiles.get(&name)) {
        context.add("ec2:InstanceProfile", &profile.arn);
    }
    context
}

/// Name of the template's instance profile.
fn profile(data: &Node) -> Option<String> {
    let by_arn = data.text("IamInstanceProfile.Arn").and_then(|arn| resource::name_in(arn, "instance-profile"));
    data.text("IamInstanceProfile.Name").map(str::to_owned).or(by_arn)
}

/// ARN of the role that instances would get.
fn profile_role(w: &World, data: &Node) -> Option<String> {
    let role = w.iam.profiles.get(&profile(data)?)?.role.as_ref()?;
    w.iam.roles.get(role).map(|r| r.arn.clone())
}
