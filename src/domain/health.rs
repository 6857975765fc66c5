//! One word and one sentence about an environment, from what AWS said last.

use super::environment::Environment;
use super::evidence::{Health, health, target_words};
use super::image::Launched;
use super::observation::{LaunchSource, Observation};
use super::plan;

use serde::{Deserialize, Serialize};

/// The health axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As wanted.
    Ok,
    /// Serving, with something amiss.
    Warn,
    /// Not serving as wanted.
    Bad,
    /// Not known.
    Unknown,
}

/// The level and the sentence that says why.
pub fn explain(env: &Environment, obs: Option<&Observation>) -> (Level, String) {
    let Some(obs) = obs else { return (Level::Unknown, "AWS has not been asked yet.".into()) };
    let group = match plan::same_group(env, obs) {
        Ok(g) => g,
        Err(problem) => return (Level::Unknown, problem.detail()),
    };
    let serving = group.instances.iter().filter(|i| i.in_service()).count();
    let healthy = group.instances.iter().filter(|i| i.in_service() && health(obs, i) == Health::Healthy).count();
    let sick = group.instances.iter().find(|i| i.in_service() && health(obs, i) == Health::Unhealthy);
    let desired = usize::try_from(group.desired).unwrap_or(0);
    // While a refresh rolls there are more than are wanted.
    let of = if healthy > desired {
        format!("{healthy} instances are healthy, {desired} wanted")
    } else {
        format!("{healthy} of {desired} {} healthy", if desired == 1 { "instance is" } else { "instances are" })
    };
    if healthy == 0 && desired > 0 {
        let why = group.instances.iter().find_map(|i| target_words(obs, &i.id)).map_or_else(String::new, |w| format!(": {w}"));
        return (Level::Bad, format!("No instance is healthy{why}."));
    }
    if let Some(i) = sick {
        let words = target_words(obs, &i.id).unwrap_or_else(|| i.health.clone());
        // Enough are healthy beside it: one that starts, or is about to be replaced, is no outage.
        let level = if healthy >= desired { Level::Warn } else { Level::Bad };
        return (level, format!("{of}; {} in {} is {words}.", i.id, i.zone));
    }
    if healthy < desired {
        let starting = serving - healthy + group.instances.iter().filter(|i| i.arriving()).count();
        return (Level::Warn, format!("{of}, {starting} starting."));
    }
    if let LaunchSource::Template(t) = &group.launch {
        match t.number() {
            None => {
                // Which version runs is another question than how it is.
                return (
                    Level::Ok,
                    format!(
                        "{of}. The group follows {} of its template: pin it before deploying.",
                        if t.version.is_empty() { "$Default" } else { &t.version }
                    ),
                );
            }
            Some(n) => {
                if let Launched::MovingTag { tag } = plan::launched(env, obs, n) {
                    return (Level::Ok, format!("{of}. The template launches the moving tag `{tag}`: pin it before deploying."));
                }
            }
        }
    }
    (Level::Ok, format!("{of}."))
}
