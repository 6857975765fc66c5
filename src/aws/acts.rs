//! The acts: everything that changes something in AWS.
//!
//! **Invariant:** each is sent once, through a client with one attempt, and names every value it depends on. A template
//! version is always a number here, never `$Latest` or `$Default`.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    AlarmSpecification, DesiredConfiguration, LaunchTemplateSpecification, RefreshPreferences, RefreshStrategy, ScaleInProtectedInstances,
    StandbyInstances,
};
use aws_sdk_ec2::types::{LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData, ResourceType, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cloud::{Cloud, Done};
use super::error::{AwsError, Call, ErrorKind};
use super::template::MAX_USER_DATA_BYTES;
use crate::domain::strategy::{OnHold, OnStandby, Preferences};

/// What a new template version has different from its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVersion {
    /// The whole user data as plain text; `None` inherits it.
    pub user_data: Option<String>,
    /// All tags that instances get at launch; `None` inherits them.
    pub instance_tags: Option<BTreeMap<String, String>>,
}

impl Cloud {
    /// Makes a template version out of another and returns its number (aws-reference 7.1). It starts nothing: nothing
    /// launches from it until it is named, unless a group follows `$Latest`.
    ///
    /// `other_tag_specs`: the tags that the source gives to resources other than instances, by resource type (see
    /// [`super::other_tag_specs`]). AWS replaces all tag specifications when one is sent, so with new instance tags they are
    /// sent along; without, they are inherited and this is not used. `client_token` (up to 128 ASCII characters) makes a
    /// repetition with the same values return the same version.
    ///
    /// # Errors
    /// `Invalid` before sending when the user data is longer than 16 KiB or no tag would be left; `Conflict(IdempotencyMismatch)`; those of an act.
    pub async fn create_template_version(
        &self,
        template_id: &str,
        source_version: i64,
        change: &NewVersion,
        other_tag_specs: &BTreeMap<String, BTreeMap<String, String>>,
        description: &str,
        client_token: &str,
    ) -> Result<Done<i64>, AwsError> {
        let operation = "ec2:CreateLaunchTemplateVersion";
        let mut data = RequestLaunchTemplateData::builder();
        if let Some(text) = &change.user_data {
            if text.len() > MAX_USER_DATA_BYTES {
                let message = format!("user data of {} bytes is longer than AWS takes ({MAX_USER_DATA_BYTES})", text.len());
                return Err(AwsError::ours(ErrorKind::Invalid, operation, message));
            }
            data = data.user_data(STANDARD.encode(text));
        }
        if let Some(tags) = &change.instance_tags {
            if tags.is_empty() && other_tag_specs.values().all(BTreeMap::is_empty) {
                // Nothing would be sent, and AWS would read that as "inherit".
                return Err(AwsError::ours(ErrorKind::Invalid, operation, "the last tags of a launch template cannot be taken away"));
            }
            let instance = ("instance", tags);
            let others = other_tag_specs.iter().map(|(kind, tags)| (kind.as_str(), tags)).filter(|(kind, _)| *kind != "instance");
            for (kind, tags) in std::iter::once(instance).chain(others).filter(|(_, tags)| !tags.is_empty()) {
                data = data.tag_specifications(tag_spec(kind, tags));
            }
        }
        let request = self.ec2_once.create_launch_template_version().launch_template_id(template_id);
        let request = request.source_version(source_version.to_string()).version_description(description);
        let sending = request.client_token(client_token).launch_template_data(data.build()).send();
        let Done { value, request_id } = self.act(operation, sending).await?;
        for error in value.warning.and_then(|w| w.errors).unwrap_or_default() {
            tracing::warn!(operation, code = error.code, "AWS warns about the new template version");
        }
        match value.launch_template_version.and_then(|v| v.version_number) {
            Some(number) => Ok(Done { value: number, request_id }),
            None => Err(AwsError::unreadable(Call::Act, operation, "the number of the new version", request_id)),
        }
    }

