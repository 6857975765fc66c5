//! The condition keys a call brings (aws-reference 13).
//!
//! **Invariant:** a key stands in [`KEYS`] exactly if some call here can bring it; a document that uses another one is refused
//! when it is put.

use super::{launch, resource, table};
use crate::{
    clock,
    policy::{Ask, Context},
    services::{Body, Request},
    wire::node::Node,
    world::World,
};

/// Keys in lower case; one that ends in `/` is followed by the key of a tag.
const KEYS: &[&str] = &[
    "aws:currenttime",
    "aws:epochtime",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:requesttag/",
    "aws:resourceaccount",
    "aws:resourcetag/",
    "aws:securetransport",
    "aws:sourceip",
    "aws:tagkeys",
    "aws:userid",
    "aws:username",
    "autoscaling:launchtemplateversionspecified",
    "autoscaling:maxsize",
    "autoscaling:minsize",
    "autoscaling:resourcetag/",
    "cloudwatch:namespace",
    "ec2:createaction",
    "ec2:instanceprofile",
    "ec2:instancetype",
    "ec2:islaunchtemplateresource",
    "ec2:launchtemplate",
    "ec2:region",
    "ec2:resourcetag/",
    "elasticache:resourcetag/",
    "elasticloadbalancing:createaction",
    "elasticloadbalancing:resourcetag/",
    "iam:passedtoservice",
    "iam:policyarn",
    "iam:resourcetag/",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
    "sts:externalid",
    "sts:rolesessionname",
];

/// Whether some call brings this key.
pub(super) fn known(key: &str) -> bool {
    let key = key.to_lowercase();
    KEYS.iter().any(|known| *known == key || known.ends_with('/') && key.len() > known.len() && key.starts_with(known))
}

/// Who calls, when and from where.
pub(super) fn of_caller(w: &World, request: &Request) -> Context {
    let caller = &request.principal;
    let role = w.iam.role_of(&caller.arn).map(|r| r.arn.clone());
    let user = caller.arn.split_once(":user/").map(|(_, name)| name.rsplit('/').next().unwrap_or(name));
    // IAM is one for all Regions and is reached in us-east-1, whatever Region a client of another endpoint signs for.
    let region = if request.service == "iam" { "us-east-1" } else { &request.region };
    let mut context = Context::default()
        .with("aws:RequestedRegion", region)
        .with("aws:PrincipalAccount", &caller.account)
        .with("aws:PrincipalType", if user.is_some() { "User" } else { "AssumedRole" })
        .with("aws:PrincipalArn", role.as_ref().unwrap_or(&caller.arn))
        .with("aws:userid", &caller.user_id)
        .with("aws:CurrentTime", clock::iso_seconds(w.now))
        .with("aws:EpochTime", (w.now / 1000).to_string())
        // AWS's clients speak TLS from an address of their own; the wire here stands for that.
        .with("aws:SecureTransport", "true")
        .with("aws:SourceIp", "127.0.0.1");
    if let Some(name) = user {
        context.add("aws:username", name);
    }
    if request.service == "ec2" {
        context.add("ec2:Region", region);
    }
    context
}

/// The caller's keys and those of the parameters.
pub(super) fn of_request(w: &World, request: &Request) -> Context {
    let mut context = of_caller(w, request);
    let p = match &request.body {
        Body::Form(p) => p,
        Body::Json(value) => {
            if let Some(namespace) = value.get("Namespace").and_then(|v| v.as_str()).filter(|_| request.service == "monitoring") {
                context.add("cloudwatch:namespace", namespace);
            }
            return context;
        }
        Body::S3(call) => {
            for (key, parameter) in [("s3:prefix", "prefix"), ("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys")] {
                if let Some(value) = call.query(parameter) {
                    context.add(key, value);
                }
            }
            return context;
        }
    };
    let mut copy = |key: &str, path: &str| {
        if let Some(value) = p.text(path) {
            context.add(key, value);
        }
    };
    match request.service.as_str() {
        "autoscaling" => {
            copy("autoscaling:MinSize", "MinSize");
            copy("autoscaling:MaxSize", "MaxSize");
            let specs = launch::specifications(request);
            if !specs.is_empty() {
                let numbered = specs.iter().all(|spec| spec.text("Version").is_some_and(|v| !v.starts_with('$')));
                context.add("autoscaling:LaunchTemplateVersionSpecified", numbered.to_string());
            }
            tags(&mut context, p.list("Tags").into_iter());
        }
        "ec2" => {
            tags(&mut context, p.list("TagSpecification").into_iter().flat_map(|s| s.list("Tag")));
            tags(&mut context, p.list("Tag").into_iter());
        }
        "iam" => {
            copy("iam:PolicyARN", "PolicyArn");
            tags(&mut context, p.list("Tags").into_iter());
        }
        "sts" => {
            copy("sts:ExternalId", "ExternalId");
            copy("sts:RoleSessionName", "RoleSessionName");
        }
        "monitoring" => {
            copy("cloudwatch:namespace", "Namespace");
            tags(&mut context, p.list("Tags").into_iter());
        }
        "elasticache" => tags(&mut context, p.named("Tags", "Tag").into_iter()),
        _ => tags(&mut context, p.list("Tags").into_iter()),
    }
    context
}

