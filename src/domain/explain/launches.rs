//! Launches that fail (aws-reference 4.2, 5.3): told apart by AWS's error codes and by the sentences of its user guide.
//!
//! **Invariant:** a text that is neither is shown as AWS wrote it.

use super::words::{act, capacity, quoted, since, ways_out};
use super::{Act, Action, By, Cause, Found, Scene};
use crate::domain::observation::{Activity, Millis};

/// Without a running change, failures of this last while count.
const LATELY_MS: i64 = 3_600_000;
/// Longest that AWS lets pass between two tries, as far as seen: after it a failure proves nothing of now.
const RETRIED_MS: i64 = 1_200_000;

/// What all of these words stand for, the narrower first: AWS puts several of them behind `fully-formed launch template`.
const KNOWN: [(&[&str], Cause); 25] = [
    (&["UnauthorizedOperation"], Cause::LaunchUnauthorized),
    (&["AccessDenied"], Cause::LaunchUnauthorized),
    (&["ou are not authorized"], Cause::LaunchUnauthorized),
    (&["InvalidKMSKey"], Cause::LaunchKeyUnusable),
    (&["KMSKeyNotAccessible"], Cause::LaunchKeyUnusable),
    (&["Client.InternalError", "lient error on launch"], Cause::LaunchKeyUnusable),
    (&["InvalidAMIID"], Cause::LaunchImageMissing),
    (&["AMI ID", "does not exist"], Cause::LaunchImageMissing),
    (&["image id", "does not exist"], Cause::LaunchImageMissing),
    (&["InvalidGroup.NotFound"], Cause::LaunchSecurityGroupMissing),
    (&["InvalidSecurityGroupID"], Cause::LaunchSecurityGroupMissing),
    (&["security group", "does not exist"], Cause::LaunchSecurityGroupMissing),
    (&["InvalidLaunchTemplate"], Cause::LaunchTemplateInvalid),
    (&["valid fully-formed launch template"], Cause::LaunchTemplateInvalid),
    (&["VcpuLimitExceeded"], Cause::LaunchQuota),
    (&["InstanceLimitExceeded"], Cause::LaunchQuota),
    (&["MaxSpotInstanceCountExceeded"], Cause::LaunchQuota),
    (&["than your current", "limit of"], Cause::LaunchQuota),
    (&["InsufficientFreeAddressesInSubnet"], Cause::LaunchNoAddresses),
    (&["not", "enough free addresses in subnet"], Cause::LaunchNoAddresses),
    (&["SpotMaxPriceTooLow"], Cause::LaunchSpot),
    (&["Could not launch Spot Instances"], Cause::LaunchSpot),
    (&["InsufficientInstanceCapacity"], Cause::LaunchNoCapacity),
    (&["do not have sufficient", "capacity in the Availability Zone you requested"], Cause::LaunchNoCapacity),
    (&["Lifecycle Action", "was abandoned"], Cause::LaunchAbandoned),
];

/// What AWS's message stands for; [`Cause::LaunchFailed`] for one that is not known.
pub(super) fn class(message: &str) -> Cause {
    KNOWN.iter().find(|(needles, _)| needles.iter().all(|n| message.contains(n))).map_or(Cause::LaunchFailed, |(_, cause)| *cause)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found).filter(|f| !f.is_empty() && f.len() < 40)
}

/// What is missing, in our words, with AWS's own where those say more.
fn words(cause: Cause, message: &str, zone: Option<&str>) -> String {
    let said = message.split_once("Status Reason: ").map_or(message, |(_, said)| said);
    let place = zone.map_or_else(String::new, |z| format!(" in {z}"));
    match cause {
        Cause::LaunchNoCapacity => {
            let kind = between(message, "sufficient ", " capacity").map_or_else(String::new, |k| format!("{k} "));
            format!("AWS has no {kind}capacity{place}")
        }
        Cause::LaunchQuota => format!("The account's quota is used up, so AWS starts no instance: {}", quoted(said)),
        Cause::LaunchNoAddresses => format!("The subnet{place} has no free address for another instance: {}", quoted(said)),
        Cause::LaunchImageMissing => format!("The template's machine image is gone: {}", quoted(said)),
        Cause::LaunchSecurityGroupMissing => format!("The template names a security group that is gone: {}", quoted(said)),
        Cause::LaunchTemplateInvalid => format!("AWS can not launch from the template: {}", quoted(said)),
        Cause::LaunchUnauthorized => format!("AWS may not start the instance for this group: {}", quoted(said)),
        Cause::LaunchKeyUnusable => format!("The key of the instance's disk can not be used: {}", quoted(said)),
        Cause::LaunchSpot => format!("AWS gives no Spot instance{place}: {}", quoted(said)),
        Cause::LaunchAbandoned => format!("A lifecycle hook gave up the last launch: {}", quoted(said)),
        _ => format!("Launches fail; AWS says {}", quoted(said)),
    }
}

