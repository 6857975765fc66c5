//! Ground truth as JSON for `GET /_sim/world` (design section 6).
//!
//! **Invariant:** reading changes nothing; user data bodies are not shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{World, instance::Instance};
use crate::clock::iso;

/// Scaling activities shown of each group, newest first.
const LATEST: usize = 10;

impl World {
    /// Everything a test may want to know that AWS would not tell.
    pub(crate) fn snapshot(&self, speed: Option<f64>) -> Value {
        let targets = self.targets_by_instance();
        json!({
            "now": iso(self.now),
            "speed": speed,
            "seed": self.seed,
            "account": self.account,
            "region": self.region,
            "zones": self.subnets.iter().map(|s| &s.zone).collect::<std::collections::BTreeSet<_>>(),
            "params": self.params,
            "groups": self.groups.values().map(|g| json!({
                "name": g.name,
                "arn": g.arn,
                "min": g.min,
                "desired": g.desired,
                "max": g.max,
                "template": g.spec.template(),
                "suspended": g.suspended.keys().collect::<Vec<_>>(),
                "cpu": self.cpu_now(&g.name),
                "cpu_in_cloudwatch": self.cpu_shown(&g.name),
                "instances": self.members(g).into_iter().map(|i| instance_view(i, &targets)).collect::<Vec<_>>(),
                "activities": g.activities.iter().rev().take(LATEST).map(|a| json!({
                    "id": a.id,
                    "description": a.description,
                    "status": a.status,
                    "progress": a.progress,
                    "message": a.message,
                    "start": iso(a.start),
                    "end": a.end.map(iso),
                })).collect::<Vec<_>>(),
                "refreshes": g.refreshes.iter().map(|r| json!({
                    "id": r.id,
                    "status": r.status.name(),
                    "percentage": r.percentage,
                    "to_update": r.to_update,
                    "reason": r.reason,
                    "created": iso(r.created),
                    "start": r.start.map(iso),
                    "end": r.end.map(iso),
                    "desired": r.desired.as_ref().and_then(|d| d.template()),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "instances": self.instances.values().map(|i| instance_view(i, &targets)).collect::<Vec<_>>(),
            "templates": self.templates.values().map(|t| json!({
                "id": t.id,
                "name": t.name,
                "default": t.default,
                "latest": t.latest,
                "versions": t.versions.keys().collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "target_groups": self.target_groups.values().map(|g| json!({
                "arn": g.arn,
                "name": g.name,
                "load_balancers": self.balancers_of(&g.arn).iter().map(|b| &b.name).collect::<Vec<_>>(),
                "targets": g.targets.iter().map(|(key, t)| {
                    let (state, reason, _) = self.shown(g, key);
                    json!({"id": t.id, "port": t.port, "state": state, "reason": reason})
                }).collect::<Vec<_>>(),
                "routes_to": self.routes_to(g),
            })).collect::<Vec<_>>(),
            "images": self.repositories.values().flat_map(|r| r.images.values().map(move |i| json!({
                "repository": r.name,
                "digest": i.digest,
                "media_type": i.form.media_type,
                "tags": r.tags_of(&i.digest),
                "behaviour": i.behaviour.text(),
                "boot_seconds": i.boot_seconds,
                "pushed": iso(i.pushed),
            }))).collect::<Vec<_>>(),
            "capacity": self.capacity,
            "load": self.load,
            "redis": self.caches_view(),
            "cache_events": self.cache_events_view(),
            "alarms": self.alarms.values().map(|a| json!({
                "name": a.name,
                "state": a.state.name(),
                "reason": a.reason,
                "since": iso(a.transitioned_at),
                "in_alarm": self.alarm_in_alarm(&a.name),
            })).collect::<Vec<_>>(),
            "buckets": self.buckets.keys().collect::<Vec<_>>(),
            "token_buckets": self.token_buckets.view(self.now),
        })
    }

    /// Where each instance is a target, found in one pass: a world may have a thousand target groups.
    fn targets_by_instance(&self) -> BTreeMap<&str, Vec<Value>> {
        let mut out: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for g in self.target_groups.values() {
            for id in g.targets.keys() {
                let (state, reason, _) = self.shown(g, id);
                out.entry(id).or_default().push(json!({"target_group": g.name, "state": state, "reason": reason}));
            }
        }
        out
    }
}

fn instance_view(i: &Instance, targets: &BTreeMap<&str, Vec<Value>>) -> Value {
    json!({
        "id": i.id,
        "group": i.group,
        "az": i.az,
        "ec2": i.ec2.name(),
        "lifecycle": i.lifecycle.name(),
        "health": if i.unhealthy { "Unhealthy" } else { "Healthy" },
        "protected": i.protected,
        "template_version": i.template.as_ref().map(|(_, _, n)| n),
        "generation": i.generation,
        "reference": i.app.as_ref().map(|a| &a.reference),
        "repository": i.app.as_ref().map(|a| &a.repository),
        "digest": i.app.as_ref().map(|a| &a.digest),
        "listens_at": i.app.as_ref().map(|a| iso(a.listens_at)),
        "launched_at": iso(i.launched_at),
        "in_service_at": i.in_service_at.map(iso),
        "sick": i.sick,
        "targets": targets.get(i.id.as_str()).cloned().unwrap_or_default(),
    })
}
