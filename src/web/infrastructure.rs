//! Help for groups that Terraform or CloudFormation made: what to leave to Fleetgate there, and why.

use askama::Template;
use axum::response::Response;

use super::error::ApiError;
use super::page::{Frame, Visit, page};

/// What a boot script does where the image stands in an instance tag. Here and not in the template, which names no other host.
const BOOT_SCRIPT: &str = r#"TOKEN=$(curl -sfX PUT http://169.254.169.254/latest/api/token \
  -H "X-aws-ec2-metadata-token-ttl-seconds: 300")
DIGEST=$(curl -sfH "X-aws-ec2-metadata-token: $TOKEN" \
  http://169.254.169.254/latest/meta-data/tags/instance/KEY)
docker run -d --restart unless-stopped "$REPOSITORY@$DIGEST""#;

#[derive(Template)]
#[template(path = "infrastructure.html")]
struct Page {
    frame: Frame,
}

/// `GET /help/infrastructure-as-code`.
pub async fn show(visit: Visit) -> Result<Response, ApiError> {
    page(&Page { frame: visit.frame("Terraform and CloudFormation", "help").await? })
}
