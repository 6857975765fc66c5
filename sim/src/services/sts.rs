//! AWS STS, API 2011-06-15 (aws-reference 11).
//!
//! **Invariant:** a role is assumed only if it exists and its trust policy names the caller, with its external id where it asks
//! for one; keys given out are known afterwards, so that calls made with them show the session. They expire in real time, because SDKs judge
//! expiry by the machine's clock.

use super::{Principal, read, unknown};
use crate::{
    authorize, clock,
    policy::{self, Ask, Context, Decision, Document},
    wire::{ApiError, node::Node, xml::Fields},
    world::{
        Session, World,
        iam::{Role, managed},
    },
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
    let mut context = Context::default().with("sts:RoleSessionName", &name);
    if let Some(id) = p.text("ExternalId") {
        context.add("sts:ExternalId", id);
    }
    let ask = Ask { action: "sts:AssumeRole".into(), resource: arn.clone(), context };
    let own = w.iam.role_of(&who.arn).map(|r| r.arn.clone());
    let role = w.iam.role_at(&arn);
    let trusted = |r: &&Role| policy::trusts(&r.trust.document, &ask, |p| p.name_caller(&who.arn, own.as_deref())) == Decision::Allowed;
    let Some(role) = role.filter(trusted) else {
        return Err(ApiError::new(403, "AccessDenied", format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", who.arn)));
    };
    if seconds > role.max_session {
        return Err(ApiError::validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }
    if own.is_some() && seconds > 3600 {
        return Err(ApiError::validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"));
    }
    let policies = session_policies(p)?;
    let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
    let (role, role_id) = (role.name.clone(), role.id.clone());
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
        policies,
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
    if let Some(role) = w.iam.roles.get_mut(&role) {
        role.used = Some(w.now);
    }
    Ok(out)
}

/// `Policy` and `PolicyArns`: what the session may do at most.
fn session_policies(p: &Node) -> Result<Vec<Document>, ApiError> {
    let malformed = |why: String| ApiError::bad("MalformedPolicyDocument", why);
    let mut out = Vec::new();
    if let Some(text) = p.text("Policy") {
        let value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json".into()))?;
        out.push(authorize::readable(&value).map_err(malformed)?);
    }
    for row in p.list("PolicyArns") {
        let arn = read::need(row, "arn")?;
        let document = managed::find(arn).and_then(|m| m.read());
        out.push(document.ok_or_else(|| ApiError::validation(format!("PolicyArn {arn} is not found or not attachable")))?);
    }
    Ok(out)
}