fn remedies(cause: Cause) -> Vec<Action> {
    match cause {
        Cause::LaunchNoCapacity | Cause::LaunchSpot => vec![
            act(Act::UseAnotherZone, "Wait, as AWS tries again by itself; or add a subnet in another zone or an instance type that has capacity."),
            capacity("Lower what is wanted, if fewer instances are enough for now."),
        ],
        Cause::LaunchQuota => vec![
            act(Act::RaiseQuota, "Ask AWS for a higher quota (Service Quotas, EC2), or end instances that nobody needs."),
            capacity("Lower what is wanted, if fewer instances are enough for now."),
        ],
        Cause::LaunchNoAddresses => vec![act(Act::FreeAddresses, "Free addresses in the subnet, or add a larger subnet to the group.")],
        Cause::LaunchUnauthorized => {
            vec![act(Act::FixPermission, "Let the group's service-linked role, and whoever started the refresh, use the template's parts.")]
        }
        Cause::LaunchKeyUnusable => {
            vec![act(Act::FixPermission, "Enable the key, and let the group's service-linked role use it.")]
        }
        Cause::LaunchAbandoned => vec![act(Act::LookInAws, "Look at what answers the hook: it said ABANDON, or nothing in time.")],
        Cause::LaunchImageMissing | Cause::LaunchSecurityGroupMissing | Cause::LaunchTemplateInvalid => {
            vec![act(Act::FixTemplate, "Bring back what the template names, or take the change back and repair the template.")]
        }
        _ => vec![act(Act::LookInAws, "Read the scaling activities of the group in AWS.")],
    }
}

fn by(cause: Cause) -> By {
    match cause {
        Cause::LaunchNoCapacity | Cause::LaunchQuota | Cause::LaunchSpot | Cause::LaunchNoAddresses => By::Aws,
        Cause::LaunchUnauthorized | Cause::LaunchKeyUnusable | Cause::LaunchImageMissing | Cause::LaunchSecurityGroupMissing => By::Others,
        _ => By::Unknown,
    }
}

fn launch(a: &Activity) -> bool {
    a.description.starts_with("Launching")
}

fn failed(a: &Activity) -> bool {
    a.status == "Failed" || a.status == "Cancelled" && a.message.is_some()
}

fn zone(a: &Activity) -> Option<&str> {
    // A launch that got no instance is in no zone but the one that AWS asked for.
    a.zone.as_deref().or_else(|| between(a.message.as_deref()?, "you requested (", ")"))
}

pub(super) fn rules(scene: &Scene<'_>, found: &mut Vec<Found>) {
    let from = scene.running.and_then(|c| c.progress.started_at).unwrap_or(scene.now - LATELY_MS);
    let at = |a: &Activity| a.started_at.unwrap_or_default();
    let launches: Vec<&Activity> = scene.obs.activities.iter().filter(|a| launch(a) && at(a) >= from).collect();
    let newest = launches.iter().copied().filter(|a| failed(a)).max_by_key(|a| at(a));
    let Some(newest) = newest else { return };
    let good = |a: &&Activity, after: Millis| !failed(a) && at(a) >= after;
    let total = !launches.iter().any(|a| good(a, at(newest)));
    if total && scene.launches() && scene.now - at(newest) < RETRIED_MS {
        let message = newest.message.as_deref().unwrap_or_default();
        let cause = class(message);
        // Since the first of the failures that no success interrupts.
        let last_good = launches.iter().filter(|a| !failed(a)).map(|a| at(a)).max().unwrap_or(Millis::MIN);
        let first = launches.iter().filter(|a| failed(a) && at(a) > last_good && class(a.message.as_deref().unwrap_or_default()) == cause);
        let since_at = first.map(|a| at(a)).min();
        let out = scene.running.iter().flat_map(ways_out);
        let words = format!("{}{}.", words(cause, message, zone(newest)), since(scene.now, since_at));
        found.push(Found::amiss(cause, by(cause), words).since(since_at).may(remedies(cause)).may(out));
    }
    // Zones whose last launch failed, while others take its place.
    let mut told: Vec<&str> = Vec::new();
    for a in launches.iter().filter(|a| failed(a)) {
        let Some(z) = zone(a).filter(|z| !told.contains(z)) else { continue };
        told.push(z);
        let better = launches.iter().any(|b| good(b, at(a)) && zone(b) == Some(z));
        if better || total && std::ptr::eq(*a, newest) {
            continue;
        }
        let message = a.message.as_deref().unwrap_or_default();
        let cause = class(message);
        let first = launches.iter().filter(|b| failed(b) && zone(b) == Some(z)).map(|b| at(b)).min();
        let words = format!("{}{}.", words(cause, message, Some(z)), since(scene.now, first));
        found.push(Found::amiss(Cause::ZoneLaunchesFail, by(cause), words).since(first).may(remedies(cause)));
    }
}
