//! The ARNs a call names.
//!
//! **Invariant:** where a call names nothing, it asks for all of the kind, so a policy on one thing never allows a look at
//! everything.

use super::table;
use crate::{
    services::{Body, Request},
    world::{World, iam},
};

/// What an action is asked of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    /// `*`: the action has no resources of its own.
    All,
    /// `arn:aws:SERVICE:REGION:ACCOUNT:KIND` and a name out of these parameters, `*` without one. A kind without
    /// `/` or `:` is all of its kind below the path that the call names.
    Named(&'static str, &'static [&'static str]),
    /// ARNs out of these parameters.
    Arns(&'static [&'static str]),
    /// ARNs out of a member of the rows of a list.
    Within(&'static str, &'static str),
    /// What EC2 identifiers name, by their prefix.
    Ids,
    /// The load balancer or target group that is about to be made.
    NewElb,
    /// The Auto Scaling group of `AutoScalingGroupName`.
    Group,
    /// The Auto Scaling groups of the rows of `Tags`.
    TaggedGroups,
    /// The group of the instance in `InstanceId`.
    InstanceGroup,
    /// The launch template of `LaunchTemplateId` or `LaunchTemplateName`.
    Template,
    /// The role of `RoleName`, with its path.
    Role,
    /// The instance profile of `InstanceProfileName`, with its path.
    Profile,
    /// The user of `UserName`, or the caller.
    User,
    /// The bucket.
    Bucket,
    /// The object.
    Object,
    /// All objects of the bucket; each is judged by its own key later.
    Objects,
    /// The object of `x-amz-copy-source`.
    CopySource,
}

/// Prefixes of EC2 identifiers and what they stand for.
const KINDS: &[(&str, &str)] = &[
    ("i-", "instance"),
    ("lt-", "launch-template"),
    ("sgr-", "security-group-rule"),
    ("sg-", "security-group"),
    ("subnet-", "subnet"),
    ("vpc-", "vpc"),
];

/// Name behind `:KIND/`, paths left out.
pub(super) fn name_in(arn: &str, kind: &str) -> Option<String> {
    iam::path_and_name(arn, kind).map(|(_, name)| name)
}

/// The texts of a parameter, a list or not.
fn texts(request: &Request, name: &str) -> Vec<String> {
    match &request.body {
        Body::Form(p) => p.text(name).map_or_else(|| p.texts(name), |one| vec![one.to_owned()]),
        Body::Json(value) => match value.get(name) {
            Some(serde_json::Value::String(one)) => vec![one.clone()],
            Some(serde_json::Value::Array(rows)) => rows.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        },
        Body::S3(_) => Vec::new(),
    }
}

fn text(request: &Request, name: &str) -> Option<String> {
    texts(request, name).into_iter().next().filter(|t| !t.is_empty())
}

