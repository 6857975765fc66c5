//! Can an environment be rolled back now: judged at all times from the local copy, so that nobody learns it at three in the morning.
//!
//! **Invariant:** pure. What is not known is a doubt, never a yes.

use super::image::{self, Launched};
use super::observation::{Image, LaunchSource, Observation};
use super::plan;
use super::release::short;
use crate::domain::environment::Environment;

/// What the local copy of ECR says about an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// There.
    There,
    /// It can not be told.
    Doubt(String),
    /// Gone.
    Gone(String),
}

/// Judges an image by the last list. `images`: the list, and whether it held every image of the repository.
pub fn image(digest: &str, images: Option<(&[Image], bool)>) -> Kept {
    match images {
        None => Kept::Doubt("The images have not been read yet, so it is not known whether its image is still in ECR.".into()),
        Some((images, _)) if images.iter().any(|i| i.digest == digest) => Kept::There,
        Some((_, false)) => Kept::Doubt("Its image is not among the newest in ECR; AWS is asked before anything is sent.".into()),
        Some((_, true)) => Kept::Gone(format!("its image {} is no longer in ECR", short(digest))),
    }
}

/// Why nothing could be rolled back, whatever the release; `None` where nothing stands in the way.
pub fn group(env: &Environment, obs: &Observation) -> Option<String> {
    let group = match plan::same_group(env, obs) {
        Ok(group) => group,
        Err(problem) => return Some(problem.detail()),
    };
    match &group.launch {
        LaunchSource::Template(t) if t.number().is_none() => {
            let alias = if t.version.is_empty() { "$Default" } else { &t.version };
            return Some(format!("The group follows {alias} of its template, from which AWS can not roll back. Pin the template first."));
        }
        LaunchSource::Template(_) => {}
        LaunchSource::Mixed { .. } => return Some("The group has a mixed instances policy, which Fleetgate does not deploy to.".into()),
        LaunchSource::Configuration { .. } => return Some("The group uses a launch configuration, from which AWS can not roll back.".into()),
        LaunchSource::Unknown => return Some("AWS names no launch template for this group.".into()),
    }
    let number = obs.launched_version()?;
    let Some(version) = obs.versions.get(&number) else {
        return Some(format!("Template version {number}, which the group uses, could not be read. Was it deleted?"));
    };
    if version.ami.as_deref().is_some_and(|ami| ami.starts_with("resolve:ssm:")) {
        return Some("The template takes its AMI from an SSM parameter, so AWS can not roll back. Set the AMI by its id.".into());
    }
    if let Launched::MovingTag { tag } = image::launched(version, &env.image_source, &env.registry, &env.repository) {
        return Some(format!(
            "The template launches the moving tag `{tag}`, so what runs now could not be told from what comes back. Pin the template first."
        ));
    }
    plan::blocking_processes(group).map(|names| format!("{names} is suspended, so no instance could be replaced. Resume it first."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_a_whole_list_is_gone_and_what_was_not_read_is_a_doubt() {
        let one = [Image { digest: "sha256:a".into(), tags: vec![], size_bytes: None, pushed_at: None }];
        assert_eq!(image("sha256:a", Some((&one, true))), Kept::There);
        assert!(matches!(image("sha256:b", Some((&one, true))), Kept::Gone(_)));
        assert!(matches!(image("sha256:b", Some((&one, false))), Kept::Doubt(_)));
        assert!(matches!(image("sha256:b", None), Kept::Doubt(_)));
    }
}
