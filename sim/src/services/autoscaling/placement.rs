//! Where a group launches: its subnets and zones in requests (aws-reference 3).
//!
//! **Invariant:** a subnet exists, and where zones are named too they are the zones of the subnets.

use crate::{
    wire::{ApiError, node::Node},
    world::World,
};

/// Subnets of VPCZoneIdentifier, or one in each of AvailabilityZones; none when the request names neither.
pub(super) fn subnets(w: &World, p: &Node) -> Result<Option<Vec<String>>, ApiError> {
    let zones = p.texts("AvailabilityZones");
    if let Some(odd) = zones.iter().find(|z| !w.subnets.iter().any(|s| s.zone == **z)) {
        return Err(ApiError::validation(format!("Invalid availability zone: [{odd}]")));
    }
    let Some(text) = p.text("VPCZoneIdentifier") else {
        let of_zone = |z: &String| w.subnets.iter().find(|s| s.zone == *z).map(|s| s.id.clone());
        return Ok(Some(zones.iter().filter_map(of_zone).collect()).filter(|rows: &Vec<String>| !rows.is_empty()));
    };
    let ids: Vec<String> = text.split(',').map(|s| s.trim().to_owned()).collect();
    let mut here = Vec::new();
    for id in &ids {
        match w.subnets.iter().find(|s| s.id == *id) {
            Some(s) => here.push(&s.zone),
            None => return Err(ApiError::validation(format!("The subnet ID '{id}' does not exist"))),
        }
    }
    if !zones.is_empty() && (zones.iter().any(|z| !here.contains(&z)) || here.iter().any(|z| !zones.contains(z))) {
        return Err(ApiError::validation("The availability zones of the specified subnets and the Auto Scaling group do not match"));
    }
    Ok(Some(ids))
}
