//! Basic scanning: StartImageScan and DescribeImageScanFindings (aws-reference 8).
//!
//! **Invariant:** an image's findings depend on its digest alone, not on when or how often it was scanned.

use serde_json::{Map, Value, json};

use super::{about, input::Asked, paged, repository, repository_mut, seconds, with_token};
use crate::{
    rng,
    wire::ApiError,
    world::{World, images::Scan},
};

const DAY: i64 = 86_400_000;

/// Severities, gravest first, with how many findings an image has of each at most.
const SEVERITIES: [(&str, u64); 5] = [("CRITICAL", 1), ("HIGH", 3), ("MEDIUM", 8), ("LOW", 12), ("INFORMATIONAL", 5)];

pub(super) fn start(w: &mut World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let asked = Asked::one(v)?;
    let image = asked.must_find(w, r)?;
    if !image.form.is_container() {
        return Err(ApiError::bad("UnsupportedImageTypeException", "The image is of a type that cannot be scanned."));
    }
    let now = w.now;
    if image.scan.is_some_and(|scan| now - scan.started < DAY) {
        return Err(ApiError::bad("LimitExceededException", "The scan quota per image has been exceeded. Wait and try again."));
    }
    let (name, digest) = (r.name.clone(), image.digest.clone());
    let done = now + w.params.scan.draw(w.seed, "scan", &format!("{digest}/{now}"));
    if let Some(image) = repository_mut(w, v)?.images.get_mut(&digest) {
        image.scan = Some(Scan { started: now, done });
    }
    Ok(about(w, &name, json!({"imageId": asked.with(Some(&digest)), "imageScanStatus": {"status": "IN_PROGRESS"}})))
}

pub(super) fn findings(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let asked = Asked::one(v)?;
    let image = asked.must_find(w, r)?;
    let Some(scan) = image.scan else {
        let words = format!(
            "Image scan does not exist for the image with '{asked}' in the repository with name '{}' in the registry with id '{}'",
            r.name, w.account
        );
        return Err(ApiError::bad("ScanNotFoundException", words));
    };
    let (rows, next) = paged(v, all(w, &image.digest), 1000)?;
    let complete = w.now >= scan.done;
    let (status, words) = if complete { ("COMPLETE", "The scan was completed successfully.") } else { ("IN_PROGRESS", "The scan is in progress.") };
    let mut out = about(w, &r.name, json!({"imageId": asked.with(Some(&image.digest)), "imageScanStatus": {"status": status, "description": words}}));
    if !complete {
        return Ok(out);
    }
    out["imageScanFindings"] = json!({
        "findings": rows,
        "imageScanCompletedAt": seconds(scan.done),
        "vulnerabilitySourceUpdatedAt": seconds(scan.done - DAY),
        "findingSeverityCounts": counts(w, &image.digest),
    });
    Ok(with_token(out, next))
}

fn count(w: &World, digest: &str, level: &str, most: u64) -> u64 {
    rng::hash(w.seed, level, digest) % (most + 1)
}

fn counts(w: &World, digest: &str) -> Map<String, Value> {
    let rows = SEVERITIES.iter().map(|(level, most)| ((*level).to_owned(), count(w, digest, level, *most)));
    rows.filter(|(_, n)| *n > 0).map(|(level, n)| (level, n.into())).collect()
}

/// Every finding of an image, gravest first.
fn all(w: &World, digest: &str) -> Vec<Value> {
    SEVERITIES.iter().flat_map(|(level, most)| (0..count(w, digest, level, *most)).map(|n| finding(w, digest, level, n))).collect()
}

fn finding(w: &World, digest: &str, level: &str, n: u64) -> Value {
    let key = format!("{digest}/{level}/{n}");
    let draw = |label: &str, many: u64| rng::hash(w.seed, label, &key) % many;
    let name = format!("CVE-{}-{}", 2019 + draw("cve_year", 7), 1000 + draw("cve_number", 49_000));
    let packages = ["openssl", "glibc", "zlib", "curl", "libxml2", "sqlite", "expat", "krb5"];
    let package = packages[draw("cve_package", packages.len() as u64) as usize];
    let version = format!("{}.{}.{}-{}", draw("cve_major", 4), draw("cve_minor", 40), draw("cve_patch", 20), 1 + draw("cve_release", 9));
    json!({
        "name": name,
        "description": format!("A flaw was found in {package}."),
        "uri": format!("https://nvd.nist.gov/vuln/detail/{name}"),
        "severity": level,
        "attributes": [{"key": "package_name", "value": package}, {"key": "package_version", "value": version}],
    })
}
