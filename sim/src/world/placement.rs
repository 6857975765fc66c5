//! Where instances go, and which one goes first (aws-reference 4.7).
//!
//! **Invariant:** a launch goes to the zone with fewest instances, a termination takes one from the zone with most, over
//! any policy; the policies narrow the choice one after the other, and what they leave equal is drawn from the seed.

use super::{
    World,
    group::{Group, Why},
    instance::{Instance, Lifecycle},
    refresh::Status,
};

impl World {
    /// Members of a group, oldest first.
    pub(crate) fn members(&self, group: &Group) -> Vec<&Instance> {
        group.members.iter().filter_map(|id| self.instances.get(id)).collect()
    }

    /// Zones of the group and the subnet to use in each, in the group's order.
    pub(crate) fn zones(&self, group: &Group) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for subnet in &group.subnets {
            if let Some(s) = self.subnets.iter().find(|s| s.id == *subnet)
                && !out.iter().any(|(zone, _)| *zone == s.zone)
            {
                out.push((s.zone.clone(), s.id.clone()));
            }
        }
        out
    }

    pub(super) fn count_in(&self, group: &Group, zone: &str) -> usize {
        self.members(group).iter().filter(|i| i.az == zone && i.lifecycle.is_active()).count()
    }

    /// Zones in the order in which a launch tries them. One that evens out the zones, and every one of a group that is
    /// `balanced-only`, goes to a zone with fewest instances or nowhere.
    pub(crate) fn launch_order(&self, group: &Group, why: Why) -> Vec<(String, String)> {
        let mut zones = self.zones(group);
        zones.sort_by_key(|(zone, _)| self.count_in(group, zone));
        if why == Why::Balance || group.extras.zone_strategy.as_deref() == Some("balanced-only") {
            let fewest = zones.first().map_or(0, |(zone, _)| self.count_in(group, zone));
            zones.retain(|(zone, _)| self.count_in(group, zone) == fewest);
        }
        zones
    }

    /// Candidates in the order in which they would be taken out: zone with most instances (one the group has left before
    /// all), then the termination policies; recomputed after each choice.
    pub(crate) fn choose_out(&self, group: &Group, candidates: &[String], count: usize) -> Vec<String> {
        let mut left: Vec<(Vec<i64>, u64, &Instance)> = candidates
            .iter()
            .filter_map(|id| self.instances.get(id))
            .map(|i| (self.rank(group, i), crate::rng::hash(self.seed, "choice", &i.id), i))
            .collect();
        let mut zones: Vec<(String, i64)> = self
            .zones(group)
            .into_iter()
            .map(|(z, _)| {
                let n = self.count_in(group, &z) as i64;
                (z, n)
            })
            .collect();
        let mut out = Vec::new();
        while out.len() < count {
            let in_zone = |az: &str| zones.iter().find(|(z, _)| z == az).map_or(i64::MAX, |(_, n)| *n);
            let next =
                left.iter().enumerate().min_by_key(|(_, (rank, draw, i))| (std::cmp::Reverse(in_zone(&i.az)), rank.clone(), *draw, i.id.clone()));
            let Some(at) = next.map(|(at, _)| at) else {
                break;
            };
            let (_, _, gone) = left.remove(at);
            if let Some(zone) = zones.iter_mut().find(|(z, _)| *z == gone.az) {
                zone.1 -= 1;
            }
            out.push(gone.id.clone());
        }
        out
    }

    /// An instance's place under the group's termination policies, least first (aws-reference 4.7).
    fn rank(&self, group: &Group, i: &Instance) -> Vec<i64> {
        let current = group.spec.template().map(|t| t.id.as_str());
        // Instances of another template go first, then by version; those of a launch configuration before all.
        let template = match &i.template {
            Some((id, _, version)) => [1 + i64::from(Some(id.as_str()) == current), *version as i64],
            None => [0, 0],
        };
        let configuration = match (&i.configuration, &group.spec) {
            (Some(name), super::group::LaunchSpec::Configuration(own)) => i64::from(name == own),
            (Some(_), _) => 0,
            (None, _) => 1,
        };
        let next_hour = 3_600_000 - (self.now - i.launched_at).rem_euclid(3_600_000);
        let mut out = Vec::new();
        for policy in &group.termination_policies {
            match policy.as_str() {
                "OldestInstance" => out.push(i.launched_at),
                "NewestInstance" => out.push(-i.launched_at),
                "OldestLaunchTemplate" => out.extend(template),
                "OldestLaunchConfiguration" => out.push(configuration),
                "ClosestToNextInstanceHour" => out.push(next_hour),
                "AllocationStrategy" => {
                    let types = group.spec.types();
                    let place = types.iter().position(|t| *t == i.kind).unwrap_or(types.len());
                    out.push(-(place as i64));
                }
                _ => {
                    out.extend(template);
                    out.push(next_hour);
                }
            }
        }
        out
    }

    /// Which instances a scale-in takes.
    pub(crate) fn choose_scale_in(&self, name: &str, count: usize) -> Vec<String> {
        let Some(group) = self.groups.get(name) else {
            return Vec::new();
        };
        let able: Vec<&Instance> = self
            .members(group)
            .into_iter()
            .filter(|i| matches!(i.lifecycle, Lifecycle::InService | Lifecycle::Pending) && !i.protected && i.replaced_by.is_none())
            .collect();
        let ended = group.refreshes.last().filter(|r| matches!(r.status, Status::Cancelled | Status::Failed));
        let mut first = Vec::new();
        if let Some(refresh) = ended.filter(|_| self.params.surplus_sheds_new_first) {
            let new: Vec<&&Instance> = able.iter().filter(|i| i.generation.as_deref() == Some(&refresh.id)).collect();
            if new.len() < able.len() {
                let ids: Vec<String> = new.iter().map(|i| i.id.clone()).collect();
                first = self.choose_out(group, &ids, count);
            }
        }
        let rest: Vec<String> = able.iter().map(|i| i.id.clone()).filter(|id| !first.contains(id)).collect();
        let more = self.choose_out(group, &rest, count.saturating_sub(first.len()));
        first.extend(more);
        first
    }
}
