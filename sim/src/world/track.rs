//! What happened to the fleet, kept so that any metric of any minute can be computed when somebody asks for it.
//!
//! **Invariant:** a row is written only where something changed; nothing here is written by the passing of time, and
//! nothing in the world reads it but the metrics. Tracks outlive the group and the instance they are about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    World,
    cache::{Node, Role},
    group::Group,
    images::Behaviour,
    instance::{Ec2State, Instance, Lifecycle},
    steps::Steps,
    target::Health,
};

/// How long CloudWatch keeps anything: 455 days (aws-reference 9).
pub(crate) const KEPT: i64 = 455 * 86_400_000;

/// Sizes of a group, and what it publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) desired: i64,
    pub(crate) in_service: i64,
    pub(crate) pending: i64,
    pub(crate) standby: i64,
    pub(crate) terminating: i64,
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) target_groups: Vec<String>,
}

/// Load offered to a group as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// Percent of one instance's CPU, summed over instances.
    pub(crate) work: f64,
    /// Requests per second.
    pub(crate) requests: f64,
    /// Share of requests a well target answers with 5xx.
    pub(crate) errors: f64,
    /// Seconds.
    pub(crate) latency: f64,
}

/// One instance, as far as metrics care.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) zone: String,
    pub(crate) kind: String,
    /// Detailed monitoring: a datapoint each minute instead of each five.
    pub(crate) detailed: bool,
    pub(crate) running: i64,
    pub(crate) ended: Option<i64>,
    /// Spans in which it was stopped.
    #[serde(default)]
    pub(crate) stopped: Vec<(i64, i64)>,
    pub(crate) listens: Option<i64>,
    pub(crate) dies: Option<i64>,
    pub(crate) behaviour: Behaviour,
    pub(crate) sick: Steps<bool>,
    pub(crate) in_service: Steps<bool>,
    /// Target group ARN to the health of its target there.
    pub(crate) seats: BTreeMap<String, Steps<Option<Health>>>,
}

impl Life {
    pub(crate) fn alive(&self, time: i64) -> bool {
        let stopped = self.stopped.iter().any(|(from, to)| (*from..*to).contains(&time));
        self.running <= time && self.ended.is_none_or(|end| time < end) && !stopped
    }

    /// Whether it was stopped all that time.
    pub(crate) fn stood_still(&self, from: i64, to: i64) -> bool {
        self.stopped.iter().any(|(low, high)| *low <= from && to <= *high)
    }

    /// Whether any of its time lies between.
    pub(crate) fn meets(&self, from: i64, to: i64) -> bool {
        self.running < to && self.ended.is_none_or(|end| end > from)
    }

    /// Whether nothing listens.
    pub(crate) fn refuses(&self, time: i64) -> bool {
        self.listens.is_none_or(|at| time < at) || self.dies.is_some_and(|at| time >= at)
    }

    /// Whether it takes requests and answers none.
    pub(crate) fn silent(&self) -> bool {
        self.behaviour == Behaviour::Hang
    }

    /// Share of requests it answers with 5xx by itself.
    pub(crate) fn failing(&self, time: i64) -> f64 {
        match self.behaviour {
            _ if self.sick.at(time) == Some(&true) => 1.0,
            Behaviour::Unhealthy => 1.0,
            Behaviour::Flaky(share) => share,
            _ => 0.0,
        }
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = i64> {
        let own = [Some(self.running), self.ended, self.listens, self.dies];
        let seats = self.seats.values().flat_map(Steps::changes);
        let stops = self.stopped.iter().flat_map(|(from, to)| [*from, *to]);
        own.into_iter().flatten().chain(stops).chain(self.sick.changes()).chain(self.in_service.changes()).chain(seats)
    }
}

/// Everything about one group's name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Track {
    /// None while there is no such group.
    pub(crate) shape: Steps<Option<Shape>>,
    pub(crate) load: Steps<Offer>,
    pub(crate) lives: BTreeMap<String, Life>,
}

/// All tracks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tracks {
    pub(crate) groups: BTreeMap<String, Track>,
    /// Target group ARN to the load balancer in front of it, as the metrics name it: `app/<name>/<hex>`.
    pub(crate) doors: BTreeMap<String, Steps<Option<String>>>,
    /// Cache cluster to whether it is a primary; none while it does not serve.
    #[serde(default)]
    pub(crate) nodes: BTreeMap<String, Steps<Option<bool>>>,
}

impl World {
    /// Writes down whatever differs from what was written last.
    pub(crate) fn observe(&mut self) {
        let names: BTreeSet<String> = self.groups.keys().chain(self.tracks.groups.keys()).cloned().collect();
        for name in names {
            self.observe_group(&name);
        }
        self.observe_caches();
        let arns: BTreeSet<String> = self.target_groups.keys().chain(self.tracks.doors.keys()).cloned().collect();
        for arn in arns {
            let door = self.target_groups.get(&arn).and_then(|t| self.door(t));
            self.tracks.doors.entry(arn.clone()).or_default().record(self.now, door);
            let ids: Vec<String> = self.target_groups.get(&arn).into_iter().flat_map(|t| t.targets.keys().cloned()).collect();
            for id in ids {
                self.observe_target(&arn, &id);
            }
        }
    }

