//! What one tick of an instance refresh sees of its group (aws-reference 5.2, 5.3).
//!
//! **Invariant:** looking changes nothing; every member is counted in exactly one role.

use super::{
    World,
    instance::{Instance, Lifecycle},
    refresh::{Odd, Status},
    target::{Health, Target},
};

/// When a refresh listens to the load balancer.
#[derive(Clone, Copy)]
enum Elb {
    Ignored,
    AfterGrace,
    Always,
}

/// The group as one tick of a refresh sees it.
pub(super) struct Look {
    pub(super) desired: i64,
    pub(super) active: i64,
    /// To be taken out, in the order of choice.
    pub(super) old: Vec<String>,
    /// Of those, the ones that do not serve.
    pub(super) old_unready: Vec<String>,
    /// Put in by this direction and not yet counted.
    pub(super) warming: Vec<String>,
    pub(super) updated: i64,
    pub(super) ready: i64,
    /// Protected or on standby, waited for.
    pub(super) blocked: Option<String>,
    pub(super) draining: bool,
    /// Instances outside its reach: ignored or matching.
    pub(super) outside: i64,
    pub(super) next_warm: Option<i64>,
}

impl World {
    /// Whether an instance counts as updated, and when its warmup ends.
    ///
    /// Within the grace period the load balancer's opinion is hidden (aws-reference 5.4, hazard 1); once it is over the
    /// refresh does not count what the next health check is about to mark.
    fn updated(&self, i: &Instance, warmup: i64, grace: i64, elb: Elb) -> bool {
        let since = |seconds: i64| i.in_service_at.is_some_and(|t| t + seconds * 1000 <= self.now);
        let asked = match elb {
            Elb::Ignored => true,
            Elb::AfterGrace => !since(grace) || !self.fails(i),
            Elb::Always => self.passes(i),
        };
        since(warmup) && i.lifecycle == Lifecycle::InService && !i.unhealthy && asked
    }

    /// Unhealthy in a target group.
    fn fails(&self, i: &Instance) -> bool {
        self.target_groups.values().filter_map(|g| g.targets.get(&i.id)).any(|t| t.health == Health::Unhealthy)
    }

    /// Healthy in every target group it is registered in that uses it.
    fn passes(&self, i: &Instance) -> bool {
        let used = |t: &&Target| t.health != Health::Unused;
        self.target_groups.values().filter_map(|g| g.targets.get(&i.id)).filter(used).all(|t| t.health == Health::Healthy)
    }

    pub(super) fn look(&self, name: &str) -> Option<Look> {
        let group = self.groups.get(name)?;
        let refresh = group.active_refresh()?;
        let p = &refresh.preferences;
        let forward = refresh.status != Status::RollbackInProgress;
        let generation = refresh.generation();
        let elb = match (group.health_check.contains("ELB"), self.params.refresh_asks_elb_in_grace) {
            (false, _) => Elb::Ignored,
            (true, false) => Elb::AfterGrace,
            (true, true) => Elb::Always,
        };
        let wanted = refresh.desired.as_ref().unwrap_or(&group.spec);
        let mut look = Look {
            desired: group.desired,
            active: 0,
            old: Vec::new(),
            old_unready: Vec::new(),
            warming: Vec::new(),
            updated: 0,
            ready: 0,
            blocked: None,
            draining: false,
            outside: 0,
            next_warm: None,
        };
        let mut unready = Vec::new();
        let mut ready = Vec::new();
        for i in self.members(group) {
            if i.lifecycle.is_leaving() {
                look.draining |= i.refreshed_out && !self.registrations(&i.id).is_empty();
                continue;
            }
            let standby = matches!(i.lifecycle, Lifecycle::Standby | Lifecycle::EnteringStandby);
            look.active += i64::from(i.lifecycle.is_active());
            let ours = i.generation.as_deref() == Some(generation.as_str());
            let serves = i.lifecycle == Lifecycle::InService && !i.unhealthy && (forward || self.passes(i));
            if ours {
                if self.updated(i, p.warmup, group.grace, elb) {
                    look.updated += 1;
                    look.ready += 1;
                } else {
                    look.warming.push(i.id.clone());
                    let warm = i.in_service_at.map(|t| t + p.warmup * 1000);
                    look.next_warm = [look.next_warm, warm].into_iter().flatten().min();
                }
                continue;
            }
            let odd = if standby {
                Some(p.standby)
            } else if i.protected {
                Some(p.protected)
            } else {
                None
            };
            let concerned =
                if forward { !(p.skip_matching && self.matches(i, wanted)) } else { i.generation.as_deref() == Some(refresh.id.as_str()) };
            look.ready += i64::from(serves);
            match odd {
                _ if !concerned => look.outside += i64::from(!standby),
                Some(Odd::Ignore) => look.outside += i64::from(!standby),
                Some(Odd::Wait) => look.blocked = Some(i.id.clone()),
                _ if serves => ready.push(i.id.clone()),
                _ => unready.push(i.id.clone()),
            }
        }
        look.old = self.choose_out(group, &unready, unready.len());
        look.old.extend(self.choose_out(group, &ready, ready.len()));
        look.old_unready = unready;
        Some(look)
    }

    /// SkipMatching: same template, version and instance type (aws-reference 5.1).
    fn matches(&self, i: &Instance, wanted: &super::group::LaunchSpec) -> bool {
        let types = wanted.types();
        let Some((template, version)) = wanted.template().and_then(|t| self.version_of(t)) else {
            return false;
        };
        let kind = types.is_empty() && version.data.text("InstanceType").is_none_or(|k| k == i.kind);
        i.template.as_ref().is_some_and(|(id, _, n)| *id == template.id && *n == version.number) && (kind || types.contains(&i.kind.as_str()))
    }
}
