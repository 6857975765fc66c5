//! DescribeImageScanFindings (aws-reference 8).
//!
//! **Invariant:** an image's findings depend on its digest alone.

use serde_json::{Map, Value, json};

use super::{find, not_found, repository, seconds};
use crate::{rng, wire::ApiError, world::World};

pub(super) fn findings(w: &World, v: &Value) -> Result<Value, ApiError> {
    let r = repository(w, v)?;
    let empty = Value::Null;
    let node = v.get("imageId").unwrap_or(&empty);
    let id = (node.get("imageDigest").and_then(Value::as_str), node.get("imageTag").and_then(Value::as_str));
    let i = find(r, id).map_err(|_| not_found(w, r, id))?;
    let done = w.now >= i.scanned_at;
    let count = |level: &str, most: u64| rng::hash(w.seed, level, &i.digest) % (most + 1);
    let mut counts = Map::new();
    for (level, most) in [("CRITICAL", 1), ("HIGH", 3), ("MEDIUM", 8), ("LOW", 12), ("INFORMATIONAL", 5)] {
        let n = count(level, most);
        if n > 0 {
            counts.insert(level.into(), n.into());
        }
    }
    let mut out = json!({
        "registryId": w.account,
        "repositoryName": r.name,
        "imageId": {"imageDigest": i.digest},
        "imageScanStatus": {
            "status": if done { "COMPLETE" } else { "IN_PROGRESS" },
            "description": if done { "The scan was completed successfully." } else { "The scan is in progress." },
        },
    });
    if let (Some(tag), Some(map)) = (id.1, out.get_mut("imageId").and_then(Value::as_object_mut)) {
        map.insert("imageTag".into(), tag.into());
    }
    if let (true, Some(map)) = (done, out.as_object_mut()) {
        map.insert(
            "imageScanFindings".into(),
            json!({
                "findings": [],
                "imageScanCompletedAt": seconds(i.scanned_at),
                "vulnerabilitySourceUpdatedAt": seconds(i.scanned_at - 86_400_000),
                "findingSeverityCounts": counts,
            }),
        );
    }
    Ok(out)
}