    /// The same for the nodes of caches.
    pub(crate) fn observe_caches(&mut self) {
        let mut now: BTreeMap<String, Option<bool>> = self.tracks.nodes.keys().map(|id| (id.clone(), None)).collect();
        let state = |n: &Node| n.at(self.now).filter(|(_, serves)| *serves).map(|(role, _)| role == Role::Primary);
        now.extend(self.cache_members().into_iter().map(|m| (m.node.id.clone(), state(m.node))));
        for (id, state) in now {
            self.tracks.nodes.entry(id).or_default().record(self.now, state);
        }
    }

    /// The same for one group and its instances.
    pub(crate) fn observe_group(&mut self, name: &str) {
        let now = self.now;
        let mut track = self.tracks.groups.remove(name).unwrap_or_default();
        let group = self.groups.get(name);
        track.shape.record(now, group.map(|g| self.shape(g)));
        let open = track.lives.iter().filter(|(_, life)| life.ended.is_none()).map(|(id, _)| id.clone());
        let ids: BTreeSet<String> = group.into_iter().flat_map(|g| g.members.iter().cloned()).chain(open).collect();
        for id in ids {
            let instance = self.instances.get(&id).filter(|i| i.group == name);
            match instance.filter(|i| i.ec2 == Ec2State::Running) {
                Some(i) => {
                    let life = track.lives.entry(id.clone()).or_insert_with(|| life(i));
                    if let Some(end) = life.ended.take() {
                        life.stopped.push((end, i.running_at));
                    }
                    life.listens = i.app.as_ref().map(|a| a.listens_at);
                    life.dies = i.app.as_ref().and_then(|a| a.dies_at);
                    life.behaviour = i.app.as_ref().map(|a| a.behaviour).unwrap_or_default();
                    life.sick.record(now, i.sick);
                    life.in_service.record(now, i.lifecycle == Lifecycle::InService);
                    let attached = group.into_iter().flat_map(|g| g.target_groups.iter().cloned());
                    let arns: BTreeSet<String> = life.seats.keys().cloned().chain(attached).collect();
                    for arn in arns {
                        let seat = self.seat(&arn, &id);
                        life.seats.entry(arn).or_default().record(now, seat);
                    }
                }
                None => {
                    if let Some(life) = track.lives.get_mut(&id) {
                        let end = instance.and_then(|i| [i.stopping_at, i.shutdown_at].into_iter().flatten().min());
                        life.ended.get_or_insert(end.unwrap_or(now));
                    }
                }
            }
        }
        track.forget(now - KEPT);
        self.tracks.groups.insert(name.to_owned(), track);
    }

    /// The same for one target, also of a target group its group is not attached to.
    pub(crate) fn observe_target(&mut self, arn: &str, id: &str) {
        let Some(group) = self.instances.get(id).map(|i| i.group.clone()) else {
            return;
        };
        let seat = self.seat(arn, id);
        let life = self.tracks.groups.get_mut(&group).and_then(|t| t.lives.get_mut(id));
        if let Some(life) = life.filter(|l| l.ended.is_none()) {
            life.seats.entry(arn.to_owned()).or_default().record(self.now, seat);
        }
    }

    /// Health of an instance's target on the group's own port, while it is in use.
    fn seat(&self, arn: &str, id: &str) -> Option<Health> {
        self.target_groups.get(arn).and_then(|t| t.targets.get(id)).map(|t| t.health).filter(|h| *h != Health::Unused)
    }

    fn shape(&self, g: &Group) -> Shape {
        let members = self.members(g);
        let count = |f: &dyn Fn(Lifecycle) -> bool| members.iter().filter(|i| f(i.lifecycle)).count() as i64;
        Shape {
            min: g.min,
            max: g.max,
            desired: g.desired,
            in_service: count(&|l| l == Lifecycle::InService),
            pending: count(&Lifecycle::is_pending),
            standby: count(&|l| matches!(l, Lifecycle::Standby | Lifecycle::EnteringStandby)),
            terminating: count(&|l| l.is_leaving() && l != Lifecycle::Terminated),
            metrics: g.enabled_metrics.keys().cloned().collect(),
            target_groups: g.target_groups.clone(),
        }
    }
}

impl Track {
    fn forget(&mut self, before: i64) {
        self.shape.forget(before);
        self.load.forget(before);
        self.lives.retain(|_, life| life.ended.is_none_or(|end| end > before));
    }
}

fn life(i: &Instance) -> Life {
    Life {
        zone: i.az.clone(),
        kind: i.kind.clone(),
        detailed: i.data.text("Monitoring.Enabled") == Some("true"),
        running: i.running_at,
        ended: None,
        stopped: Vec::new(),
        listens: None,
        dies: None,
        behaviour: Behaviour::Ok,
        sick: Steps::default(),
        in_service: Steps::default(),
        seats: BTreeMap::new(),
    }
}