    /// Starts a rolling instance refresh to a numbered template version and returns its id. Every preference is sent;
    /// checkpoints and alarms only when there are any, as AWS has it (aws-reference 5.1).
    ///
    /// # Errors
    /// `Conflict(RefreshInProgress)`; `Denied` also when these credentials may not launch the template; those of an act.
    pub async fn start_refresh(&self, group: &str, template_id: &str, version: i64, preferences: &Preferences) -> Result<Done<String>, AwsError> {
        let operation = "autoscaling:StartInstanceRefresh";
        let wanted = DesiredConfiguration::builder().launch_template(numbered(template_id, version)).build();
        let request = self.autoscaling_once.start_instance_refresh().auto_scaling_group_name(group);
        let request = request.strategy(RefreshStrategy::Rolling).desired_configuration(wanted).preferences(sent(preferences));
        let Done { value, request_id } = self.act(operation, request.send()).await?;
        match value.instance_refresh_id {
            Some(id) => Ok(Done { value: id, request_id }),
            None => Err(AwsError::unreadable(Call::Act, operation, "the id of the refresh", request_id)),
        }
    }

    /// Stops the active refresh where it is: what was replaced stays replaced. Also stops AWS's own rollback.
    ///
    /// # Errors
    /// `Conflict(NoActiveRefresh)`; those of an act.
    pub async fn cancel_refresh(&self, group: &str) -> Result<Done<()>, AwsError> {
        let request = self.autoscaling_once.cancel_instance_refresh().auto_scaling_group_name(group);
        let sending = request.wait_for_transitioning_instances(true).send();
        Ok(self.act("autoscaling:CancelInstanceRefresh", sending).await?.map(drop))
    }

    /// Tells AWS to undo the active refresh, back to the version that the group names.
    ///
    /// # Errors
    /// `Conflict(NoActiveRefresh)`, `Conflict(Irreversible)`; those of an act.
    pub async fn rollback_refresh(&self, group: &str) -> Result<Done<()>, AwsError> {
        let request = self.autoscaling_once.rollback_instance_refresh().auto_scaling_group_name(group);
        Ok(self.act("autoscaling:RollbackInstanceRefresh", request.send()).await?.map(drop))
    }

    /// Sets the given sizes of a group and leaves the others as they are.
    ///
    /// # Errors
    /// `Invalid` before sending when nothing is given; `Conflict(ScalingActivity)`; those of an act.
    pub async fn resize(&self, group: &str, min: Option<i32>, desired: Option<i32>, max: Option<i32>) -> Result<Done<()>, AwsError> {
        let operation = "autoscaling:UpdateAutoScalingGroup";
        if min.or(desired).or(max).is_none() {
            return Err(AwsError::ours(ErrorKind::Invalid, operation, "there is no size to set"));
        }
        let request = self.autoscaling_once.update_auto_scaling_group().auto_scaling_group_name(group);
        let request = request.set_min_size(min).set_desired_capacity(desired).set_max_size(max);
        Ok(self.act(operation, request.send()).await?.map(drop))
    }

    /// Suspends processes of a group; those that are suspended already stay so. Never an empty list: AWS reads that as all.
    ///
    /// # Errors
    /// `Invalid` before sending when no process is named; those of an act.
    pub async fn suspend(&self, group: &str, processes: &[String]) -> Result<Done<()>, AwsError> {
        let operation = "autoscaling:SuspendProcesses";
        if processes.is_empty() {
            return Err(AwsError::ours(ErrorKind::Invalid, operation, "there is no process to suspend"));
        }
        let request = self.autoscaling_once.suspend_processes().auto_scaling_group_name(group);
        Ok(self.act(operation, request.set_scaling_processes(Some(processes.to_vec())).send()).await?.map(drop))
    }

    /// Resumes processes of a group; those that run already stay so. Never an empty list: AWS reads that as all.
    ///
    /// # Errors
    /// `Invalid` before sending when no process is named; those of an act.
    pub async fn resume(&self, group: &str, processes: &[String]) -> Result<Done<()>, AwsError> {
        let operation = "autoscaling:ResumeProcesses";
        if processes.is_empty() {
            return Err(AwsError::ours(ErrorKind::Invalid, operation, "there is no process to resume"));
        }
        let request = self.autoscaling_once.resume_processes().auto_scaling_group_name(group);
        Ok(self.act(operation, request.set_scaling_processes(Some(processes.to_vec())).send()).await?.map(drop))
    }

