//! Before a group is adopted: what the role may do, tried one permission at a time, and which groups there are.
//!
//! **Invariant:** nothing is changed. A permission that can not be tried without using it is called untried, never allowed.

use super::{App, aws_problem};
pub use crate::aws::Place;
use crate::aws::{AwsError, Cloud, ErrorKind, Priority};
use crate::domain::access::{Act, Actor, Facts, On, decide};
use crate::domain::iam::{GROUP_ACTS, READS, REPOSITORY_READS, TEMPLATE_ACTS};
use crate::domain::observation::{Group, LaunchSource, TargetGroup};
use crate::domain::plan::{Check, support};
use crate::domain::problem::Problem;

/// How a permission stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// AWS answered.
    Allowed,
    /// AWS refused.
    Denied,
    /// AWS answered something else.
    Failed(String),
    /// It was not tried, because of this.
    Untried(&'static str),
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As an IAM policy names it.
    pub action: &'static str,
    /// How it stands.
    pub tried: Tried,
}

/// A group that could be adopted.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// As AWS shows it.
    pub group: Group,
    /// What it launches, in words.
    pub launches: String,
    /// What stands in the way, or is worth knowing.
    pub checks: Vec<Check>,
    /// The environment that it is already, where this actor may see that one; else only that it is one.
    pub taken: Option<String>,
}

/// What was found at a place.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Twelve digits.
    pub account: String,
    /// Permissions, in the order of the policy.
    pub permissions: Vec<Permission>,
    /// Groups, by name.
    pub groups: Vec<Candidate>,
}

impl Survey {
    /// Permissions that AWS refused.
    pub fn denied(&self) -> usize {
        self.permissions.iter().filter(|p| p.tried == Tried::Denied).count()
    }
}

const NO_GROUP: &str = "there is no group to try it on";
const NO_TRIAL: &str = "AWS has no trial run for it";

impl App {
    /// Looks at a place for whoever wants to adopt one of its groups into `app`.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Invalid` for a place that can not be; `Unavailable` when the role can not be used or AWS does not answer.
    pub async fn survey(&self, actor: &Actor, app: &str, place: &Place) -> Result<Survey, Problem> {
        decide(actor, &Act::Adopt, &On::Application(app), &Facts::default())?;
        let application = self.visible_application(actor, app).await?;
        super::environments::check_place(place)?;
        let cloud = self.aws.cloud(place, super::look::OBSERVER).await.map_err(|e| aws_problem(&e))?;
        let p = Priority::Act;
        let account = match cloud.whoami(p).await {
            Ok(identity) => identity.account,
            Err(e) if e.kind == ErrorKind::Denied => {
                let why = if place.role_arn.is_some() {
                    "can not be assumed. Its trust policy must name Fleetgate's own identity, and the external id"
                } else {
                    "is needed: Fleetgate's own credentials are not accepted"
                };
                return Err(Problem::field("role_arn", why));
            }
            Err(e) => return Err(aws_problem(&e)),
        };
        let listed = cloud.groups(p).await;
        let mut permissions = vec![tried(READS[0], &listed)];
        let mut groups = listed.unwrap_or_default();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        // On the group that has most to try it on.
        let richest = groups.iter().max_by_key(|g| (template_of(g).is_some(), !g.instances.is_empty(), !g.target_group_arns.is_empty()));
        permissions.extend(try_on_a_group(&cloud, richest).await);
        let images = cloud.images(p, &application.repository, 1).await;
        permissions.push(tried(REPOSITORY_READS[0], &images));
        permissions.push(tried(REPOSITORY_READS[1], &cloud.repository_exists(p, &application.repository).await));
        permissions.push(match groups.iter().find_map(template_of) {
            Some((id, version)) => tried(TEMPLATE_ACTS[0], &cloud.may_create_version(p, &id, version).await),
            None => Permission { action: TEMPLATE_ACTS[0], tried: Tried::Untried(NO_GROUP) },
        });
        for action in GROUP_ACTS {
            permissions.push(Permission { action, tried: Tried::Untried(NO_TRIAL) });
        }
        for action in AT_A_REFRESH {
            permissions.push(Permission { action, tried: Tried::Untried("AWS checks it when a refresh begins") });
        }
        let adopted = self.store.list_environments().await?;
        let groups = groups
            .into_iter()
            .map(|group| Candidate {
                taken: adopted.iter().find(|e| e.asg_arn == group.arn).map(|e| match actor.sees(&e.scope()) {
                    true => e.scope(),
                    false => "another environment".into(),
                }),
                launches: launches(&group),
                checks: support(&group),
                group,
            })
            .collect();
        Ok(Survey { account, permissions, groups })
    }
}

