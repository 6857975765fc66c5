//! Images and repositories (aws-reference 8).
//!
//! **Invariant:** read only. An image is named by its digest; tags are what they were at the time of reading.

use aws_sdk_ecr::types as sdk;

use super::autoscaling::millis;
use super::budget::Priority;
use super::cloud::{Cloud, Pages};
use super::error::{AwsError, ErrorKind};
use crate::domain::observation::Image;

/// Images read at most from one repository. AWS lists them in no order, so all are read before the newest are taken.
const MOST_IMAGES: usize = 5000;
/// AWS's largest page.
const PAGE: i32 = 1000;

impl Cloud {
    /// The image that a tag points to now; `None` when the repository has no such tag.
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a repository.
    pub async fn image_by_tag(&self, p: Priority, repository: &str, tag: &str) -> Result<Option<Image>, AwsError> {
        self.image(p, repository, sdk::ImageIdentifier::builder().image_tag(tag).build()).await
    }

    /// The image with a digest (`sha256:…`); `None` when the repository has it not (any more).
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a repository.
    pub async fn image_by_digest(&self, p: Priority, repository: &str, digest: &str) -> Result<Option<Image>, AwsError> {
        self.image(p, repository, sdk::ImageIdentifier::builder().image_digest(digest).build()).await
    }

    async fn image(&self, p: Priority, repository: &str, id: sdk::ImageIdentifier) -> Result<Option<Image>, AwsError> {
        let request = self.ecr.describe_images().repository_name(repository).image_ids(id);
        match self.read(p, "ecr:DescribeImages", request.send()).await {
            Ok(out) => Ok(out.image_details.unwrap_or_default().into_iter().find_map(image)),
            Err(e) if e.code.as_deref() == Some("ImageNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The newest `max` images of a repository, newest push first, tagged or not.
    ///
    /// # Errors
    /// Those of a read; `NotFound` without such a repository; each page takes a token of the budget.
    pub async fn images(&self, p: Priority, repository: &str, max: usize) -> Result<Vec<Image>, AwsError> {
        let operation = "ecr:DescribeImages";
        let (mut pages, mut all) = (Pages::new(operation, MOST_IMAGES), Vec::new());
        loop {
            let request = self.ecr.describe_images().repository_name(repository).max_results(PAGE);
            let out = self.read(p, operation, request.set_next_token(pages.token()).send()).await?;
            all.extend(out.image_details.unwrap_or_default().into_iter().filter_map(image));
            if !pages.more(out.next_token, all.len())? {
                break;
            }
        }
        all.sort_by(|a, b| b.pushed_at.cmp(&a.pushed_at).then_with(|| a.digest.cmp(&b.digest)));
        all.truncate(max);
        Ok(all)
    }

    /// The URI of a repository (`123456789012.dkr.ecr.eu-west-1.amazonaws.com/app`); `None` when there is none of that name.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn repository_exists(&self, p: Priority, repository: &str) -> Result<Option<String>, AwsError> {
        let request = self.ecr.describe_repositories().repository_names(repository);
        match self.read(p, "ecr:DescribeRepositories", request.send()).await {
            Ok(out) => Ok(out.repositories.unwrap_or_default().into_iter().find_map(|r| r.repository_uri)),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn image(detail: sdk::ImageDetail) -> Option<Image> {
    let mut tags = detail.image_tags.unwrap_or_default();
    tags.sort();
    Some(Image { digest: detail.image_digest?, tags, size_bytes: detail.image_size_in_bytes, pushed_at: millis(detail.image_pushed_at) })
}
