//! Launching an instance for a group.
//!
//! **Invariant:** an instance records the numeric template version it was launched from, whatever the group names; a
//! launch that fails leaves a Failed activity with AWS's words and nothing else.

use std::collections::BTreeMap;

use super::{
    World,
    group::{LaunchSpec, Why},
    instance::{Ec2State, Instance, Lifecycle},
};
use crate::{clock, rng, wire::node::Node};

impl World {
    /// What a launch would use now, and the refresh it belongs to (aws-reference 5.3: scale-out during a refresh uses
    /// the desired configuration).
    pub(crate) fn launch_spec(&self, name: &str) -> Option<(LaunchSpec, Option<String>)> {
        use super::refresh::Status;
        let group = self.groups.get(name)?;
        let Some(refresh) = group.active_refresh() else {
            return Some((group.spec.clone(), None));
        };
        Some(match refresh.status {
            Status::InProgress | Status::Baking => (refresh.desired.clone().unwrap_or_else(|| group.spec.clone()), Some(refresh.id.clone())),
            Status::RollbackInProgress => (group.spec.clone(), Some(format!("{}/rollback", refresh.id))),
            _ => (group.spec.clone(), None),
        })
    }

    /// Launches one instance; `None` when AWS could not.
    pub(crate) fn launch(&mut self, name: &str, why: Why, cause: &str) -> Option<String> {
        let (spec, generation) = self.launch_spec(name)?;
        let zones = self.launch_order(self.groups.get(name)?, why);
        let resolved = match self.resolve(&spec) {
            Ok(resolved) => resolved,
            Err(message) => {
                let zone = zones.first().map(|(z, _)| z.clone()).unwrap_or_default();
                self.failed_launch(name, why, cause, &zone, &message);
                self.launch_failed(name);
                return None;
            }
        };
        let (running, limit) =
            (self.instances.values().filter(|i| matches!(i.ec2, Ec2State::Pending | Ec2State::Running)).count(), self.params.instance_limit);
        if running >= limit {
            let zone = zones.first().map(|(z, _)| z.clone()).unwrap_or_default();
            let message = format!(
                "You have requested more instances ({}) than your current instance limit of {limit} allows for the specified instance type. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit. Launching EC2 instance failed.",
                running + 1
            );
            self.failed_launch(name, why, cause, &zone, &message);
            self.launch_failed(name);
            return None;
        }
        for (zone, subnet) in &zones {
            if self.capacity.get(zone) == Some(&0) {
                let others: Vec<&str> = zones.iter().map(|(z, _)| z.as_str()).filter(|z| z != zone).collect();
                let kind = resolved.data.text("InstanceType").unwrap_or("t3.micro");
                let message = format!(
                    "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional capacity. You can currently get {kind} capacity by not specifying an Availability Zone in your request or choosing {}. Launching EC2 instance failed.",
                    others.join(", ")
                );
                self.failed_launch(name, why, cause, zone, &message);
                continue;
            }
            if let Some(left) = self.capacity.get_mut(zone) {
                *left -= 1;
            }
            if let Some(g) = self.groups.get_mut(name) {
                g.failing_since = None;
            }
            let id = self.create_instance(name, why, cause, zone, subnet, resolved, generation);
            if why == Why::Capacity {
                let activity = self.instances.get(&id).map(|i| i.activity.clone()).unwrap_or_default();
                self.name_alarms(name, &activity);
            }
            return Some(id);
        }
        self.launch_failed(name);
        None
    }

    /// Notes that a launch failed: the next try comes later, and a group that has failed for a day is suspended by AWS
    /// (aws-reference 4.6).
    pub(super) fn launch_failed(&mut self, name: &str) {
        let now = self.now;
        let again = now + self.params.launch_retry.draw(self.seed, "retry", &format!("{name}/{now}"));
        let (limit, all) = (self.params.admin_suspend_after * 1000, self.params.admin_suspends_all);
        let Some(g) = self.groups.get_mut(name) else {
            return;
        };
        g.retry_at = again;
        let since = *g.failing_since.get_or_insert(now);
        if now - since >= limit {
            let which: &[&str] = if all { &super::group::PROCESSES } else { &["Launch"] };
            for process in which {
                if !g.is_suspended(process) {
                    g.suspended.insert((*process).to_owned(), now);
                    g.suspended_by_aws.insert((*process).to_owned());
                }
            }
            g.failing_since = None;
        }
        self.wake_group(name, again);
    }