/// The ARNs of this form in a request.
pub(super) fn arns(w: &World, request: &Request, on: &On) -> Vec<String> {
    let region = if request.service == "iam" { "" } else { request.region.as_str() };
    let arn = |tail: &str| format!("arn:aws:{}:{region}:{}:{tail}", table::prefix(&request.service), w.account);
    let group = |name: &str| {
        let uuid = w.groups.get(name).filter(|_| request.region == w.region).and_then(|g| g.arn.split(':').nth(6)).unwrap_or("*");
        arn(&format!("autoScalingGroup:{uuid}:autoScalingGroupName/{name}"))
    };
    match on {
        On::All => vec!["*".into()],
        On::Named(kind, _) if !kind.ends_with(['/', ':']) => {
            vec![arn(&format!("{kind}{}", text(request, "PathPrefix").unwrap_or_else(|| "/".into())))]
        }
        On::Named(kind, parameters) => {
            let names: Vec<String> = parameters.iter().flat_map(|name| texts(request, name)).collect();
            if names.is_empty() { vec![arn(&format!("{kind}*"))] } else { names.iter().map(|name| arn(&format!("{kind}{name}"))).collect() }
        }
        On::Arns(parameters) => {
            let arns: Vec<String> = parameters.iter().flat_map(|name| texts(request, name)).collect();
            if arns.is_empty() { vec!["*".into()] } else { arns }
        }
        On::Within(list, member) => {
            let rows = match &request.body {
                Body::Form(p) => p.list(list),
                _ => Vec::new(),
            };
            let arns: Vec<String> = rows.iter().filter_map(|row| row.text(member).map(str::to_owned)).collect();
            if arns.is_empty() { vec!["*".into()] } else { arns }
        }
        On::Ids => {
            let kind = |id: &str| KINDS.iter().find(|(prefix, _)| id.starts_with(prefix)).map_or("*", |(_, kind)| kind);
            let ids = texts(request, "ResourceId");
            if ids.is_empty() { vec![arn("*/*")] } else { ids.iter().map(|id| arn(&format!("{}/{id}", kind(id)))).collect() }
        }
        On::NewElb => {
            let name = text(request, "Name").unwrap_or_else(|| "*".into());
            let kind = match (request.operation.as_str(), text(request, "Type").as_deref()) {
                ("CreateTargetGroup", _) => "targetgroup",
                (_, Some("network")) => "loadbalancer/net",
                _ => "loadbalancer/app",
            };
            vec![arn(&format!("{kind}/{name}/*"))]
        }
        On::Group => vec![group(&text(request, "AutoScalingGroupName").unwrap_or_else(|| "*".into()))],
        On::TaggedGroups => {
            let Body::Form(p) = &request.body else { return vec![group("*")] };
            let names: Vec<String> = p.list("Tags").iter().filter_map(|row| row.text("ResourceId").map(group)).collect();
            if names.is_empty() { vec![group("*")] } else { names }
        }
        On::InstanceGroup => {
            let instance = text(request, "InstanceId").and_then(|id| w.instances.get(&id)).filter(|_| request.region == w.region);
            vec![group(instance.map_or("*", |i| &i.group))]
        }
        On::Template => {
            let named = text(request, "LaunchTemplateName").and_then(|name| w.template_named(&name)).map(|t| t.id.clone());
            let id = text(request, "LaunchTemplateId").or(named).unwrap_or_else(|| "*".into());
            vec![arn(&format!("launch-template/{id}"))]
        }
        On::Role => {
            let name = text(request, "RoleName").unwrap_or_else(|| "*".into());
            let path = text(request, "Path").filter(|_| request.operation == "CreateRole").unwrap_or_else(|| "/".into());
            vec![w.iam.roles.get(&name).map_or_else(|| arn(&format!("role{path}{name}")), |r| r.arn.clone())]
        }
        On::Profile => {
            let name = text(request, "InstanceProfileName").unwrap_or_else(|| "*".into());
            vec![w.iam.profiles.get(&name).map_or_else(|| arn(&format!("instance-profile/{name}")), |p| p.arn.clone())]
        }
        On::User => {
            let own = request.principal.arn.split_once(":user/").map(|(_, name)| name.to_owned());
            vec![arn(&format!("user/{}", text(request, "UserName").or(own).unwrap_or_else(|| "*".into())))]
        }
        On::Bucket | On::Object | On::Objects | On::CopySource => in_bucket(request, on),
    }
}

fn in_bucket(request: &Request, on: &On) -> Vec<String> {
    let Body::S3(call) = &request.body else {
        return vec!["*".into()];
    };
    let bucket = call.bucket.as_deref().unwrap_or("*");
    let tail = match on {
        On::Object => format!("{bucket}/{}", call.key.as_deref().unwrap_or("*")),
        On::Objects => format!("{bucket}/*"),
        On::CopySource => call.copy_source().unwrap_or_else(|| "*/*".into()),
        _ => bucket.to_owned(),
    };
    vec![format!("arn:aws:s3:::{tail}")]
}
