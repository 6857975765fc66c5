//! Where instances go, and which one goes first (aws-reference 4.7).
//!
//! **Invariant:** a launch goes to the zone with fewest instances, a termination takes one from the zone with most; every
//! tie is broken by data, never by a map's order or a clock.

use super::{
    World,
    group::Group,
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

    fn count_in(&self, group: &Group, zone: &str) -> usize {
        self.members(group).iter().filter(|i| i.az == zone && i.lifecycle.is_active()).count()
    }

    /// Zones in the order in which a launch tries them.
    pub(crate) fn launch_order(&self, group: &Group) -> Vec<(String, String)> {
        let mut zones = self.zones(group);
        zones.sort_by_key(|(zone, _)| self.count_in(group, zone));
        zones
    }

    /// Candidates in the order in which they would be taken out: zone with most instances, then oldest configuration,
    /// then oldest launch; recomputed after each choice.
    pub(crate) fn choose_out(&self, group: &Group, candidates: &[String], count: usize) -> Vec<String> {
        let mut left: Vec<&Instance> = candidates.iter().filter_map(|id| self.instances.get(id)).collect();
        let mut zones: Vec<(String, i64)> = self
            .zones(group)
            .into_iter()
            .map(|(z, _)| {
                let n = self.count_in(group, &z) as i64;
                (z, n)
            })
            .collect();
        let newest_first = group.termination_policies.first().is_some_and(|p| p == "NewestInstance");
        let oldest_first = group.termination_policies.first().is_some_and(|p| p == "OldestInstance");
        let mut out = Vec::new();
        while out.len() < count && !left.is_empty() {
            let in_zone = |az: &str| zones.iter().find(|(z, _)| z == az).map_or(0, |(_, n)| *n);
            left.sort_by_key(|i| {
                let version = if newest_first || oldest_first { 0 } else { i.template.as_ref().map_or(0, |(_, _, v)| *v) };
                let age = if newest_first { -i.launched_at } else { i.launched_at };
                (-in_zone(&i.az), version, age, i.id.clone())
            });
            let gone = left.remove(0);
            if let Some(zone) = zones.iter_mut().find(|(z, _)| *z == gone.az) {
                zone.1 -= 1;
            }
            out.push(gone.id.clone());
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
