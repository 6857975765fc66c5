//! The token buckets of AWS's request throttling (aws-reference 2.2), per account and Region.
//!
//! Buckets are refilled by simulated time. Throttling is a pace, and every pace of a world (polls, checks, boots) is one
//! of simulated time: a client that follows the simulated clock meets the same throttling at any speed, and the same
//! calls at the same simulated times are throttled again. A floor in real time would break that. The price: where the
//! clock stands still between calls nothing is refilled, and a burst larger than a bucket is refused although a real
//! client would have been slower. So a world has buckets only when it is asked to.
//!
//! **Invariant:** a call takes from all of its buckets or from none; a bucket that is not listed is full.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::params::{Bucket, Params};

/// A token in the unit of levels: thousandths of a token per second, times milliseconds.
const TOKEN: i64 = 1_000_000;
/// Most levels kept: the fullest of long ago go first.
const MOST: usize = 4096;

/// What of a call decides its buckets.
pub(crate) struct Call<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    /// Parameters by dotted name.
    pub(crate) params: &'a BTreeMap<String, String>,
}

/// One bucket that is not full, or was not when it was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Level {
    tokens: i64,
    at: i64,
    capacity: i64,
    /// Tokens per millisecond, in the unit of levels.
    refill: i64,
}

impl Level {
    fn now(&self, now: i64) -> i64 {
        self.refill.saturating_mul((now - self.at).max(0)).saturating_add(self.tokens).min(self.capacity)
    }
}

/// The buckets of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenBuckets {
    on: bool,
    /// Thousandths by which capacities and refills are multiplied.
    scale: i64,
    /// Account, Region and bucket to its level.
    #[serde(with = "rows")]
    levels: BTreeMap<(String, String, String), Level>,
}

/// JSON has no keys of three parts: levels are written as rows.
mod rows {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Level;

    type Key = (String, String, String);

    pub(super) fn serialize<S: Serializer>(levels: &BTreeMap<Key, Level>, s: S) -> Result<S::Ok, S::Error> {
        levels.iter().collect::<Vec<_>>().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<Key, Level>, D::Error> {
        Ok(Vec::<(Key, Level)>::deserialize(d)?.into_iter().collect())
    }
}

impl Default for TokenBuckets {
    fn default() -> Self {
        Self { on: false, scale: 1000, levels: BTreeMap::new() }
    }
}

impl TokenBuckets {
    /// Switches them on or off, all full; `scale` in thousandths.
    pub(crate) fn set(&mut self, on: bool, scale: i64) {
        *self = Self { on, scale, levels: BTreeMap::new() };
    }

    /// Takes what the call costs; false when a bucket has not enough, and then nothing is taken.
    pub(crate) fn take(&mut self, params: &Params, call: &Call<'_>, now: i64) -> bool {
        if !self.on {
            return true;
        }
        let mut taken = Vec::new();
        for (name, bucket, cost) in buckets(params, call) {
            let capacity = (bucket.capacity.saturating_mul(self.scale).saturating_mul(TOKEN / 1000)).max(TOKEN);
            let refill = (bucket.refill.saturating_mul(self.scale) / 1000).max(1);
            let key = (call.account.to_owned(), call.region.to_owned(), name);
            let tokens = self.levels.get(&key).map_or(capacity, |level| level.now(now)).min(capacity);
            let left = tokens.saturating_sub(cost.saturating_mul(TOKEN));
            if left < 0 {
                return false;
            }
            taken.push((key, Level { tokens: left, at: now, capacity, refill }));
        }
        self.levels.extend(taken);
        if self.levels.len() > MOST {
            self.levels.retain(|_, level| level.now(now) < level.capacity);
        }
        while self.levels.len() > MOST {
            let oldest = self.levels.iter().min_by_key(|(_, level)| level.at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.levels.remove(&key));
        }
        true
    }

