//! Releases: an image gets a number, by its digest.

use serde_json::json;

use super::{App, aws_problem};
use crate::aws::{Cloud, Place, Priority};
use crate::domain::access::{Act, Actor, Facts, On, decide};
use crate::domain::application::free_text;
use crate::domain::observation::Image;
use crate::domain::problem::Problem;
use crate::domain::release::{Release, is_digest, is_tag};
use crate::store::images::Images;
use crate::store::{NewEntry, StoreError};

/// A list of images that was read within this time (wall milliseconds) is not read again for a button.
const FRESH_MS: i64 = 3000;
/// Images of an application that are kept for its pages.
pub(crate) const MOST_IMAGES: usize = 100;

/// A kept list, and whether it holds every image of the repository.
pub(crate) fn whole(kept: &Images) -> (&[Image], bool) {
    (&kept.images, kept.images.len() < MOST_IMAGES)
}

/// What names the image.
#[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelease {
    /// A tag of the application's repository; resolved once, now.
    pub tag: Option<String>,
    /// A digest of the application's repository.
    pub digest: Option<String>,
    /// Commit that it was built from.
    pub commit: Option<String>,
    /// Notes.
    pub notes: Option<String>,
}

impl App {
    /// Makes a release. An image that has a number keeps it: then that release is returned, with `false`.
    ///
    /// # Errors
    /// `Invalid` for an unknown tag, or an image that is not in the application's repository.
    pub async fn make_release(&self, actor: &Actor, app: &str, new: NewRelease) -> Result<(Release, bool), Problem> {
        let application = self.visible_application(actor, app).await?;
        let permit = decide(actor, &Act::MakeRelease, &On::Application(app), &Facts::default())?;
        let bad: Vec<_> = [
            new.commit.as_deref().and_then(|c| free_text("commit", c, 200).err()),
            new.notes.as_deref().and_then(|n| free_text("notes", n, 10_000).err()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !bad.is_empty() {
            return Err(Problem::Invalid(bad));
        }
        let repository = &application.repository;
        let cloud = self.registry_cloud(app).await?;
        let image = match (&new.tag, &new.digest) {
            (Some(_), Some(_)) | (None, None) => return Err(Problem::field("tag", "give either a tag or a digest")),
            (Some(tag), None) => {
                if tag.contains('/') || tag.contains('@') {
                    return Err(Problem::field(
                        "tag",
                        format!("`{tag}` names a repository or a digest; give the tag alone. Releases of this application come from `{repository}`"),
                    ));
                }
                if !is_tag(tag) {
                    return Err(Problem::field("tag", "must be an image tag: letters, digits and . _ -"));
                }
                let found = cloud.image_by_tag(Priority::Act, repository, tag).await.map_err(|e| aws_problem(&e))?;
                found.ok_or_else(|| {
                    Problem::field("tag", format!("`{repository}` has no image tagged `{tag}`. Push it first, or look at the list of images"))
                })?
            }
            (None, Some(digest)) => {
                if !is_digest(digest) {
                    return Err(Problem::field("digest", "must be `sha256:` and 64 hexadecimal digits"));
                }
                let found = cloud.image_by_digest(Priority::Act, repository, digest).await.map_err(|e| aws_problem(&e))?;
                found.ok_or_else(|| {
                    Problem::field(
                        "digest",
                        format!("`{repository}` has no such image. An image of another repository can not become a release of {app}"),
                    )
                })?
            }
        };
        if let Some(known) = self.store.find_release_by_digest(app, &image.digest).await? {
            return Ok((known, false));
        }
        let mut release = Release {
            app: app.to_owned(),
            number: 0,
            tag: new.tag,
            digest: image.digest,
            commit: new.commit,
            notes: new.notes,
            created_by: actor.name.clone(),
            created_at: self.clocks.wall(),
        };
        let made = release.clone();
        let topic = format!("app-{app}");
        let done = self
            .store
            .write_with(&permit, move |tx| {
                Box::pin(async move {
                    let number = tx.insert_release(&made).await?;
                    tx.audit(NewEntry::done().after(&json!({"release": number, "tag": made.tag, "digest": made.digest, "commit": made.commit})))
                        .await?;
                    tx.event(&topic, None, None).await?;
                    Ok(number)
                })
            })
            .await;
        match done {
            Ok(number) => {
                release.number = number;
                Ok((release, true))
            }
            Err(StoreError::Duplicate) => match self.store.find_release_by_digest(app, &release.digest).await? {
                Some(known) => Ok((known, false)),
                None => Err(Problem::Internal("a release vanished".into())),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// Reads an application's images anew and keeps them. A page asks for it by a button; the observer by itself.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn refresh_images(&self, actor: &Actor, app: &str) -> Result<(), Problem> {
        let application = self.visible_application(actor, app).await?;
        // Many who press the button at once cost one read.
        if self.store.find_images(app).await?.is_some_and(|kept| kept.failure.is_none() && self.clocks.wall() - kept.at < FRESH_MS) {
            return Ok(());
        }
        let cloud = self.registry_cloud(app).await?;
        let images = cloud.images(Priority::Act, &application.repository, MOST_IMAGES).await.map_err(|e| aws_problem(&e))?;
        Ok(self.store.keep_images(app, images).await?)
    }

    /// The observer's read, at the lowest priority.
    ///
    /// # Errors
    /// Of the database.
    pub async fn glance_images(&self, app: &str) -> Result<(), Problem> {
        let Some(application) = self.store.find_application(app).await? else { return Ok(()) };
        let read = match self.registry_cloud(app).await {
            Ok(cloud) => cloud.images(Priority::Idle, &application.repository, MOST_IMAGES).await.map_err(|e| aws_problem(&e)),
            Err(problem) => Err(problem),
        };
        match read {
            Ok(images) => self.store.keep_images(app, images).await?,
            Err(problem) => self.store.miss_images(app, problem.detail()).await?,
        }
        Ok(())
    }

    /// Where an application's images are: the place of its first environment, else our own.
    async fn registry_cloud(&self, app: &str) -> Result<Cloud, Problem> {
        let first = self.store.list_environments().await?.into_iter().find(|e| e.app == app);
        let place = first.as_ref().map_or_else(|| Place { region: self.settings.region.clone(), role_arn: None, external_id: None }, Self::place);
        self.aws.cloud(&place, super::look::OBSERVER).await.map_err(|e| aws_problem(&e))
    }
}
