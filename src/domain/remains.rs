//! What a rollout leaves behind: the shape of the group before it began and after it ended, and what explains each difference.
//!
//! **Invariant:** pure. Both shapes and the causes are kept with the change when it begins and when it ends; nothing here looks at
//! how the group is now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::{Kind, Progress};
use super::evidence::{Health, health};
use super::observation::{Millis, Observation};
use super::plan::Plan;
use super::strategy::{OnHold, OnStandby};

/// Everything of a group that a rollout could leave altered, as one look showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Wall clock of the look.
    pub at: Millis,
    /// Cloud clock of the look.
    pub cloud_at: Millis,
    /// Smallest size.
    pub min: i32,
    /// Wanted size.
    pub desired: i32,
    /// Largest size.
    pub max: i32,
    /// Suspended processes.
    pub suspended: BTreeSet<String>,
    /// Instances that are protected from scale-in.
    pub protected: BTreeSet<String>,
    /// Instances in standby.
    pub standby: BTreeSet<String>,
    /// New instances are protected from scale-in.
    pub protects_new: bool,
    /// Every counted instance runs what the group launches and is healthy.
    pub sound: bool,
}

impl Shape {
    /// One of the three figures, by the name of its row.
    pub fn figure(&self, row: &str) -> Option<i32> {
        match row {
            "min" => Some(self.min),
            "desired" => Some(self.desired),
            "max" => Some(self.max),
            _ => None,
        }
    }
    /// Of a look that was made at `at` (wall clock); `None` where AWS showed no group.
    pub fn of(obs: &Observation, at: Millis) -> Option<Self> {
        let group = obs.group.as_ref()?;
        let there = || group.instances.iter().filter(|i| !i.leaving());
        let ids = |of: fn(&super::observation::GroupInstance) -> bool| there().filter(|i| of(i)).map(|i| i.id.clone()).collect();
        let counted: Vec<_> = there().filter(|i| !i.standby()).collect();
        let version = obs.launched_version();
        Some(Self {
            at,
            cloud_at: obs.at,
            min: group.min,
            desired: group.desired,
            max: group.max,
            suspended: group.suspended.iter().cloned().collect(),
            protected: ids(|i| i.protected),
            standby: ids(super::observation::GroupInstance::standby),
            protects_new: group.protects_new,
            sound: !counted.is_empty()
                && version.is_some()
                && counted.iter().all(|i| i.template_version == version && health(obs, i) == Health::Healthy),
        })
    }
}

/// The rows of "before and after", by the names under which their causes are kept.
pub const ROWS: [&str; 6] = ["min", "desired", "max", "suspended", "protected", "standby"];

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Row {
    /// One of [`ROWS`].
    pub what: &'static str,
    /// Before the start.
    pub before: String,
    /// After the end.
    pub after: String,
    /// Why the two differ, as far as it is known; for equal ones nothing, unless something was still owed.
    pub cause: Option<String>,
    /// Equal, or all of the difference has a cause.
    pub explained: bool,
}

impl Row {
    /// The same before and after, with nothing to be said about it.
    pub fn same(&self) -> bool {
        self.before == self.after && self.cause.is_none()
    }
}

/// Compares what was kept at the start of a rollout with what was kept at its end; nothing for other kinds.
pub fn rows(plan: &Plan, progress: &Progress) -> Vec<Row> {
    if !matches!(plan.bound.kind, Kind::Deploy | Kind::Rollback | Kind::Replace) {
        return Vec::new();
    }
    let (Some(before), Some(after)) = (&progress.before, &progress.after) else { return Vec::new() };
    ROWS.into_iter()
        .map(|what| {
            let (was, is) = (value(before, what), value(after, what));
            let mut causes = BTreeMap::new();
            if was != is {
                for words in progress.causes.get(what).cloned().into_iter().chain(own_cause(what, plan, progress, before, after)) {
                    because(&mut causes, what, &words);
                }
            }
            let mut cause = causes.remove(what);
            let mut explained = was == is || cause.is_some();
            if what == "suspended" {
                // Of several processes, one that has a cause excuses no other.
                let named = |p: &String| progress.owed.contains(p) || cause.as_ref().is_some_and(|c| c.contains(p.as_str()));
                explained = before.suspended.symmetric_difference(&after.suspended).all(named);
                // Also where the last look was too early to show it.
                if !progress.owed.is_empty() {
                    let whose = if progress.owed.len() == 1 { "its" } else { "their" };
                    let owed = format!("This change suspended {}, and still owed {whose} resumption when it ended.", progress.owed.join(", "));
                    cause = Some(cause.map_or_else(|| owed.clone(), |c| format!("{owed} {c}")));
                }
            }
            Row { what, before: was, after: is, cause, explained }
        })
        .collect()
}

fn value(shape: &Shape, what: &str) -> String {
    let some = |n: usize| match n {
        0 => "none".to_owned(),
        1 => "1 instance".to_owned(),
        n => format!("{n} instances"),
    };
    match what {
        "min" => shape.min.to_string(),
        "desired" => shape.desired.to_string(),
        "max" => shape.max.to_string(),
        "suspended" if shape.suspended.is_empty() => "none".into(),
        "suspended" => shape.suspended.iter().cloned().collect::<Vec<_>>().join(", "),
        "protected" => some(shape.protected.len()),
        _ => some(shape.standby.len()),
    }
}

