//! Acts on AWS: intent first, then one call, then the outcome; and how each is recognised as done by looking.

use serde_json::json;

use super::{App, advance::Turn};
use crate::aws::{AwsError, Cloud, Conflict, Done, ErrorKind, NewVersion, Priority, other_tag_specs};
use crate::domain::access::Permit;
use crate::domain::change::{Kind, Progress, State, Step};
use crate::domain::environment::Environment;
use crate::domain::image;
use crate::domain::next::{POLL_MS, capacity, settings};
use crate::domain::observation::{GroupInstance, LaunchSource, Observation};
use crate::domain::problem::Problem;
use crate::store::changes::Change;
use crate::store::{NewEntry, StoreError};

/// What an act brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A template version.
    Version(i64),
    /// A refresh.
    Refresh(String),
    /// Nothing but being done.
    Accepted,
}

/// Longest back-off between two refused attempts, in cloud milliseconds.
const LONGEST_BACKOFF_MS: i64 = 60_000;

impl App {
    /// Performs one act: look, write the intent, call once, write the outcome.
    pub(super) async fn act(
        &self,
        change: Change,
        env: &Environment,
        cloud: &Cloud,
        obs: &Observation,
        mut progress: Progress,
        step: Step,
    ) -> Result<Turn, Problem> {
        // Look before: harmless to run twice, whatever a former process got to.
        if matches!(step, Step::CreateVersion) {
            match self.find_done(&change, cloud, obs, step).await {
                Ok(Some(outcome)) => return self.adopt_without_act(change, progress, step, outcome).await,
                Ok(None) => {}
                Err(e) => return self.refused(change, None, &e, step).await,
            }
        }
        let newest = obs.refreshes.first().map(|r| r.id.clone()).unwrap_or_default();
        match step {
            Step::StartRefresh => progress.refresh_before = Some(newest),
            Step::StartUndo => progress.undo_refresh_before = Some(newest),
            Step::Suspend if change.kind != Kind::Settings => progress.suspended_at = Some(obs.at),
            _ => {}
        }
        let (service, operation, detail) = describe(&change, env, &progress, step);
        let state = match step {
            // What is owed is paid on every way out, without another state.
            Step::Resume => change.state,
            Step::RollBack | Step::StartUndo if change.kind != Kind::Refresh => State::Undoing,
            Step::CancelRefresh if change.kind == Kind::Refresh => State::Running,
            Step::CancelRefresh if progress.undo.is_none() => State::Cancelling,
            Step::CancelRefresh => State::Undoing,
            _ => State::Running,
        };
        let permit = Permit::engine(&format!("aws.{operation}"), &change.scope());
        let entry = NewEntry::done().result("intended").change(change.number).after(&detail);
        let text = detail.to_string();
        let mut intended = change.clone();
        intended.progress = progress;
        let made = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = intended;
                    let act = tx.insert_act(c.number, step, service, operation, text).await?;
                    tx.begin_step(c.number, step, true).await?;
                    if step == Step::Suspend && c.kind != Kind::Settings {
                        for process in c.progress.debts.clone() {
                            tx.owe(c.env, c.number, &format!("suspended/{process}"), None, "suspended").await?;
                        }
                    }
                    c.state = state;
                    tx.set_change(&mut c).await?;
                    tx.event(&c.topic(), Some(c.number), Some(&format!("Sending {operation} (attempt {}).", act.1))).await?;
                    Ok((c, act.0))
                })
            })
            .await;
        let (change, act) = match made {
            Ok(v) => v,
            // Somebody cancelled, or took it over: nothing was sent.
            Err(StoreError::Moved) => return Ok(Turn::Again),
            Err(e) => return Err(e.into()),
        };
        match self.call(&change, env, cloud, obs, step).await {
            Ok(done) => {
                let words = match &done.value {
                    Outcome::Version(n) => format!("Version {n}."),
                    Outcome::Refresh(id) => format!("Refresh {id}."),
                    Outcome::Accepted => "Accepted.".into(),
                };
                self.outcome(change, act, step, "done", words, done.request_id, Some(done.value)).await
            }
            Err(e) => self.refused(change, Some(act), &e, step).await,
        }
    }

    /// The one AWS call of a step.
    async fn call(&self, change: &Change, env: &Environment, cloud: &Cloud, obs: &Observation, step: Step) -> Result<Done<Outcome>, AwsError> {
        let p = &change.progress;
        let b = &change.plan.bound;
        let accepted = |d: Done<()>| Done { value: Outcome::Accepted, request_id: d.request_id };
        let refresh = |d: Done<String>| Done { value: Outcome::Refresh(d.value), request_id: d.request_id };
        let template = b.template.as_ref();
        let id = template.map(|t| t.id.as_str()).unwrap_or_default();
        match step {
            Step::CreateVersion => {
                let base = template.map_or(0, |t| t.base);
                let invalid = |message: String| AwsError {
                    kind: ErrorKind::Invalid,
                    operation: "ec2:CreateLaunchTemplateVersion",
                    code: None,
                    message,
                    request_id: None,
                };
                let source = match obs.versions.get(&base) {
                    Some(v) => v.clone(),
                    None => self
                        .template_version(env, cloud, Priority::Act, id, base)
                        .await?
                        .ok_or_else(|| invalid(format!("Template version {base} is gone.")))?,
                };
                let digest = b.digest.as_deref().ok_or_else(|| invalid("The plan names no digest.".into()))?;
                let made = image::imprint(&source, &env.image_source, &env.registry, &env.repository, digest).map_err(invalid)?;
                let version = NewVersion { user_data: made.user_data, instance_tags: made.instance_tags };
                let (mark, token) = self.mark(change).await.map_err(|e| invalid(e.to_string()))?;
                let d = cloud.create_template_version(id, base, &version, &other_tag_specs(&source), &mark, &token).await?;
                Ok(Done { value: Outcome::Version(d.value), request_id: d.request_id })
            }
            Step::StartRefresh | Step::StartUndo => {
                let mut prefs = b.preferences.clone().ok_or_else(|| AwsError {
                    kind: ErrorKind::Invalid,
                    operation: "autoscaling:StartInstanceRefresh",
                    code: None,
                    message: "The plan holds no preferences.".into(),
                    request_id: None,
                })?;
                let version = if step == Step::StartUndo {
                    prefs.bake_seconds = 0;
                    prefs.auto_rollback = false;
                    prefs.checkpoints.clear();
                    change.plan.old_version
                } else {
                    p.new_version
                };
                Ok(refresh(cloud.start_refresh(&env.asg, id, version.unwrap_or_default(), &prefs).await?))
            }
            Step::RollBack => Ok(accepted(cloud.rollback_refresh(&env.asg).await?)),
            Step::CancelRefresh => Ok(accepted(cloud.cancel_refresh(&env.asg).await?)),
            Step::PinCurrent => Ok(accepted(cloud.set_group_template(&env.asg, id, template.map_or(0, |t| t.base)).await?)),
            Step::PinVersion => Ok(accepted(cloud.set_group_template(&env.asg, id, p.new_version.unwrap_or_default()).await?)),
            Step::SetCapacity => Ok(accepted(cloud.resize(&env.asg, b.set_min, b.set_desired, b.set_max).await?)),
            Step::TerminateInstance => Ok(accepted(cloud.terminate(b.instance.as_deref().unwrap_or_default(), b.shrink).await?)),
            Step::Suspend => Ok(accepted(cloud.suspend(&env.asg, &processes(change, step)).await?)),
            Step::Resume => Ok(accepted(cloud.resume(&env.asg, &processes(change, step)).await?)),
            Step::SetGroup => {
                let s = b.settings.clone().unwrap_or_default();
                let launches = template.map(|t| (t.id.as_str(), s.template_version.unwrap_or_default()));
                Ok(accepted(cloud.set_group(&env.asg, launches, s.grace_seconds, s.health_check.as_deref()).await?))
            }
            Step::Roll | Step::Verify | Step::Undo | Step::Stop | Step::Resize | Step::Leave | Step::Settle => Err(AwsError {
                kind: ErrorKind::Invalid,
                operation: "none",
                code: None,
                message: format!("The step {} calls nothing.", step.name()),
                request_id: None,
            }),
        }
    }

    /// Description and client token of the version that a change creates: the same on every attempt, and no other
    /// installation's.
    async fn mark(&self, change: &Change) -> Result<(String, String), StoreError> {
        let install = self.store.install().await?;
        Ok((format!("fleetgate #{} {}", change.number, install), format!("fleetgate-{install}-{}", change.number)))
    }

    /// Looks whether a step's act is done at AWS.
    pub(super) async fn find_done(&self, change: &Change, cloud: &Cloud, obs: &Observation, step: Step) -> Result<Option<Outcome>, AwsError> {
        let Some(group) = &obs.group else { return Ok(None) };
        let p = &change.progress;
        let template = change.plan.bound.template.as_ref();
        let version_of_group = match &group.launch {
            LaunchSource::Template(t) => t.number(),
            _ => None,
        };
        let ours = |before: &Option<String>, version: Option<i64>| {
            obs.refreshes
                .iter()
                .take_while(|r| Some(&r.id) != before.as_ref())
                .find(|r| r.desired.as_ref().is_some_and(|d| Some(d.id.as_str()) == template.map(|t| t.id.as_str()) && d.number() == version))
                .map(|r| Outcome::Refresh(r.id.clone()))
        };
        let when = |yes: bool| yes.then_some(Outcome::Accepted);
        // Within the bound of stale reads the look may be from before what the act takes back: what it shows is not the act's work.
        let early = |since: Option<i64>| since.is_some_and(|at| (0..=self.settings.staleness_ms).contains(&(obs.at - at)));
        let (begun, lent) = (early(p.started_at), early(p.suspended_at.or(p.started_at)));
        let status = p.refresh.as_ref().and_then(|id| obs.refresh(id)).map(|r| r.status.as_str());
        Ok(match step {
            Step::CreateVersion => {
                let Some(t) = template else { return Ok(None) };
                let Ok((mark, _)) = self.mark(change).await else { return Ok(None) };
                let newer = cloud.template_versions_from(Priority::Act, &t.id, t.base + 1).await?;
                // The oldest: whoever copies ours, as Terraform does, copies its description too.
                newer.into_iter().filter(|v| v.description == mark).map(|v| v.number).min().map(Outcome::Version)
            }
            Step::StartRefresh => ours(&p.refresh_before, p.new_version),
            Step::StartUndo => ours(&p.undo_refresh_before, change.plan.old_version),
            Step::RollBack => when(status.is_some_and(|s| s.starts_with("Rollback"))),
            Step::CancelRefresh => when(status.is_some_and(|s| s.starts_with("Cancel"))),
            Step::PinCurrent => when(!begun && version_of_group.is_some() && version_of_group == template.map(|t| t.base)),
            Step::PinVersion => when(!begun && version_of_group.is_some() && version_of_group == p.new_version),
            Step::SetCapacity => when(!begun && capacity::is_set(&change.plan, group)),
            Step::TerminateInstance => {
                let id = change.plan.bound.instance.as_deref();
                let there = group.instances.iter().find(|i| Some(i.id.as_str()) == id);
                when(there.map_or(!begun, GroupInstance::leaving))
            }
            Step::Suspend => when(!begun && settings::all_suspended(&processes(change, step), group)),
            Step::Resume => when(!lent && settings::none_suspended(&processes(change, step), group)),
            Step::SetGroup => when(!begun && change.plan.bound.settings.as_ref().is_some_and(|s| settings::is_set(s, group))),
            _ => None,
        })
    }

    /// Found done before this change ever intended it: only possible where an older process was cut off.
    async fn adopt_without_act(&self, change: Change, progress: Progress, step: Step, outcome: Outcome) -> Result<Turn, Problem> {
        let permit = Permit::engine("change.adopt", &change.scope());
        let entry = NewEntry::done().change(change.number).after(&json!({"step": step.name(), "found": format!("{outcome:?}")}));
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let mut c = change;
                    c.progress = progress;
                    apply(&mut c.progress, step, &outcome);
                    tx.set_change(&mut c).await
                })
            })
            .await;
        match done {
            Ok(()) | Err(StoreError::Moved) => Ok(Turn::Again),
            Err(e) => Err(e.into()),
        }
    }

    /// AWS said no, or nothing.
    pub(super) async fn refused(&self, change: Change, act: Option<i64>, e: &AwsError, step: Step) -> Result<Turn, Problem> {
        tracing::warn!(
            change = change.number,
            operation = e.operation,
            code = e.code.as_deref(),
            request = e.request_id.as_deref(),
            "AWS did not accept an act"
        );
        let Some(act) = act else {
            let due = self.clocks.cloud() + self.poll(POLL_MS);
            self.keep_quietly(change, move |c| c.due_at = due).await?;
            return Ok(Turn::Later);
        };
        let message = e.message.trim_end_matches('.');
        let words = e.code.as_deref().map_or_else(|| format!("{message}."), |code| format!("{code}: {message}."));
        if e.unknown() {
            return self.outcome(change, act, step, "unknown", words, e.request_id.clone(), None).await;
        }
        self.outcome_of_refusal(change, act, step, e, words).await
    }

    async fn outcome_of_refusal(&self, change: Change, act: i64, step: Step, e: &AwsError, words: String) -> Result<Turn, Problem> {
        let (number, scope, kind) = (change.number, change.scope(), e.kind);
        let now = self.clocks.cloud();
        let again = e.refused() || matches!(kind, ErrorKind::Conflict(Conflict::RefreshInProgress | Conflict::ScalingActivity | Conflict::Limit));
        let backoff = backoff(number, change.progress.refusals);
        let due = now + self.poll(backoff);
        let undoing = matches!(step, Step::RollBack | Step::StartUndo | Step::CancelRefresh | Step::Resume)
            && change.kind != Kind::Refresh
            && change.kind != Kind::Settings;
        let way_out = if kind == ErrorKind::Denied { " Compare the role with `fleetgate iam-policy`." } else { "" };
        let slow = now + self.poll(LONGEST_BACKOFF_MS);
        let deadline = self.store.get_environment(change.env).await?.policy.deadline_minutes * 60_000;
        let late = change.progress.started_at.is_some_and(|at| now - at > deadline);
        let permit = Permit::engine(&format!("aws.{}", e.operation.rsplit(':').next().unwrap_or("call")), &scope);
        let entry = NewEntry { aws_request: e.request_id.clone(), ..NewEntry::done().result("refused").change(number).reason(Some(words.clone())) };
        let request = e.request_id.clone();
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    tx.set_act(act, "refused", &words, request).await?;
                    let mut c = tx.get_change(number).await?;
                    if c.state.is_final() {
                        return Ok(());
                    }
                    c.progress.refusals += 1;
                    c.due_at = due;
                    match kind {
                        // The refresh ended meanwhile: the next look decides.
                        ErrorKind::Conflict(Conflict::NoActiveRefresh) => c.due_at = now,
                        ErrorKind::Conflict(Conflict::Irreversible) => {
                            c.progress.irreversible = true;
                            c.due_at = now;
                        }
                        _ if again && late => {
                            c.state = State::NeedsAttention;
                            c.due_at = slow;
                            c.sentence = format!(
                                "AWS has refused `{}` past the deadline of the environment's policy ({words}). It is tried again each minute.",
                                step.name()
                            );
                        }
                        _ if again => c.sentence = format!("AWS refused `{}` for now ({words}); it is tried again.", step.name()),
                        // Taking back must not be given up: a person is called, and it is tried again each minute.
                        _ if undoing => {
                            c.state = State::NeedsAttention;
                            c.due_at = slow;
                            c.sentence = format!("AWS refuses `{}`: {words} It is tried again each minute.{way_out}", step.name());
                        }
                        _ => {
                            c.state = State::Failed;
                            c.finished_at = Some(tx.now());
                            c.sentence = format!("AWS refused `{}`: {words} Nothing was replaced.{way_out}", step.name());
                            tx.end_step(number, "failed", &words).await?;
                        }
                    }
                    tx.set_change(&mut c).await?;
                    tx.announce(&c).await
                })
            })
            .await;
        match done {
            Ok(()) => Ok(Turn::Later),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes what came of an act. The row is read anew inside the transaction: whatever a person did meanwhile stays, and
    /// what AWS did is never lost.
    pub(super) async fn outcome(
        &self,
        change: Change,
        act: i64,
        step: Step,
        state: &'static str,
        words: String,
        request: Option<String>,
        outcome: Option<Outcome>,
    ) -> Result<Turn, Problem> {
        let number = change.number;
        let (service, operation, _) = operation(step);
        let permit = Permit::engine(&format!("aws.{operation}"), &change.scope());
        let result = match state {
            "done" | "adopted" => "done",
            "unknown" => "unknown",
            _ => "failed",
        };
        let entry = NewEntry {
            aws_request: request.clone(),
            ..NewEntry::done()
                .result(result)
                .change(number)
                .after(&json!({"service": service, "step": step.name(), "state": state}))
                .reason(Some(words.clone()))
        };
        let now = self.clocks.cloud();
        let due = if state == "unknown" { now + self.poll(1000) } else { now };
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    tx.set_act(act, state, &words, request).await?;
                    let mut c = tx.get_change(number).await?;
                    if let Some(outcome) = &outcome {
                        apply(&mut c.progress, step, outcome);
                        c.progress.refusals = 0;
                        if step == Step::Suspend && c.kind != Kind::Settings {
                            c.progress.suspended_at = Some(now);
                        }
                        if step == Step::Resume {
                            tx.pay(c.env, number, &words).await?;
                        }
                    }
                    c.due_at = due;
                    if c.state.is_final() {
                        return Ok(());
                    }
                    tx.set_change(&mut c).await?;
                    tx.event(&c.topic(), Some(number), Some(&format!("{operation}: {state}. {words}"))).await
                })
            })
            .await;
        match done {
            Ok(()) => Ok(if state == "unknown" { Turn::Later } else { Turn::Again }),
            Err(e) => Err(e.into()),
        }
    }
}

