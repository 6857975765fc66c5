//! Permission mode: whether a caller's policies allow a call (aws-reference 13; must-have 14 of section 14).
//!
//! | where | what |
//! |---|---|
//! | [`table`] | action and resource of every operation |
//! | [`resource`] | the ARNs a call names |
//! | [`context`] | the condition keys a call brings |
//! | [`launch`] | what Auto Scaling asks on top where a call names a launch template |
//!
//! **Invariant:** a caller whom no policy judges may do everything. For one who is judged, an operation without a row in the
//! table is refused, so nothing new is open by being forgotten. Judging changes nothing.

mod context;
mod launch;
mod resource;
pub(crate) mod table;

use serde_json::Value;

use crate::{
    policy::{self, Ask, Context, Decision, Document},
    services::Request,
    wire::ApiError,
    world::World,
};

/// Reads an identity policy; a condition key that no call brings here is refused too, as it would never be judged.
pub(crate) fn readable(value: &Value) -> Result<Document, String> {
    let document = Document::identity(value)?;
    let odd = document.keys().find(|key| !context::known(key)).map(|key| format!("Condition: the key {key} is not simulated"));
    odd.map_or(Ok(document), Err)
}

/// What a call asks for: nothing where it needs no permission.
pub(crate) fn asks(w: &World, request: &Request) -> Option<Vec<Ask>> {
    let row = table::row(&request.service, &request.operation)?;
    let base = context::of_request(w, request);
    let mut asks = Vec::new();
    for (action, on) in row.asks {
        for arn in resource::arns(w, request, on) {
            asks.push(Ask { action: (*action).to_owned(), context: context::of_resource(w, base.clone(), &arn), resource: arn });
        }
    }
    asks.extend(context::tagging(w, request, &base));
    Some(asks)
}

/// The policies that judge one call.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    service: String,
    caller: String,
    /// The caller's own, if any judge it.
    identity: Option<Vec<Document>>,
    /// Those its session was made with.
    session: Vec<Document>,
    context: Context,
}

impl Judge {
    /// Who judges this call; nobody where everything is allowed.
    pub(crate) fn of(w: &World, request: &Request) -> Option<Self> {
        let caller = request.principal.arn.clone();
        let identity = w.iam.judges(&caller).map(|rows| rows.into_iter().map(|(_, document)| document).collect());
        let session = request.principal.session.clone();
        if identity.is_none() && session.is_empty() {
            return None;
        }
        Some(Self { service: request.service.clone(), caller, identity, session, context: context::of_caller(w, request) })
    }

    /// What is said, and by which kind of policy.
    fn decide(&self, ask: &Ask) -> (Decision, &'static str) {
        let identity = self.identity.as_ref().map_or(Decision::Allowed, |rows| policy::decide(rows, ask));
        if identity == Decision::Allowed && !self.session.is_empty() {
            return (policy::decide(&self.session, ask), "session");
        }
        (identity, "identity-based")
    }

    /// Refuses what is not allowed.
    fn judge(&self, ask: &Ask) -> Result<(), ApiError> {
        match self.decide(ask) {
            (Decision::Allowed, _) => Ok(()),
            (decision, kind) => Err(refusal(&self.service, &self.caller, &ask.action, &ask.resource, decision, kind)),
        }
    }

    /// The same for something that comes up while the call is performed.
    pub(crate) fn check(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        self.judge(&Ask { action: action.to_owned(), resource: resource.to_owned(), context: self.context.clone() })
    }
}

/// Refuses a call that the caller's policies do not allow.
pub(crate) fn check(w: &World, request: &Request) -> Result<(), ApiError> {
    let Some(judge) = Judge::of(w, request) else {
        return Ok(());
    };
    let Some(asks) = asks(w, request) else {
        let action = format!("{}:{}", table::prefix(&request.service), request.operation);
        return Err(refusal(&request.service, &judge.caller, &action, "*", Decision::NotAllowed, "identity-based"));
    };
    // DeleteObjects judges each key on its own, and refuses it inside the answer.
    if (request.service.as_str(), request.operation.as_str()) != ("s3", "DeleteObjects") {
        asks.iter().try_for_each(|ask| judge.judge(ask))?;
    }
    launch::check(w, request, |ask| judge.decide(ask).0)
}

/// Not authorised, in the service's code and words (aws-reference 1.3).
pub(crate) fn refusal(service: &str, caller: &str, action: &str, resource: &str, decision: Decision, kind: &str) -> ApiError {
    let on = match (service, resource) {
        ("ecr", "*") => " on resource: *".to_owned(),
        (_, "*") => String::new(),
        ("s3", arn) => format!(" on resource: \"{arn}\""),
        (_, arn) => format!(" on resource: {arn}"),
    };
    let why = match decision {
        Decision::Denied => format!("with an explicit deny in {} {kind} policy", if kind == "session" { "a" } else { "an" }),
        _ => format!("because no {kind} policy allows the {action} action"),
    };
    let text = format!("User: {caller} is not authorized to perform: {action}{on} {why}");
    match service {
        "ec2" => ApiError::new(403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {text}")),
        "ecr" => ApiError::bad("AccessDeniedException", text),
        _ => ApiError::new(403, "AccessDenied", text),
    }
}

/// The same for a fault that denies a call whatever its policies say.
pub(crate) fn denied(service: &str, operation: &str, caller: &str) -> ApiError {
    let action = table::row(service, operation).and_then(|row| row.asks.first()).map(|(action, _)| (*action).to_owned());
    let action = action.unwrap_or_else(|| format!("{}:{operation}", table::prefix(service)));
    refusal(service, caller, &action, "*", Decision::NotAllowed, "identity-based")
}
