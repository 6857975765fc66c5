//! Target groups and the health of their targets (aws-reference 6).
//!
//! **Invariant:** a target's state is what AWS says; nothing here decides what counts as healthy.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types as sdk;

use super::budget::Priority;
use super::cloud::Cloud;
use super::error::{AwsError, ErrorKind};
use crate::domain::observation::{TargetGroup, TargetState};

/// AWS takes this many ARNs in a call (aws-reference 2.5).
const ARNS_PER_CALL: usize = 20;

impl Cloud {
    /// The target groups of these ARNs. One that no longer exists is left out. No call is made for an empty list.
    ///
    /// # Errors
    /// Those of a read; each twenty ARNs take a token of the budget.
    pub async fn target_groups(&self, p: Priority, arns: &[String]) -> Result<Vec<TargetGroup>, AwsError> {
        let mut all = Vec::new();
        for chunk in arns.chunks(ARNS_PER_CALL) {
            match self.some_target_groups(p, chunk).await {
                Ok(found) => all.extend(found),
                // One missing ARN fails the whole call: ask for each.
                Err(e) if e.kind == ErrorKind::NotFound => {
                    for arn in chunk.iter().filter(|_| chunk.len() > 1) {
                        match self.some_target_groups(p, std::slice::from_ref(arn)).await {
                            Ok(found) => all.extend(found),
                            Err(e) if e.kind == ErrorKind::NotFound => {}
                            Err(e) => return Err(e),
                        }
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    async fn some_target_groups(&self, p: Priority, arns: &[String]) -> Result<Vec<TargetGroup>, AwsError> {
        let request = self.elb.describe_target_groups().set_target_group_arns(Some(arns.to_vec()));
        let out = self.read(p, "elasticloadbalancing:DescribeTargetGroups", request.send()).await?;
        Ok(out.target_groups.unwrap_or_default().into_iter().map(target_group).collect())
    }

    /// Seconds that a target drains after it was deregistered; `None` where AWS names none.
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a target group.
    pub async fn drain_seconds(&self, p: Priority, arn: &str) -> Result<Option<i32>, AwsError> {
        let request = self.elb.describe_target_group_attributes().target_group_arn(arn);
        let out = self.read(p, "elasticloadbalancing:DescribeTargetGroupAttributes", request.send()).await?;
        let all = out.attributes.unwrap_or_default();
        let delay = all.into_iter().find(|a| a.key.as_deref() == Some("deregistration_delay.timeout_seconds"));
        Ok(delay.and_then(|a| a.value).and_then(|v| v.parse().ok()))
    }

    /// The state of each target of a target group, by instance id. Where an instance is registered with several ports, the
    /// least healthy of its states.
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a target group.
    pub async fn target_states(&self, p: Priority, arn: &str) -> Result<BTreeMap<String, TargetState>, AwsError> {
        let request = self.elb.describe_target_health().target_group_arn(arn);
        let out = self.read(p, "elasticloadbalancing:DescribeTargetHealth", request.send()).await?;
        let mut states: BTreeMap<String, TargetState> = BTreeMap::new();
        for description in out.target_health_descriptions.unwrap_or_default() {
            let Some(id) = description.target.and_then(|t| t.id) else { continue };
            let state = target_state(description.target_health);
            match states.get_mut(&id) {
                Some(known) if known.state == "healthy" => *known = state,
                Some(_) => {}
                None => {
                    states.insert(id, state);
                }
            }
        }
        Ok(states)
    }
}

fn target_group(g: sdk::TargetGroup) -> TargetGroup {
    TargetGroup {
        arn: g.target_group_arn.unwrap_or_default(),
        name: g.target_group_name.unwrap_or_default(),
        protocol: g.protocol.map(|p| p.as_str().to_owned()).unwrap_or_default(),
        has_listener: g.load_balancer_arns.is_some_and(|arns| !arns.is_empty()),
    }
}

fn target_state(health: Option<sdk::TargetHealth>) -> TargetState {
    let (state, reason, description) = health.map_or((None, None, None), |h| (h.state, h.reason, h.description));
    TargetState { state: state.map(|s| s.as_str().to_owned()).unwrap_or_default(), reason: reason.map(|r| r.as_str().to_owned()), description }
}
