//! Faults put into the wire on request (design section 6).
//!
//! **Invariant:** whether a fault hits depends on its own seed and how many matching calls it has seen, so the same
//! calls meet the same faults again. What a fault does to time is done to the answer on its way: the world never waits.

pub(crate) mod words;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{rng, wire::strange};

/// Most rules at a time.
const MOST_RULES: usize = 1000;
/// Oldest state a stale answer may show, seconds.
const OLDEST: i64 = 86_400;
/// Longest delay of a slow answer, seconds: after it the connection counts as hanging.
const SLOWEST: i64 = 120;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused with the service's throttling code (aws-reference 1.3).
    Throttle,
    /// Refused with HTTP 500.
    Error,
    /// Refused as contending with another change: `ResourceContention` of Auto Scaling, `OperationAborted` of S3.
    Contention,
    /// Not done; the connection hangs until the client leaves, or 120 s.
    Timeout,
    /// Done; the connection hangs the same way.
    HangAfter,
    /// Done; the connection closes without an answer.
    LostReply,
    /// Done at once, answered after `seconds` of real time.
    Slow,
    /// Reads are answered from a state up to `seconds` old.
    Stale,
    /// Refused as not authorised (aws-reference 1.3).
    Denied,
    /// Refused because the credentials expired (aws-reference 1.3).
    Expired,
    /// Done; states in the answer have a value that is in no model (aws-reference 14, must-have 13).
    UnknownEnum,
    /// Done; half of the answer comes, with status 200.
    Garbage,
    /// Not done; a proxy's 502 page comes instead of an answer.
    Html,
}

impl FaultKind {
    /// Its name in rules and in the call log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Error => "error",
            Self::Contention => "contention",
            Self::Timeout => "timeout",
            Self::HangAfter => "hang_after",
            Self::LostReply => "lost_reply",
            Self::Slow => "slow",
            Self::Stale => "stale",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::UnknownEnum => "unknown_enum",
            Self::Garbage => "garbage",
            Self::Html => "html",
        }
    }

    /// Whether it can show at all in an answer of this operation; where it cannot, the call does not count.
    fn fits(self, service: &str, operation: &str, reads: bool) -> bool {
        match self {
            Self::Stale => reads,
            Self::UnknownEnum => strange::known(service, operation),
            Self::Contention => words::contended(service).is_some(),
            _ => true,
        }
    }
}

/// A fault rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Signing name of the service (`elbv2` is read as `elasticloadbalancing`, `cloudwatch` as `monitoring`), or `*`.
    pub service: String,
    /// Operation name, or `*`.
    pub operation: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Share of matching calls that are hit, 0 to 1.
    pub rate: f64,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
    /// How many calls may be hit; no limit when absent.
    #[serde(default)]
    pub count: Option<u64>,
    /// Age of stale answers, or delay of slow ones, seconds (`stale` and `slow` only).
    #[serde(default = "default_seconds")]
    pub seconds: i64,
}

fn default_seconds() -> i64 {
    30
}

impl Fault {
    /// Complains about the field that is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let named = |text: &str| text == "*" || (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !named(&self.service) {
            return Err("service: must be a signing name or *".into());
        }
        if !named(&self.operation) {
            return Err("operation: must be an operation's name or *".into());
        }
        if !(0.0..=1.0).contains(&self.rate) {
            return Err("rate: must be between 0 and 1".into());
        }
        let most = if self.kind == FaultKind::Slow { SLOWEST } else { OLDEST };
        if !(0..=most).contains(&self.seconds) {
            return Err(format!("seconds: must be between 0 and {most}"));
        }
        Ok(())
    }

    fn matches(&self, service: &str, operation: &str) -> bool {
        let own = match self.service.as_str() {
            "elbv2" => "elasticloadbalancing",
            "cloudwatch" => "monitoring",
            own => own,
        };
        (own == "*" || own == service) && (self.operation == "*" || self.operation == operation)
    }
}

/// A rule, how many calls it has seen, and how many it has hit.
#[derive(Debug, Clone)]
struct Rule {
    fault: Fault,
    seen: u64,
    hit: u64,
}

/// The active rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        if self.rules.len() >= MOST_RULES {
            return Err(format!("faults: there are {MOST_RULES} rules already"));
        }
        self.rules.push(Rule { fault, seen: 0, hit: 0 });
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Every rule with what became of it.
    pub(crate) fn view(&self) -> Vec<Value> {
        let row = |rule: &Rule| {
            let mut row = json!(rule.fault);
            row["seen"] = rule.seen.into();
            row["hit"] = rule.hit.into();
            row
        };
        self.rules.iter().map(row).collect()
    }

    /// Oldest age a stale rule may ask for, milliseconds.
    pub(crate) fn stale_age(&self) -> Option<i64> {
        let open = |rule: &&Rule| rule.fault.kind == FaultKind::Stale && rule.fault.count.is_none_or(|count| rule.hit < count);
        self.rules.iter().filter(open).map(|rule| rule.fault.seconds * 1000).max()
    }

    /// The first rule that hits this call: its kind and seconds.
    pub(crate) fn draw(&mut self, service: &str, operation: &str, reads: bool) -> Option<(FaultKind, i64)> {
        for Rule { fault, seen, hit } in &mut self.rules {
            let fits = fault.matches(service, operation) && fault.kind.fits(service, operation, reads);
            if !fits || fault.count.is_some_and(|count| *hit >= count) {
                continue;
            }
            *seen += 1;
            if rng::unit(fault.seed, "fault", &seen.to_string()) < fault.rate {
                *hit += 1;
                return Some((fault.kind, fault.seconds));
            }
        }
        None
    }
}
