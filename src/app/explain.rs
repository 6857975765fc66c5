//! Why something is not moving: gathers what [`domain::explain`](crate::domain::explain) asks for. AWS is not asked.

use super::App;
use super::overview::Overview;
use crate::domain::change::Lane;
use crate::domain::explain::{Explanation, Input, Other, Seen, Subject, explain};
use crate::domain::next::POLL_MS;
use crate::store::changes::Change;

/// A look counts as old after this many polls of a running change.
const STALE_POLLS: i64 = 18;

impl Overview {
    /// The change that an explanation of the environment is about: what runs in the main lane, then beside it, then what waits.
    pub fn subject(&self) -> Option<&Change> {
        let holds = |c: &&Change| c.state.holds_lane();
        self.open.iter().find(|c| holds(c) && c.lane == Lane::Main).or_else(|| self.open.iter().find(holds)).or_else(|| self.open.first())
    }
}

impl App {
    /// Why `change`, or the environment without one, is not moving; `None` when nothing is in progress and nothing is amiss.
    pub fn explain(&self, o: &Overview, change: Option<&Change>) -> Option<Explanation> {
        let others: Vec<Other> = o
            .open
            .iter()
            .filter(|c| change.is_none_or(|of| of.number != c.number))
            .map(|c| Other { number: c.number, kind: c.kind, state: c.state, lane: c.lane })
            .collect();
        let grace = o.obs().and_then(|obs| obs.group.as_ref()).map_or(0, |g| g.grace_seconds);
        explain(&Input {
            change: change.map(|c| Subject {
                number: c.number,
                kind: c.kind,
                state: c.state,
                lane: c.lane,
                plan: &c.plan,
                progress: &c.progress,
                sentence: &c.sentence,
                created_at: c.created_at,
            }),
            others: &others,
            asg: &o.env.asg,
            asg_arn: &o.env.asg_arn,
            region: &o.env.region,
            seen: o.look.as_ref().map(|l| Seen { obs: &l.observation, misses: l.misses, failure: l.failure.as_deref() }),
            boot_budget_seconds: change.map_or_else(|| o.env.policy.boot_budget(grace, None), |c| c.plan.boot_budget_seconds),
            stale_ms: self.poll(POLL_MS) * STALE_POLLS,
            now: self.clocks.cloud(),
        })
    }
}
