//! DescribeRegions.
//!
//! **Invariant:** the Region of this world is one of those that are enabled; a name that is no Region is refused.

use super::select::{filters, invalid, passes};
use crate::{
    wire::{ApiError, node::Node, xml::Fields},
    world::World,
};

/// Regions every account has.
const ENABLED: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Regions an account has to ask for.
const ASKED_FOR: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
];

pub(super) fn describe(w: &World, p: &Node) -> Result<Fields, ApiError> {
    let filters = filters(p, &["endpoint", "opt-in-status", "region-name"])?;
    let opted = |name: &str| match (ENABLED.contains(&name), name == w.region) {
        (true, _) => "opt-in-not-required",
        (false, true) => "opted-in",
        (false, false) => "not-opted-in",
    };
    let mut all: Vec<&str> = ENABLED.iter().chain(ASKED_FOR).copied().collect();
    if !all.contains(&w.region.as_str()) {
        all.push(&w.region);
    }
    let names = p.texts("RegionName");
    if let Some(lost) = names.iter().find(|n| !all.contains(&n.as_str())) {
        return Err(invalid("InvalidParameterValue", format!("Invalid region names: [{lost}]")));
    }
    let every = p.text("AllRegions") == Some("true") || !names.is_empty();
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    let rows = all.into_iter().filter(|name| {
        (every || opted(name) != "not-opted-in")
            && (names.is_empty() || names.iter().any(|n| n == name))
            && passes(&filters, |filter| match filter {
                "endpoint" => vec![endpoint(name)],
                "opt-in-status" => vec![opted(name).to_owned()],
                _ => vec![(*name).to_owned()],
            })
    });
    let rows: Vec<Fields> =
        rows.map(|name| Fields::new().set("regionName", name).set("regionEndpoint", endpoint(name)).set("optInStatus", opted(name))).collect();
    Ok(Fields::new().items("regionInfo", rows))
}