/// What AWS checks of its caller when a refresh begins (aws-reference 13.2).
const AT_A_REFRESH: [&str; 3] = ["ec2:RunInstances", "ec2:CreateTags", "iam:PassRole"];

/// Tries [`READS`] but the first, in their order.
async fn try_on_a_group(cloud: &Cloud, group: Option<&Group>) -> Vec<Permission> {
    let p = Priority::Act;
    let untried = |action, why| Permission { action, tried: Tried::Untried(why) };
    let Some(g) = group else {
        return READS[1..].iter().map(|action| untried(action, NO_GROUP)).collect();
    };
    let mut out = vec![
        tried(READS[1], &cloud.refreshes(p, &g.name, 1).await),
        tried(READS[2], &cloud.lifecycle_hooks(p, &g.name).await),
        tried(READS[3], &cloud.policies(p, &g.name).await),
        tried(READS[4], &cloud.activities(p, &g.name, 1).await),
        tried(READS[5], &cloud.scheduled_actions(p, &g.name).await),
    ];
    out.push(match template_of(g) {
        Some((id, n)) => tried(READS[6], &cloud.template_version(p, &id, &n.to_string()).await),
        None => untried(READS[6], "the group names no numbered template version"),
    });
    out.push(match g.instances.first() {
        Some(i) => tried(READS[7], &cloud.console_output(p, &i.id).await),
        None => untried(READS[7], "the group has no instance to try it on"),
    });
    let target_groups: Result<Vec<TargetGroup>, AwsError> = cloud.target_groups(p, &g.target_group_arns).await;
    match g.target_group_arns.first() {
        None => out.extend([READS[8], READS[9], READS[10]].map(|action| untried(action, "the group has no target group to try it on"))),
        Some(arn) => {
            out.push(tried(READS[8], &target_groups));
            out.push(tried(READS[9], &cloud.target_states(p, arn).await));
            out.push(tried(READS[10], &cloud.drain_seconds(p, arn).await));
        }
    }
    out
}

fn tried<T>(action: &'static str, answer: &Result<T, AwsError>) -> Permission {
    let tried = match answer {
        Ok(_) => Tried::Allowed,
        Err(e) if e.kind == ErrorKind::Denied => Tried::Denied,
        // The question was allowed; its object is not there.
        Err(e) if e.kind == ErrorKind::NotFound => Tried::Allowed,
        Err(e) => Tried::Failed(e.message.clone()),
    };
    Permission { action, tried }
}

/// The template of a group, with its number where it names one.
fn template_of(group: &Group) -> Option<(String, i64)> {
    match &group.launch {
        LaunchSource::Template(t) => t.number().map(|n| (t.id.clone(), n)),
        _ => None,
    }
}

fn launches(group: &Group) -> String {
    match &group.launch {
        LaunchSource::Template(t) if t.number().is_some() => format!("version {} of {}", t.version, t.name),
        LaunchSource::Template(t) => format!("{} of {}", if t.version.is_empty() { "$Default" } else { &t.version }, t.name),
        LaunchSource::Mixed { .. } => "a mixed instances policy".into(),
        LaunchSource::Configuration { name } => format!("the launch configuration {name}"),
        LaunchSource::Unknown => "nothing that AWS names".into(),
    }
}
