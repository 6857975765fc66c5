//! The AWS CLI command that does a step by hand: it builds trust, and it is the way out when Fleetgate is down.

use crate::domain::environment::Environment;
use crate::domain::strategy::{OnHold, OnStandby, Preferences};

fn aws(env: &Environment, rest: String) -> String {
    format!("aws {rest} --region {}", env.region)
}

/// Creating the numbered version. User data is not printed: it may hold secrets of its author.
pub(super) fn create_version(env: &Environment, template: &str, base: i64) -> String {
    aws(
        env,
        format!(
            "ec2 create-launch-template-version --launch-template-id {template} --source-version {base} --launch-template-data file://new-image.json"
        ),
    )
}

pub(super) fn start_refresh(env: &Environment, template: &str, version: &str, p: &Preferences) -> String {
    let desired = format!(r#"{{"LaunchTemplate":{{"LaunchTemplateId":"{template}","Version":"{version}"}}}}"#);
    let mut prefs = serde_json::json!({
        "MinHealthyPercentage": p.min_healthy,
        "MaxHealthyPercentage": p.max_healthy,
        "InstanceWarmup": p.warmup_seconds,
        "SkipMatching": p.skip_matching,
        "AutoRollback": p.auto_rollback,
        "ScaleInProtectedInstances": match p.protected { OnHold::Refresh => "Refresh", OnHold::Ignore => "Ignore", OnHold::Wait => "Wait" },
        "StandbyInstances": match p.standby { OnStandby::Terminate => "Terminate", OnStandby::Ignore => "Ignore", OnStandby::Wait => "Wait" },
        "BakeTime": p.bake_seconds,
    });
    if !p.checkpoints.is_empty() {
        prefs["CheckpointPercentages"] = p.checkpoints.clone().into();
        prefs["CheckpointDelay"] = p.checkpoint_delay_seconds.into();
    }
    if !p.alarms.is_empty() {
        prefs["AlarmSpecification"] = serde_json::json!({"Alarms": p.alarms});
    }
    aws(
        env,
        format!(
            "autoscaling start-instance-refresh --auto-scaling-group-name {} --desired-configuration '{desired}' --preferences '{prefs}'",
            env.asg
        ),
    )
}

pub(super) fn set_template(env: &Environment, template: &str, version: &str) -> String {
    aws(
        env,
        format!(
            "autoscaling update-auto-scaling-group --auto-scaling-group-name {} --launch-template LaunchTemplateId={template},Version={version}",
            env.asg
        ),
    )
}

pub(super) fn resize(env: &Environment, min: Option<i32>, desired: Option<i32>, max: Option<i32>) -> String {
    let flag = |name: &str, v: Option<i32>| v.map_or_else(String::new, |v| format!(" --{name} {v}"));
    aws(
        env,
        format!(
            "autoscaling update-auto-scaling-group --auto-scaling-group-name {}{}{}{}",
            env.asg,
            flag("min-size", min),
            flag("desired-capacity", desired),
            flag("max-size", max)
        ),
    )
}

pub(super) fn terminate(env: &Environment, instance: &str, shrink: bool) -> String {
    let flag = if shrink { "--should-decrement-desired-capacity" } else { "--no-should-decrement-desired-capacity" };
    aws(env, format!("autoscaling terminate-instance-in-auto-scaling-group --instance-id {instance} {flag}"))
}

pub(super) fn roll_back(env: &Environment) -> String {
    aws(env, format!("autoscaling rollback-instance-refresh --auto-scaling-group-name {}", env.asg))
}

pub(super) fn cancel(env: &Environment) -> String {
    aws(env, format!("autoscaling cancel-instance-refresh --auto-scaling-group-name {}", env.asg))
}

pub(super) fn processes(env: &Environment, verb: &str, names: &[String]) -> String {
    aws(env, format!("autoscaling {verb}-processes --auto-scaling-group-name {} --scaling-processes {}", env.asg, names.join(" ")))
}

pub(super) fn set_group(env: &Environment, template: Option<(&str, i64)>, grace: Option<i32>, health: Option<&str>) -> String {
    let template = template.map_or_else(String::new, |(id, v)| format!(" --launch-template LaunchTemplateId={id},Version={v}"));
    let grace = grace.map_or_else(String::new, |s| format!(" --health-check-grace-period {s}"));
    let health = health.map_or_else(String::new, |h| format!(" --health-check-type {h}"));
    aws(env, format!("autoscaling update-auto-scaling-group --auto-scaling-group-name {}{template}{grace}{health}", env.asg))
}
