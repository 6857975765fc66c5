//! AWS STS, API 2011-06-15 (aws-reference 11).
//!
//! **Invariant:** a role is assumed only if it exists and its external id, where it has one, is presented; keys given out
//! are known afterwards, so that calls made with them show the session. They expire in real time, because SDKs judge
//! expiry by the machine's clock.

use super::{Principal, read, unknown};
use crate::{
    clock,
    wire::{ApiError, node::Node, xml::Fields},
    world::{Session, World},
};

/// Routes an operation.
pub(crate) fn call(w: &mut World, op: &str, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    match op {
        "GetCallerIdentity" => Ok(Fields::new().set("Arn", &who.arn).set("UserId", &who.user_id).set("Account", &who.account)),
        "AssumeRole" => assume_role(w, p, who),
        _ => Err(unknown(op, "2011-06-15")),
    }
}

fn assume_role(w: &mut World, p: &Node, who: &Principal) -> Result<Fields, ApiError> {
    let arn = read::need(p, "RoleArn")?.to_owned();
    let name = read::need(p, "RoleSessionName")?.to_owned();
    let seconds = read::int_in(p, "DurationSeconds", 900, 43_200)?.unwrap_or(3600);
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(fine) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    let allowed = w.roles.iter().any(|r| r.arn == arn && (r.external_id.is_none() || r.external_id.as_deref() == p.text("ExternalId")));
    if !allowed {
        return Err(ApiError::new(403, "AccessDenied", format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", who.arn)));
    }
    let parts: Vec<&str> = arn.split(':').collect();
    let account = parts.get(4).copied().unwrap_or_default().to_owned();
    let role = arn.rsplit('/').next().unwrap_or_default();
    let role_id = format!("AROA{}", crate::rng::hex(w.seed, "role", &arn, 17).to_uppercase());
    let key = format!("ASIA{}", w.new_hex("access_key", 16).to_uppercase());
    let secret = w.new_hex("secret", 40);
    let token = w.new_hex("token", 200);
    let expires = w.wall + seconds * 1000;
    let session = Session {
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
        user_id: format!("{role_id}:{name}"),
        account,
        seconds,
        expires: Some(expires),
    };
    let out = Fields::new()
        .set(
            "Credentials",
            Fields::new()
                .set("AccessKeyId", &key)
                .set("SecretAccessKey", secret)
                .set("SessionToken", token)
                .set("Expiration", clock::iso_seconds(expires)),
        )
        .set("AssumedRoleUser", Fields::new().set("AssumedRoleId", &session.user_id).set("Arn", &session.arn))
        .set("PackedPolicySize", 0i64);
    w.sessions.insert(key, session);
    Ok(out)
}