/// Notes what an act brought.
fn apply(p: &mut Progress, step: Step, outcome: &Outcome) {
    match (step, outcome) {
        (Step::CreateVersion, Outcome::Version(n)) => p.new_version = Some(*n),
        (Step::StartRefresh, Outcome::Refresh(id)) => p.refresh = Some(id.clone()),
        (Step::StartUndo, Outcome::Refresh(id)) => p.undo_refresh = Some(id.clone()),
        (Step::RollBack, _) => p.rollback_asked = true,
        (Step::CancelRefresh, _) => p.cancel_asked = true,
        (Step::PinCurrent, _) => p.pinned_current = true,
        (Step::PinVersion, _) => p.pinned_version = true,
        (Step::SetCapacity, _) => p.capacity_set = true,
        (Step::TerminateInstance, _) => p.terminate_asked = true,
        (Step::Suspend, _) => p.suspended = true,
        (Step::Resume, _) => p.resumed = true,
        (Step::SetGroup, _) => p.group_set = true,
        _ => {}
    }
}

/// The processes that a step suspends or resumes: those of a settings change, else what the change owes.
fn processes(change: &Change, step: Step) -> Vec<String> {
    match (&change.plan.bound.settings, step) {
        (Some(s), Step::Suspend) => s.suspend.clone(),
        (Some(s), _) => s.resume.clone(),
        (None, _) => change.progress.debts.clone(),
    }
}

