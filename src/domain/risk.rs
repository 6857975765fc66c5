//! What an approver should look at first. Pure: from the frozen plan and what is known now.

use super::change::{Capacity, Kind};
use super::health::Level;
use super::observation::Millis;
use super::plan::{Plan, Verdict};

/// What is known beside the plan when somebody decides.
#[derive(Clone, Debug)]
pub struct Known {
    /// Health of the environment now.
    pub level: Level,
    /// Why.
    pub sentence: String,
    /// The group's figures now.
    pub capacity: Option<Capacity>,
    /// The environments of this application that the release was good in: name, and since when (wall clock).
    pub good_in: Vec<(String, Millis)>,
    /// The environments that it was taken back from.
    pub bad_in: Vec<String>,
    /// The release is older than the one that runs.
    pub older: bool,
    /// Wall clock.
    pub now: Millis,
    /// When it was asked for (wall clock).
    pub asked_at: Millis,
    /// A rollback would have somewhere to go.
    pub way_back: bool,
}

/// One mark: unusual or as usual, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Worth a look.
    pub unusual: bool,
    /// One sentence.
    pub sentence: String,
}

const HOUR_MS: Millis = 3_600_000;

/// The marks of a plan, unusual ones first.
pub fn marks(plan: &Plan, known: &Known) -> Vec<Mark> {
    let mut out = Vec::new();
    let mut mark = |unusual: bool, sentence: String| out.push(Mark { unusual, sentence });
    match known.level {
        Level::Ok => mark(false, "The environment is healthy now.".into()),
        _ => mark(true, format!("The environment is not healthy now: {}", known.sentence)),
    }
    if plan.bound.kind == Kind::Deploy {
        for place in &known.bad_in {
            mark(true, format!("This release did not stay in {place}."));
        }
        match known.good_in.as_slice() {
            [] if !known.bad_in.is_empty() => {}
            [] => mark(true, "This release has not run anywhere else yet.".into()),
            places => {
                for (place, since) in places {
                    let hours = (known.now - since) / HOUR_MS;
                    let young = hours < 1;
                    match (known.now - since) / 60_000 {
                        _ if !young => mark(false, format!("It succeeded in {place} {hours} {} ago.", if hours == 1 { "hour" } else { "hours" })),
                        0 | 1 => mark(true, format!("It succeeded in {place} a minute ago: little time to notice trouble.")),
                        minutes => mark(true, format!("It succeeded in {place} only {minutes} minutes ago: little time to notice trouble.")),
                    }
                }
            }
        }
        if known.older {
            mark(true, "It is older than the release that runs here.".into());
        }
        mark(
            !known.way_back,
            if known.way_back { "A rollback would have somewhere to go.".into() } else { "There is no earlier good release to roll back to.".into() },
        );
    }
    if let Some(p) = &plan.bound.preferences
        && p.min_healthy < 100
    {
        mark(true, format!("Only {} % of the instances stay healthy while it rolls.", p.min_healthy));
    }
    if plan.bound.preferences.as_ref().is_some_and(|p| p.bake_seconds == 0) && plan.bound.kind == Kind::Deploy {
        mark(true, "It does not watch after the last instance.".into());
    }
    for c in plan.checks.iter().filter(|c| matches!(c.verdict, Verdict::Warn | Verdict::Wait)) {
        mark(true, c.sentence.clone());
    }
    let other: Vec<&str> =
        plan.diff.iter().map(|d| d.field.as_str()).filter(|f| !["image", "template_version", "min", "desired", "max"].contains(f)).collect();
    if !other.is_empty() {
        mark(true, format!("More than the image changes: {}.", other.join(", ")));
    }
    if let Some(now) = known.capacity {
        if (now.min, now.max) != (plan.seen.min, plan.seen.max) {
            mark(
                true,
                format!(
                    "The group's limits moved since it was asked for: {} to {}, then {} to {}. An approval would not hold.",
                    plan.seen.min, plan.seen.max, now.min, now.max
                ),
            );
        }
        for (name, old, new) in [
            ("minimum", plan.seen.min, plan.bound.set_min),
            ("desired", plan.seen.desired, plan.bound.set_desired),
            ("maximum", plan.seen.max, plan.bound.set_max),
        ] {
            if let Some(new) = new.filter(|n| *n * 2 <= old && old > 1) {
                mark(true, format!("The {name} falls to half or less: {old} to {new}."));
            }
        }
    }
    let hours = (known.now - known.asked_at) / HOUR_MS;
    if hours >= 4 {
        mark(true, format!("It was asked for {hours} hours ago."));
    }
    out.sort_by_key(|m| !m.unusual);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::{Check, Difference};

    fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "bound": {"form": 1, "app": "a", "env": "e", "group_arn": "arn", "kind": "deploy", "release": 5, "digest": null, "template": null, "preferences": null,
                "policy_version": 1, "min": 2, "max": 10, "set_min": null, "set_desired": null, "set_max": null, "instance": null, "shrink": false},
            "sentence": "s", "diff": [{"field": "image", "before": "x", "after": "y"}], "steps": [], "checks": [], "old_version": 3, "old_digest": null,
            "boot_budget_seconds": 300, "desired": 4, "seen": {"min": 2, "desired": 4, "max": 10}
        }))
        .unwrap()
    }
    fn known() -> Known {
        Known {
            level: Level::Ok,
            sentence: String::new(),
            capacity: Some(Capacity { min: 2, desired: 4, max: 10 }),
            good_in: vec![("staging".into(), 0)],
            bad_in: Vec::new(),
            older: false,
            now: 26 * HOUR_MS,
            asked_at: 25 * HOUR_MS,
            way_back: true,
        }
    }
    fn unusual(plan: &Plan, known: &Known) -> Vec<String> {
        marks(plan, known).into_iter().filter(|m| m.unusual).map(|m| m.sentence).collect()
    }

    #[test]
    fn an_ordinary_deploy_has_no_unusual_mark() {
        assert_eq!(unusual(&plan(), &known()), Vec::<String>::new());
    }

    #[test]
    fn each_oddity_is_marked() {
        let k = known;
        for (word, known) in [
            ("not healthy", Known { level: Level::Bad, ..k() }),
            ("not run anywhere", Known { good_in: Vec::new(), ..k() }),
            ("only 5 minutes ago", Known { good_in: vec![("staging".into(), 26 * HOUR_MS - 300_000)], ..k() }),
            ("a minute ago", Known { good_in: vec![("staging".into(), 26 * HOUR_MS - 60_000)], ..k() }),
            ("did not stay in staging by #7", Known { bad_in: vec!["staging by #7".into()], ..k() }),
            // Where it did not stay it ran: that it ran nowhere would be untrue.
            ("did not stay in staging", Known { bad_in: vec!["staging".into()], good_in: Vec::new(), ..k() }),
            ("older than", Known { older: true, ..k() }),
            ("no earlier good", Known { way_back: false, ..k() }),
            ("limits moved", Known { capacity: Some(Capacity { min: 1, desired: 4, max: 10 }), ..k() }),
            ("hours ago", Known { asked_at: 20 * HOUR_MS, ..k() }),
        ] {
            let found = unusual(&plan(), &known);
            assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
        }
        let mut p = plan();
        p.diff.push(Difference { field: "user_data".into(), before: None, after: None });
        assert!(unusual(&p, &known())[0].contains("user_data"));
        let mut p = plan();
        p.checks.push(Check { name: "x".into(), verdict: Verdict::Warn, sentence: "Careful.".into(), field: None });
        assert_eq!(unusual(&p, &known()), ["Careful."]);
        let mut p = plan();
        p.bound.set_desired = Some(2);
        assert!(unusual(&p, &known())[0].contains("half"));
    }
}
