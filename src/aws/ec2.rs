//! Launch template versions and an instance's console (aws-reference 7).
//!
//! **Invariant:** read only; the one trial run is marked as such, and AWS carries nothing of it out. What a version holds is turned into plain values by [`super::template`].

use aws_sdk_ec2::types::RequestLaunchTemplateData;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::budget::Priority;
use super::cloud::{Cloud, Pages};
use super::error::{AwsError, ErrorKind};
use super::template::version;
use crate::domain::observation::TemplateVersion;

/// AWS's largest page of template versions.
const PAGE: i32 = 200;
/// Template versions read at most in one listing.
const MOST_VERSIONS: usize = 2000;
/// How much of the end of a console is kept.
const CONSOLE_BYTES: usize = 4096;

impl Cloud {
    /// One version of a template: a number, `$Latest` or `$Default`. `None` when the template or the version does not exist
    /// (or not yet: a new one may lag for seconds, aws-reference 2.3).
    ///
    /// # Errors
    /// Those of a read.
    pub async fn template_version(&self, p: Priority, template_id: &str, number: &str) -> Result<Option<TemplateVersion>, AwsError> {
        let request = self.ec2.describe_launch_template_versions().launch_template_id(template_id).versions(number);
        match self.read(p, "ec2:DescribeLaunchTemplateVersions", request.send()).await {
            Ok(out) => Ok(out.launch_template_versions.unwrap_or_default().into_iter().find_map(version)),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The versions of a template from `min_number` on, oldest first. Empty when there are none.
    ///
    /// # Errors
    /// Those of a read; each page takes a token of the budget.
    pub async fn template_versions_from(&self, p: Priority, template_id: &str, min_number: i64) -> Result<Vec<TemplateVersion>, AwsError> {
        let operation = "ec2:DescribeLaunchTemplateVersions";
        let (mut pages, mut all) = (Pages::new(operation, MOST_VERSIONS), Vec::new());
        loop {
            let request = self.ec2.describe_launch_template_versions().launch_template_id(template_id).max_results(PAGE);
            let request = request.min_version(min_number.to_string()).set_next_token(pages.token());
            let out = match self.read(p, operation, request.send()).await {
                Ok(out) => out,
                Err(e) if e.kind == ErrorKind::NotFound && all.is_empty() => return Ok(all),
                Err(e) => return Err(e),
            };
            all.extend(out.launch_template_versions.unwrap_or_default().into_iter().filter_map(version));
            if !pages.more(out.next_token, all.len())? {
                break;
            }
        }
        all.retain(|v| v.number >= min_number);
        all.sort_by_key(|v| v.number);
        Ok(all)
    }

    /// Whether these credentials may make versions of a template: a trial run, which makes none (aws-reference 13.2).
    ///
    /// # Errors
    /// `Denied` when they may not; those of a read.
    pub async fn may_create_version(&self, p: Priority, template_id: &str, source_version: i64) -> Result<(), AwsError> {
        // A member is needed for the request to be whole; the trial run changes nothing.
        let data = RequestLaunchTemplateData::builder().disable_api_termination(false).build();
        let request = self.ec2_once.create_launch_template_version().launch_template_id(template_id).dry_run(true);
        let request = request.source_version(source_version.to_string()).launch_template_data(data);
        match self.read(p, "ec2:CreateLaunchTemplateVersion", request.send()).await {
            // AWS's way to say yes.
            Err(e) if e.code.as_deref() == Some("DryRunOperation") => Ok(()),
            Ok(_) => Err(AwsError::ours(ErrorKind::Unavailable, "ec2:CreateLaunchTemplateVersion", "AWS took a trial run for a request")),
            Err(e) => Err(e),
        }
    }

    /// The last 4 KiB of an instance's console, as text; `None` when the instance is gone or has written nothing. It may
    /// hold what the boot script prints.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn console_output(&self, p: Priority, instance: &str) -> Result<Option<String>, AwsError> {
        let operation = "ec2:GetConsoleOutput";
        let request = self.ec2.get_console_output().instance_id(instance);
        let out = match self.read(p, operation, request.clone().latest(true).send()).await {
            // Only Nitro instances can give the latest (aws-reference 7.3).
            Err(e) if e.code.as_deref().is_some_and(|c| c.starts_with("Unsupported")) => self.read(p, operation, request.send()).await,
            other => other,
        };
        match out {
            Ok(out) => Ok(out.output.as_deref().and_then(console)),
            Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn console(encoded: &str) -> Option<String> {
    let compact: String = encoded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(compact).ok()?;
    let tail = &bytes[bytes.len().saturating_sub(CONSOLE_BYTES)..];
    let text = String::from_utf8_lossy(tail);
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    Some(text).filter(|t| !t.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_its_last_4_kib_without_control_characters() {
        let encode = |text: &[u8]| STANDARD.encode(text);
        assert_eq!(console(&encode(b"\x1b[32mok\r\nnext\t1")).as_deref(), Some("[32mok\nnext\t1"));
        let long = console(&encode(&[b'x'; 10_000])).expect("text");
        assert_eq!(long.len(), 4096);
        assert_eq!(console(&encode(b" \n")), None);
        assert_eq!(console("%%%"), None);
        let broken = encode(&[b'a', 0xff, b'b']);
        assert_eq!(console(&format!("{}\n{}", &broken[..2], &broken[2..])).as_deref(), Some("a\u{fffd}b"));
    }
}