/// Service, operation and whether it names a version.
fn operation(step: Step) -> (&'static str, &'static str, bool) {
    match step {
        Step::CreateVersion => ("ec2", "CreateLaunchTemplateVersion", false),
        Step::StartRefresh | Step::StartUndo => ("autoscaling", "StartInstanceRefresh", true),
        Step::RollBack => ("autoscaling", "RollbackInstanceRefresh", false),
        Step::CancelRefresh => ("autoscaling", "CancelInstanceRefresh", false),
        Step::PinCurrent | Step::PinVersion => ("autoscaling", "UpdateAutoScalingGroup", true),
        Step::SetCapacity => ("autoscaling", "UpdateAutoScalingGroup", false),
        Step::TerminateInstance => ("autoscaling", "TerminateInstanceInAutoScalingGroup", false),
        Step::Suspend => ("autoscaling", "SuspendProcesses", false),
        Step::Resume => ("autoscaling", "ResumeProcesses", false),
        Step::SetGroup => ("autoscaling", "UpdateAutoScalingGroup", false),
        _ => ("none", "none", false),
    }
}

/// What is about to be sent, for the audit: never user data.
fn describe(change: &Change, env: &Environment, p: &Progress, step: Step) -> (&'static str, &'static str, serde_json::Value) {
    let (service, operation, _) = operation(step);
    let b = &change.plan.bound;
    let template = b.template.as_ref();
    let detail = match step {
        Step::CreateVersion => json!({"template": template.map(|t| &t.id), "source_version": template.map(|t| t.base), "digest": b.digest}),
        Step::StartRefresh => json!({"group": env.asg, "template": template.map(|t| &t.id), "version": p.new_version, "preferences": b.preferences}),
        Step::StartUndo => json!({"group": env.asg, "template": template.map(|t| &t.id), "version": change.plan.old_version}),
        Step::RollBack | Step::CancelRefresh => json!({"group": env.asg, "refresh": p.refresh}),
        Step::PinCurrent => json!({"group": env.asg, "template": template.map(|t| &t.id), "version": template.map(|t| t.base)}),
        Step::PinVersion => json!({"group": env.asg, "template": template.map(|t| &t.id), "version": p.new_version}),
        Step::SetCapacity => json!({"group": env.asg, "min": b.set_min, "desired": b.set_desired, "max": b.set_max}),
        Step::TerminateInstance => json!({"instance": b.instance, "shrink": b.shrink}),
        Step::Suspend | Step::Resume => {
            json!({"group": env.asg, "processes": if change.kind == Kind::Settings { processes(change, step) } else { p.debts.clone() }})
        }
        Step::SetGroup => {
            let s = b.settings.clone().unwrap_or_default();
            json!({"group": env.asg, "template": template.map(|t| &t.id), "version": s.template_version, "grace_seconds": s.grace_seconds, "health_check": s.health_check})
        }
        _ => json!({}),
    };
    (service, operation, detail)
}

/// Doubling from one second to a minute, spread by the change's number so that several do not call in step.
fn backoff(number: i64, refusals: u32) -> i64 {
    let base = (1000_i64 << refusals.min(6)).min(LONGEST_BACKOFF_MS);
    let spread = (number.wrapping_mul(7919) + i64::from(refusals) * 104_729).rem_euclid(400);
    base + base * spread / 1000
}