/// What the change itself knows: autoscaling moved desired, or instances went as the strategy says.
fn own_cause(what: &str, plan: &Plan, progress: &Progress, before: &Shape, after: &Shape) -> Option<String> {
    let prefs = plan.bound.preferences.as_ref()?;
    match what {
        "desired" => progress.scaled.as_ref().map(|words| format!("Autoscaling moved it meanwhile, not this change. AWS: {words}")),
        "protected" if before.desired != after.desired && after.protects_new => {
            Some("Each new instance of this group is protected, and desired moved.".into())
        }
        "protected"
            if prefs.protected == OnHold::Refresh && !after.protects_new && before.protected.difference(&after.protected).next().is_some() =>
        {
            Some("Protected instances were replaced, as the plan says, and this group does not protect new ones.".into())
        }
        "standby" if prefs.standby == OnStandby::Terminate && before.standby.difference(&after.standby).next().is_some() => {
            Some("Instances in standby were replaced, as the plan says.".into())
        }
        _ => None,
    }
}

/// Adds a cause to those of its row.
pub fn because(causes: &mut BTreeMap<String, String>, row: &str, words: &str) {
    let all = causes.entry(row.to_owned()).or_default();
    if !all.contains(words) {
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::next::tests::a_plan;

    fn shape(desired: i32, protected: &[&str]) -> Shape {
        let protected = protected.iter().map(|i| (*i).to_owned()).collect();
        Shape { min: 1, desired, max: 9, protected, sound: true, ..Shape::default() }
    }

    fn found(before: Shape, after: Shape, scaled: Option<&str>) -> Vec<Row> {
        let mut plan = a_plan(Kind::Deploy);
        plan.bound.preferences.as_mut().unwrap().protected = OnHold::Refresh;
        let progress = Progress { before: Some(before), after: Some(after), scaled: scaled.map(str::to_owned), ..Progress::default() };
        rows(&plan, &progress).into_iter().filter(|r| !r.same()).collect()
    }

    #[test]
    fn equal_shapes_have_no_difference_and_a_missing_one_no_rows() {
        assert_eq!(found(shape(3, &["i-1"]), shape(3, &["i-2"]), Some("a policy")), [], "other instances, as many of them");
        assert_eq!(rows(&a_plan(Kind::Deploy), &Progress { before: Some(shape(3, &[])), ..Progress::default() }), []);
    }

    #[test]
    fn a_difference_is_named_with_its_cause_or_without_one() {
        let moved = found(shape(3, &[]), shape(5, &[]), None);
        assert_eq!(moved, [Row { what: "desired", before: "3".into(), after: "5".into(), cause: None, explained: false }]);
        let scaled = found(shape(3, &[]), shape(5, &[]), Some("a policy was triggered."));
        assert!(scaled[0].cause.as_ref().unwrap().contains("not this change. AWS: a policy was triggered."), "{scaled:?}");
        let replaced = found(shape(3, &["i-1", "i-2"]), shape(3, &[]), None);
        assert_eq!((replaced[0].before.as_str(), replaced[0].after.as_str()), ("2 instances", "none"));
        assert!(replaced[0].cause.as_ref().unwrap().contains("were replaced, as the plan says"), "{replaced:?}");
        let mut left = shape(3, &[]);
        left.suspended.insert("AZRebalance".into());
        assert_eq!(found(shape(3, &[]), left, None)[0].cause, None, "a leftover has no excuse");
    }

    #[test]
    fn what_is_owed_is_never_unchanged_and_one_process_excuses_no_other() {
        let mut progress =
            Progress { before: Some(shape(3, &[])), after: Some(shape(3, &[])), owed: vec!["AlarmNotification".into()], ..Progress::default() };
        let suspended = |p: &Progress| rows(&a_plan(Kind::Deploy), p).remove(3);
        let row = suspended(&progress);
        assert!(!row.same() && row.cause.unwrap().contains("still owed"), "the last look was from before the suspension");
        progress.owed.clear();
        progress.after.as_mut().unwrap().suspended = ["AZRebalance".to_owned(), "AlarmNotification".to_owned()].into();
        progress.causes.insert("suspended".into(), "Not by Fleetgate: AZRebalance was suspended.".into());
        assert!(!suspended(&progress).explained, "nobody knows who suspended AlarmNotification");
        progress.after.as_mut().unwrap().suspended.remove("AlarmNotification");
        assert!(suspended(&progress).explained);
    }

    #[test]
    fn a_cause_that_was_kept_hides_no_other_and_other_kinds_have_no_rows() {
        let mut progress =
            Progress { before: Some(shape(3, &[])), after: Some(shape(5, &[])), scaled: Some("a policy.".into()), ..Progress::default() };
        progress.causes.insert("desired".into(), "#7 set it meanwhile.".into());
        let cause = rows(&a_plan(Kind::Deploy), &progress).remove(1).cause.unwrap();
        assert!(cause.contains("#7") && cause.contains("Autoscaling moved it"), "{cause}");
        assert_eq!(rows(&a_plan(Kind::Capacity), &progress), []);
    }
}