    fn failed_launch(&mut self, name: &str, why: Why, cause: &str, zone: &str, message: &str) {
        let id = self.open_activity(name, "Launching a new EC2 instance".into(), cause.to_owned(), "InProgress", zone);
        if why == Why::Capacity {
            self.name_alarms(name, &id);
        }
        self.set_activity(name, &id, "Failed", 100, Some(format!("Launching a new EC2 instance.  Status Reason: {message}")));
    }

    /// Template data behind a launch specification.
    fn resolve(&self, spec: &LaunchSpec) -> Result<Resolved, String> {
        let Some(reference) = spec.template() else {
            let LaunchSpec::Configuration(name) = spec else {
                return Err("no launch source".into());
            };
            let mut data = Node::default();
            data.put("InstanceType", "t3.micro");
            data.put("ImageId", &format!("ami-{}", rng::hex(self.seed, "ami", name, 17)));
            return Ok(Resolved { data, template: None, configuration: Some(name.clone()) });
        };
        if !self.templates.contains_key(&reference.id) {
            return Err(format!(
                "You must use a valid fully-formed launch template. The specified launch template, with template ID {}, does not exist. Launching EC2 instance failed.",
                reference.id
            ));
        }
        let (template, version) = self.version_of(reference).ok_or_else(|| {
            format!(
                "You must use a valid fully-formed launch template. Could not find the specified version {} for the launch template with ID {}. Launching EC2 instance failed.",
                reference.version, reference.id
            )
        })?;
        let mut data = version.data.clone();
        if let Some(lost) = data.security_groups().into_iter().find(|id| !self.security_groups.contains_key(id)) {
            return Err(format!("The security group '{lost}' does not exist. Launching EC2 instance failed."));
        }
        if let Some(kind) = spec.types().first() {
            data.put("InstanceType", kind);
        }
        if data.text("MetadataOptions.InstanceMetadataTags") == Some("enabled") {
            for (key, _) in instance_tags(&data) {
                let fine = |c: char| c.is_ascii_alphanumeric() || "-_+=,.@:".contains(c);
                if key.is_empty() || key.len() > 255 || !key.chars().all(fine) || matches!(key.as_str(), "." | ".." | "_index") {
                    return Err(format!(
                        "You must use a valid fully-formed launch template. '{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must not be a reserved name ('.', '..', '_index'). Launching EC2 instance failed."
                    ));
                }
            }
        }
        Ok(Resolved { data, template: Some((template.id.clone(), template.name.clone(), version.number)), configuration: None })
    }