/// Tags a request gives: `aws:RequestTag/KEY` and `aws:TagKeys`.
pub(super) fn tags<'a>(context: &mut Context, rows: impl Iterator<Item = &'a Node>) {
    for row in rows {
        if let Some(key) = row.text("Key") {
            context.add(&format!("aws:RequestTag/{key}"), row.text("Value").unwrap_or_default());
            context.add("aws:TagKeys", key);
        }
    }
}

/// Adds the tags of what an ARN names.
pub(super) fn of_resource(w: &World, mut context: Context, arn: &str) -> Context {
    context.add("aws:ResourceAccount", &w.account);
    let mut add = |service: &str, tags: Vec<(&str, &str)>| {
        for (key, value) in tags {
            context.add(&format!("aws:ResourceTag/{key}"), value);
            context.add(&format!("{service}:ResourceTag/{key}"), value);
        }
    };
    let last = |marker: &str| arn.split_once(marker).map(|(_, name)| name);
    if let Some(group) = last(":autoScalingGroupName/").and_then(|name| w.groups.get(name)) {
        add("autoscaling", group.tags.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect());
    } else if let Some(template) = last(":launch-template/").and_then(|id| w.templates.get(id)) {
        add("ec2", template.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(instance) = last(":instance/").and_then(|id| w.instances.get(id)) {
        add("ec2", instance.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(group) = last(":security-group/").and_then(|id| w.security_groups.get(id)) {
        add("ec2", group.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(tags) = last(":vpc/").or(last(":subnet/")).and_then(|id| w.network_tags.get(id)) {
        add("ec2", tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(tags) = w.elb.tags.get(arn) {
        add("elasticloadbalancing", tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(tags) = w.caches.tags.get(arn) {
        add("elasticache", tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(alarm) = w.alarms.values().find(|a| a.arn == arn) {
        add("cloudwatch", alarm.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    } else if let Some(role) = w.iam.role_at(arn) {
        add("iam", role.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect());
    }
    context
}

/// The permission to tag, where a call makes something and tags it at once.
pub(super) fn tagging(w: &World, request: &Request, base: &Context) -> Vec<Ask> {
    let Body::Form(p) = &request.body else {
        return Vec::new();
    };
    let ask =
        |action: &str, key: &str, resource: String| Ask { action: action.to_owned(), resource, context: base.clone().with(key, &request.operation) };
    match (request.service.as_str(), request.operation.as_str()) {
        ("ec2", "CreateLaunchTemplate" | "CreateSecurityGroup" | "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress") => {
            let kinds = p.list("TagSpecification").into_iter().filter_map(|s| s.text("ResourceType"));
            let arn = |kind: &str| format!("arn:aws:ec2:{}:{}:{kind}/*", request.region, w.account);
            kinds.map(|kind| ask("ec2:CreateTags", "ec2:CreateAction", arn(kind))).collect()
        }
        ("elasticloadbalancing", "CreateLoadBalancer" | "CreateTargetGroup" | "CreateListener" | "CreateRule") if !p.list("Tags").is_empty() => {
            let row = table::row(&request.service, &request.operation);
            let parents = row.into_iter().flat_map(|row| row.asks).flat_map(|(_, on)| resource::arns(w, request, on));
            let below = |arn: String| match request.operation.as_str() {
                "CreateListener" => arn.replace(":loadbalancer/", ":listener/") + "/*",
                "CreateRule" => arn.replace(":listener/", ":listener-rule/") + "/*",
                _ => arn,
            };
            parents.map(|arn| ask("elasticloadbalancing:AddTags", "elasticloadbalancing:CreateAction", below(arn))).collect()
        }
        _ => Vec::new(),
    }
}