    /// Sets the given settings of a group and leaves the others as they are.
    ///
    /// # Errors
    /// `Invalid` before sending when nothing is given; `Conflict(RefreshInProgress)` for a template; those of an act.
    pub async fn set_group(
        &self,
        group: &str,
        template: Option<(&str, i64)>,
        grace_seconds: Option<i32>,
        health_check: Option<&str>,
    ) -> Result<Done<()>, AwsError> {
        let operation = "autoscaling:UpdateAutoScalingGroup";
        if template.is_none() && grace_seconds.is_none() && health_check.is_none() {
            return Err(AwsError::ours(ErrorKind::Invalid, operation, "there is no setting to set"));
        }
        let request = self.autoscaling_once.update_auto_scaling_group().auto_scaling_group_name(group);
        let request = request.set_launch_template(template.map(|(id, version)| numbered(id, version)));
        let request = request.set_health_check_grace_period(grace_seconds).set_health_check_type(health_check.map(str::to_owned));
        Ok(self.act(operation, request.send()).await?.map(drop))
    }

    /// Makes a group launch from a numbered template version from now on; running instances stay. Never before a refresh:
    /// it would take away what AWS rolls back to (aws-reference 5.3).
    ///
    /// # Errors
    /// `Conflict(RefreshInProgress)` while a refresh with a desired configuration is active; those of an act.
    pub async fn set_group_template(&self, group: &str, template_id: &str, version: i64) -> Result<Done<()>, AwsError> {
        let request = self.autoscaling_once.update_auto_scaling_group().auto_scaling_group_name(group);
        let sending = request.launch_template(numbered(template_id, version)).send();
        Ok(self.act("autoscaling:UpdateAutoScalingGroup", sending).await?.map(drop))
    }

    /// Terminates one instance of a group. `shrink` lowers desired by one; without it a replacement is launched.
    ///
    /// # Errors
    /// `NotFound` when no group has the instance; `Conflict(ScalingActivity)`; those of an act.
    pub async fn terminate(&self, instance: &str, shrink: bool) -> Result<Done<()>, AwsError> {
        let request = self.autoscaling_once.terminate_instance_in_auto_scaling_group().instance_id(instance);
        let sending = request.should_decrement_desired_capacity(shrink).send();
        Ok(self.act("autoscaling:TerminateInstanceInAutoScalingGroup", sending).await?.map(drop))
    }
}

fn numbered(template_id: &str, version: i64) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_id(template_id).version(version.to_string()).build()
}

fn tag_spec(kind: &str, tags: &BTreeMap<String, String>) -> LaunchTemplateTagSpecificationRequest {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    LaunchTemplateTagSpecificationRequest::builder().resource_type(ResourceType::from(kind)).set_tags(Some(tags)).build()
}

fn sent(p: &Preferences) -> RefreshPreferences {
    let protected = match p.protected {
        OnHold::Refresh => ScaleInProtectedInstances::Refresh,
        OnHold::Ignore => ScaleInProtectedInstances::Ignore,
        OnHold::Wait => ScaleInProtectedInstances::Wait,
    };
    let standby = match p.standby {
        OnStandby::Terminate => StandbyInstances::Terminate,
        OnStandby::Ignore => StandbyInstances::Ignore,
        OnStandby::Wait => StandbyInstances::Wait,
    };
    let stops = !p.checkpoints.is_empty();
    let alarms = (!p.alarms.is_empty()).then(|| AlarmSpecification::builder().set_alarms(Some(p.alarms.clone())).build());
    RefreshPreferences::builder()
        .min_healthy_percentage(p.min_healthy)
        .max_healthy_percentage(p.max_healthy)
        .instance_warmup(p.warmup_seconds)
        .skip_matching(p.skip_matching)
        .auto_rollback(p.auto_rollback)
        .scale_in_protected_instances(protected)
        .standby_instances(standby)
        .bake_time(p.bake_seconds)
        .set_checkpoint_percentages(stops.then(|| p.checkpoints.clone()))
        .set_checkpoint_delay(stops.then_some(p.checkpoint_delay_seconds))
        .set_alarm_specification(alarms)
        .build()
}