    fn create_instance(
        &mut self,
        name: &str,
        why: Why,
        cause: &str,
        zone: &str,
        subnet: &str,
        resolved: Resolved,
        generation: Option<String>,
    ) -> String {
        let now = self.now;
        let id = format!("i-0{}", self.new_hex("instance", 16));
        let draw = |span: rng::Span, label: &str| span.draw(self.seed, label, &id);
        let running_at = now + draw(self.params.pending_to_running, "running");
        let pull_at = running_at + draw(self.params.boot, "boot") * 7 / 10;
        let ready_at = running_at + draw(self.params.running_to_in_service, "ready");
        let checks_ok_at = running_at + draw(self.params.status_checks, "checks");
        let octets = rng::hash(self.seed, "ip", &id);
        let third = self.subnets.iter().position(|s| s.id == subnet).unwrap_or(0) as u64 + 10;
        let mut tags: BTreeMap<String, String> = instance_tags(&resolved.data).into_iter().collect();
        let mut protected = false;
        if let Some(g) = self.groups.get(name) {
            protected = g.protect_new;
            tags.extend(g.tags.iter().filter(|t| t.propagate).map(|t| (t.key.clone(), t.value.clone())));
        }
        tags.insert("aws:autoscaling:groupName".into(), name.to_owned());
        if let Some((template, _, version)) = &resolved.template {
            tags.insert("aws:ec2launchtemplate:id".into(), template.clone());
            tags.insert("aws:ec2launchtemplate:version".into(), version.to_string());
        }
        let activity = self.open_activity(name, format!("Launching a new EC2 instance: {id}"), cause.to_owned(), "PreInService", zone);
        let data = resolved.data;
        let instance = Instance {
            id: id.clone(),
            group: name.to_owned(),
            az: zone.to_owned(),
            subnet: subnet.to_owned(),
            ip: format!("10.0.{third}.{}", 10 + octets % 240),
            kind: data.text("InstanceType").unwrap_or("m1.small").to_owned(),
            ami: match data.text("ImageId") {
                // An alias is looked up at launch; what it points to is drawn.
                Some(alias) if alias.starts_with("resolve:ssm:") => format!("ami-0{}", rng::hex(self.seed, "alias", alias, 16)),
                Some(ami) => ami.to_owned(),
                None => "ami-00000000000000000".to_owned(),
            },
            template: resolved.template,
            configuration: resolved.configuration,
            data,
            tags: tags.into_iter().collect(),
            ec2: Ec2State::Pending,
            launched_at: now,
            running_at,
            pull_at,
            ready_at,
            checks_ok_at,
            started_at: None,
            stopping_at: None,
            stopped_at: None,
            shutdown_at: None,
            terminated_at: None,
            state_reason: None,
            lifecycle: Lifecycle::Pending,
            in_service_at: None,
            unhealthy: false,
            unhealthy_why: None,
            protected,
            generation,
            replaces_unhealthy: why == Why::Unhealthy,
            replaced_by: None,
            refreshed_out: false,
            waits: Vec::new(),
            activity,
            app: None,
            booted: false,
            console: Vec::new(),
            sick: false,
            impaired: None,
        };
        self.instances.insert(id.clone(), instance);
        if let Some(g) = self.groups.get_mut(name) {
            g.members.push(id.clone());
        }
        self.wake_instance(&id, running_at);
        id
    }

    /// The cause of a launch, as the activity words it after its own instant (aws-reference 4.2).
    pub(crate) fn launch_cause(&self, name: &str, why: Why, from: i64, to: i64) -> String {
        match why {
            Why::Refresh => "an instance was launched in response to an instance refresh.".into(),
            Why::Unhealthy => "an instance was launched in response to an unhealthy instance needing to be replaced.".into(),
            Why::User => {
                "an instance was launched in response to a user request to terminate an instance without decrementing the desired capacity.".into()
            }
            Why::Balance => {
                let zones: Vec<String> = self.groups.get(name).map(|g| self.launch_order(g, why)).into_iter().flatten().map(|(z, _)| z).collect();
                format!(
                    "instances were launched to balance instances in zones {} with other zones resulting in more than desired number of instances in the group.",
                    zones.join(" ")
                )
            }
            Why::Capacity => {
                let first = self.groups.get(name).and_then(|g| g.cause.clone());
                let second = format!(
                    "an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {from} to {to}."
                );
                match first {
                    Some(first) => format!("{first}  At {} {second}", clock::iso_seconds(self.now)),
                    None => second,
                }
            }
        }
    }
}

/// Template data ready for a launch.
struct Resolved {
    data: Node,
    template: Option<(String, String, u64)>,
    configuration: Option<String>,
}

/// Tags a template puts on instances.
pub(crate) fn instance_tags(data: &Node) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for spec in data.list("TagSpecification") {
        if spec.text("ResourceType") == Some("instance") {
            for tag in spec.list("Tag") {
                if let Some(key) = tag.text("Key") {
                    out.push((key.to_owned(), tag.text("Value").unwrap_or_default().to_owned()));
                }
            }
        }
    }
    out
}
