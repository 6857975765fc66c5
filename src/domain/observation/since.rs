//! Since when something is as it is. AWS does not say, so each look takes it over from the look before.
//!
//! **Invariant:** a time is the time of the first look that saw the thing so, never earlier. What was so at the very first look
//! has no time: nobody saw it begin.

use serde::{Deserialize, Serialize};

use super::{GroupInstance, Millis, Observation};

/// Times of one instance, on the cloud clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Since {
    /// Its lifecycle state.
    pub lifecycle_at: Option<Millis>,
    /// Its protection from scale-in, while it is protected.
    pub protected_at: Option<Millis>,
    /// What the load balancer says of it: state and reason in every target group.
    pub target_at: Option<Millis>,
}

/// Times of one refresh, on the cloud clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefreshSince {
    /// Its status.
    pub status_at: Option<Millis>,
    /// AWS's percentage.
    pub percent_at: Option<Millis>,
    /// The percentage before that.
    pub percent_before: Option<i32>,
}

impl Observation {
    /// Takes over from the look before, of the same group, since when things are as they are.
    pub fn carry(&mut self, before: Option<&Self>) {
        let arn = self.group.as_ref().map(|g| g.arn.clone());
        let before = before.filter(|b| b.at <= self.at && b.group.is_some() && b.group.as_ref().map(|g| &g.arn) == arn.as_ref());
        let at = self.at;
        // What nobody looked at before has no beginning that is known.
        let time = |same: bool, kept: Option<Millis>| match (before, same) {
            (None, _) => None,
            (Some(_), true) => kept,
            (Some(_), false) => Some(at),
        };
        let mut since = std::collections::BTreeMap::new();
        for i in self.group.iter().flat_map(|g| &g.instances) {
            let was = before.and_then(|b| b.instance(&i.id));
            let kept = before.and_then(|b| b.since.get(&i.id)).copied().unwrap_or_default();
            let said = before.map(|b| b.said_of(&i.id));
            let now = Since {
                lifecycle_at: time(was.is_some_and(|w| w.lifecycle == i.lifecycle), kept.lifecycle_at),
                protected_at: time(was.is_some_and(|w| w.protected), kept.protected_at).filter(|_| i.protected),
                target_at: time(was.is_some() && said.as_ref() == Some(&self.said_of(&i.id)), kept.target_at),
            };
            since.insert(i.id.clone(), now);
        }
        let mut refresh_since = std::collections::BTreeMap::new();
        for r in self.refreshes.iter().filter(|r| r.active()) {
            let was = before.and_then(|b| b.refresh(&r.id));
            let kept = before.and_then(|b| b.refresh_since.get(&r.id)).copied().unwrap_or_default();
            let now = RefreshSince {
                status_at: time(was.is_some_and(|w| w.status == r.status), kept.status_at),
                percent_at: time(was.is_some_and(|w| w.percent == r.percent), kept.percent_at),
                percent_before: was.and_then(|w| if w.percent == r.percent { kept.percent_before } else { Some(w.percent.unwrap_or(0)) }),
            };
            refresh_since.insert(r.id.clone(), now);
        }
        (self.since, self.refresh_since) = (since, refresh_since);
    }

    /// An instance of the group.
    pub fn instance(&self, id: &str) -> Option<&GroupInstance> {
        self.group.as_ref()?.instances.iter().find(|i| i.id == id)
    }

    /// What every target group says of an instance.
    fn said_of(&self, id: &str) -> Vec<(String, String, Option<String>)> {
        self.health.iter().filter_map(|h| h.targets.get(id).map(|t| (h.group.arn.clone(), t.state.clone(), t.reason.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn look(at: Millis, lifecycle: &str, protected: bool) -> Observation {
        let group = serde_json::json!({
            "arn": "g", "name": "g", "min": 1, "desired": 1, "max": 1, "launch": {"by": "unknown"}, "health_check_type": "EC2", "grace_seconds": 0,
            "default_warmup_seconds": null, "zones": [], "target_group_arns": [], "suspended": [], "maintenance": null, "warm_pool": false,
            "max_instance_lifetime": null, "protects_new": false, "status": null,
            "instances": [{"id": "i-1", "zone": "a", "lifecycle": lifecycle, "health": "Healthy", "template_version": 1, "template_id": null, "protected": protected}],
        });
        let value =
            serde_json::json!({"at": at, "group": group, "health": [], "refreshes": [], "activities": [], "versions": BTreeMap::<i64, ()>::new()});
        // Also that rows of before these fields can be read.
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_time_is_the_first_look_that_saw_it_so() {
        let mut one = look(1000, "InService", false);
        one.carry(None);
        assert_eq!(one.since["i-1"], Since::default(), "nobody saw it begin");
        let mut two = look(2000, "InService", true);
        two.carry(Some(&one));
        assert_eq!((two.since["i-1"].lifecycle_at, two.since["i-1"].protected_at), (None, Some(2000)));
        let mut three = look(3000, "Terminating", true);
        three.carry(Some(&two));
        assert_eq!((three.since["i-1"].lifecycle_at, three.since["i-1"].protected_at), (Some(3000), Some(2000)));
        let mut four = look(4000, "Terminating", false);
        four.carry(Some(&three));
        assert_eq!((four.since["i-1"].lifecycle_at, four.since["i-1"].protected_at), (Some(3000), None));
    }

    #[test]
    fn another_group_of_the_same_name_begins_anew() {
        let mut one = look(1000, "InService", true);
        one.carry(None);
        let mut other = look(2000, "InService", true);
        if let Some(g) = &mut other.group {
            g.arn = "other".into();
        }
        other.carry(Some(&one));
        assert_eq!(other.since["i-1"], Since::default());
    }
}