    /// As `/_sim/world` shows them.
    pub(crate) fn view(&self, now: i64) -> Value {
        let rows: Vec<Value> = self
            .levels
            .iter()
            .map(|((account, region, bucket), level)| {
                json!({
                    "account": account,
                    "region": region,
                    "bucket": bucket,
                    "tokens": level.now(now) as f64 / TOKEN as f64,
                    "capacity": level.capacity as f64 / TOKEN as f64,
                    "refill_per_second": level.refill as f64 / 1000.0,
                })
            })
            .collect();
        json!({"on": self.on, "scale": self.scale as f64 / 1000.0, "levels": rows})
    }
}

/// A bucket's name, the bucket, and what the call takes of it.
type Taken = (String, Bucket, i64);

/// The buckets of a call, by the rows of aws-reference 2.2. Services that stand in no row have none.
fn buckets(p: &Params, call: &Call<'_>) -> Vec<Taken> {
    let op = call.operation;
    let reads = ["Describe", "Get", "List", "Search"].iter().any(|prefix| op.starts_with(prefix));
    let class = |read: Bucket, change: Bucket| {
        let (name, bucket) = if reads { ("describe", read) } else { ("change", change) };
        vec![(format!("{}/{name}", call.service), bucket, 1)]
    };
    match call.service {
        "ec2" => ec2(p, call, reads),
        "elasticloadbalancing" => {
            let mut taken = vec![("elasticloadbalancing".to_owned(), Bucket::new(40, 10_000), 1)];
            taken.extend(match op {
                "RegisterTargets" | "DeregisterTargets" => vec![("elasticloadbalancing/targets".to_owned(), Bucket::new(20, 4000), 1)],
                "CreateLoadBalancer" => vec![("elasticloadbalancing/CreateLoadBalancer".to_owned(), Bucket::new(10, 200), 1)],
                _ => class(Bucket::new(40, 10_000), Bucket::new(20, 3000)),
            });
            taken
        }
        "autoscaling" => class(p.autoscaling_describe, p.autoscaling_change),
        "elasticache" => class(p.elasticache_describe, p.elasticache_change),
        "monitoring" => per_second(call, cloudwatch(call)),
        "ecr" => per_second(call, ecr(op)),
        _ => Vec::new(),
    }
}

/// A rate per second is a bucket of one second.
fn per_second(call: &Call<'_>, rate: Option<(&str, i64)>) -> Vec<Taken> {
    rate.map(|(name, rate)| (format!("{}/{name}", call.service), Bucket::new(rate, rate * 1000), 1)).into_iter().collect()
}

fn ec2(p: &Params, call: &Call<'_>, reads: bool) -> Vec<Taken> {
    let op = call.operation;
    let named = |prefix: &str| call.params.keys().any(|key| key.starts_with(prefix));
    let page = named("MaxResults") || named("NextToken");
    let large = matches!(op, "DescribeInstances" | "DescribeInstanceStatus" | "DescribeSecurityGroups" | "DescribeNetworkInterfaces");
    let ids = p.ids_are_filters && ["InstanceId.", "GroupId.", "GroupName.", "NetworkInterfaceId."].iter().any(|prefix| named(prefix));
    let mut taken = match op {
        _ if large && !page && !ids && !named("Filter.") => vec![(format!("ec2/{op}/unfiltered"), Bucket::new(50, 10_000), 1)],
        "CreateLaunchTemplateVersion" | "ModifyLaunchTemplate" | "TerminateInstances" => vec![(format!("ec2/{op}"), Bucket::new(100, 5000), 1)],
        "RunInstances" => vec![(format!("ec2/{op}"), Bucket::new(5, 2000), 1)],
        _ if reads => vec![(format!("ec2/{op}"), Bucket::new(100, 20_000), 1)],
        _ => vec![(format!("ec2/{op}"), Bucket::new(50, 5000), 1)],
    };
    if op == "RunInstances" && call.params.get("DryRun").is_none_or(|dry| dry != "true") {
        // One resource token for each instance asked for.
        let wanted = call.params.get("MaxCount").and_then(|n| n.parse().ok()).unwrap_or(1);
        taken.push(("ec2/RunInstances/resources".to_owned(), Bucket::new(1000, 2000), i64::max(wanted, 1)));
    }
    taken
}

fn cloudwatch<'a>(call: &Call<'a>) -> Option<(&'a str, i64)> {
    let insights = || call.params.iter().any(|(key, value)| key.ends_with("Expression") && value.trim_start().to_uppercase().starts_with("SELECT"));
    match call.operation {
        "GetMetricData" if insights() => Some(("GetMetricData/insights", 10)),
        "GetMetricData" => Some((call.operation, 50)),
        "GetMetricStatistics" => Some((call.operation, 400)),
        "ListMetrics" => Some((call.operation, 25)),
        "DescribeAlarms" => Some((call.operation, 9)),
        "PutMetricAlarm" | "SetAlarmState" | "DeleteAlarms" | "DescribeAlarmHistory" => Some((call.operation, 3)),
        _ => None,
    }
}

fn ecr(op: &str) -> Option<(&str, i64)> {
    let rate = match op {
        "GetAuthorizationToken" | "UploadLayerPart" => 500,
        "BatchGetImage" => 2000,
        "BatchCheckLayerAvailability" => 1000,
        "InitiateLayerUpload" | "CompleteLayerUpload" => 100,
        "PutImage" => 10,
        _ => return None,
    };
    Some((op, rate))
}
