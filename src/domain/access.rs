//! Who may do what: the pure core of the one gate.
//!
//! **Invariant:** a [`Permit`] can be obtained from [`decide`] alone (or, for the engine's own bookkeeping, from
//! [`Permit::engine`]); every audited write needs one. What an actor may not see is "not found".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Kind;
use super::problem::Problem;

/// What a person may do in a scope. Roles do not include one another: an admin who should approve is an approver too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May look.
    Viewer,
    /// May look and ask for changes.
    Deployer,
    /// May look and decide about other people's changes.
    Approver,
    /// May look, adopt environments, force-close, and manage people and tokens.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Deployer, Self::Approver, Self::Admin];
    /// As stored and typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| format!("`{text}` is no role; use viewer, deployer, approver or admin"))
    }
}

/// Every environment, in grants and token scopes.
pub const EVERYWHERE: &str = "*";

/// Scope (`app/env` or `*`) to roles.
pub type Grants = BTreeMap<String, Vec<Role>>;

/// What kind of caller acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A signed-in person.
    Person,
    /// An API token.
    Token,
    /// Someone with a shell on the machine, by the admin verbs.
    Host,
    /// Fleetgate itself, carrying out what was decided.
    Engine,
    /// Nobody we know.
    Anonymous,
}

/// Who acts, with what rights, from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Kind.
    pub kind: ActorKind,
    /// `anna`, `token:ci`, `host:root`, `fleetgate`.
    pub name: String,
    /// The person's row id, for persons; the token's, for tokens.
    pub id: i64,
    /// Rights.
    pub grants: Grants,
    /// Address and request id, for the audit.
    pub origin: Origin,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Peer address.
    pub address: Option<String>,
    /// Request id.
    pub request: Option<String>,
}

impl Actor {
    /// Fleetgate itself.
    pub fn engine() -> Self {
        Self { kind: ActorKind::Engine, name: "fleetgate".into(), id: 0, grants: Grants::new(), origin: Origin::default() }
    }
    /// Someone with a shell on the machine.
    pub fn host(user: &str) -> Self {
        Self {
            kind: ActorKind::Host,
            name: format!("host:{user}"),
            id: 0,
            grants: Grants::from([(EVERYWHERE.into(), vec![Role::Admin])]),
            origin: Origin::default(),
        }
    }
    /// Nobody we know.
    pub fn anonymous(origin: Origin) -> Self {
        Self { kind: ActorKind::Anonymous, name: "anonymous".into(), id: 0, grants: Grants::new(), origin }
    }
    /// Has `role` in `scope` or everywhere.
    pub fn has(&self, role: Role, scope: &str) -> bool {
        [scope, EVERYWHERE].iter().any(|s| self.grants.get(*s).is_some_and(|roles| roles.contains(&role)))
    }
    /// Has any role in `scope` or everywhere: may look.
    pub fn sees(&self, scope: &str) -> bool {
        Role::ALL.into_iter().any(|r| self.has(r, scope))
    }
    /// Sees anything at all of this application.
    pub fn sees_app(&self, app: &str) -> bool {
        self.grants.iter().any(|(scope, roles)| !roles.is_empty() && (scope == EVERYWHERE || scope.split('/').next() == Some(app)))
    }
    /// What a list is narrowed to: `None` where a role holds everywhere.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let everywhere = self.grants.get(EVERYWHERE).is_some_and(|roles| !roles.is_empty());
        (!everywhere).then(|| self.grants.keys().cloned().collect())
    }
    /// Has `role` anywhere in this application.
    pub fn has_in_app(&self, role: Role, app: &str) -> bool {
        self.grants.iter().any(|(scope, roles)| roles.contains(&role) && (scope == EVERYWHERE || scope.split('/').next() == Some(app)))
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Look at an environment.
    View,
    /// Ask for a change of this kind.
    Request(Kind),
    /// Approve a change.
    Approve,
    /// Reject a change.
    Reject,
    /// Cancel or undo a change.
    Cancel,
    /// End a change by hand.
    ForceClose,
    /// Name an image of an application as a release.
    MakeRelease,
    /// Create an application.
    CreateApplication,
    /// Adopt an environment.
    Adopt,
    /// Create a person.
    AddPerson,
    /// Give a person a role.
    GrantRole,
    /// Take a role from a person.
    RevokeRole,
    /// Make a person's password void and a new setup link.
    ResetPerson,
    /// Shut a person out.
    DisablePerson,
    /// Let a person in again.
    EnablePerson,
    /// Create an API token.
    CreateToken,
    /// Revoke an API token.
    RevokeToken,
    /// End the session that one uses.
    SignOut,
    /// End another session of one's own.
    EndSession,
    /// Change one's own password.
    ChangePassword,
    /// Recompute the whole chain of the trail.
    VerifyAudit,
}

impl Act {
    /// As written to the audit.
    pub fn name(&self) -> String {
        match self {
            Self::View => "environment.view".into(),
            Self::Request(kind) => format!("change.request.{}", kind.name()),
            Self::Approve => "change.approve".into(),
            Self::Reject => "change.reject".into(),
            Self::Cancel => "change.cancel".into(),
            Self::ForceClose => "change.force_close".into(),
            Self::MakeRelease => "release.create".into(),
            Self::CreateApplication => "application.create".into(),
            Self::Adopt => "environment.adopt".into(),
            Self::AddPerson => "person.add".into(),
            Self::GrantRole => "person.grant".into(),
            Self::RevokeRole => "person.revoke".into(),
            Self::ResetPerson => "person.reset".into(),
            Self::DisablePerson => "person.disable".into(),
            Self::EnablePerson => "person.enable".into(),
            Self::CreateToken => "token.create".into(),
            Self::RevokeToken => "token.revoke".into(),
            Self::SignOut => "account.sign_out".into(),
            Self::EndSession => "account.end_session".into(),
            Self::ChangePassword => "account.password".into(),
            Self::VerifyAudit => "audit.verify".into(),
        }
    }
}

/// What it is asked for on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On<'a> {
    /// An environment, by `app/env`.
    Environment(&'a str),
    /// An application, by name.
    Application(&'a str),
    /// A person, by name.
    Person(&'a str),
    /// An API token, by name.
    Token(&'a str),
    /// The whole installation.
    Everything,
}

impl On<'_> {
    /// As written to the audit.
    pub fn name(&self) -> String {
        match self {
            Self::Environment(scope) => (*scope).to_owned(),
            Self::Application(app) => (*app).to_owned(),
            Self::Person(name) => format!("person:{name}"),
            Self::Token(name) => format!("token:{name}"),
            Self::Everything => EVERYWHERE.into(),
        }
    }
}

/// What the gate must know beside the actor's rights. All of it is read before the decision; the database's unique
/// index and compare-and-set hold it against a race.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The change in the way, when one holds the lane that this one needs: number and sentence.
    pub busy: Option<(i64, String)>,
    /// Who requested or edited the change that is decided on.
    pub authors: Vec<String>,
    /// Who decided on it already, for this very plan.
    pub decided: Vec<String>,
    /// The hash the caller decides on, and the change's present one.
    pub hashes: Option<(String, String)>,
    /// The change's state allows the act; otherwise why not.
    pub state_refuses: Option<String>,
    /// A second admin exists, so that the host has no rights on protected environments.
    pub second_admin: bool,
    /// The environment is protected; for an act on a person: their roles reach a protected environment.
    pub protected: bool,
}

/// Proof that the gate was passed. Holds what the audit entry says of the act.
#[derive(Clone, Debug)]
pub struct Permit {
    actor: Actor,
    action: String,
    target: String,
}

impl Permit {
    /// For what the engine does on behalf of a change that already passed the gate.
    pub fn engine(action: &str, target: &str) -> Self {
        Self { actor: Actor::engine(), action: action.into(), target: target.into() }
    }
    /// For recording something that happened to an actor and needs no right: a refusal, a sign-in, a sign-out.
    pub fn witness(actor: &Actor, action: &str, target: &str) -> Self {
        Self { actor: actor.clone(), action: action.into(), target: target.into() }
    }
    /// Who.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
    /// What.
    pub fn action(&self) -> &str {
        &self.action
    }
    /// On what.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// The gate: permission, four eyes, binding of the approval, and one writer, in this order.
///
/// # Errors
/// `NotFound` for what the actor may not see; `Forbidden` naming the right and who can grant it; `Conflict` naming what
/// is in the way.
pub fn decide(actor: &Actor, act: &Act, on: &On<'_>, facts: &Facts) -> Result<Permit, Problem> {
    let role = match act {
        Act::View => None,
        Act::Request(_) | Act::Cancel | Act::MakeRelease => Some(Role::Deployer),
        Act::Approve | Act::Reject => Some(Role::Approver),
        Act::ForceClose
        | Act::CreateApplication
        | Act::Adopt
        | Act::AddPerson
        | Act::GrantRole
        | Act::RevokeRole
        | Act::ResetPerson
        | Act::DisablePerson
        | Act::EnablePerson
        | Act::CreateToken
        | Act::RevokeToken => Some(Role::Admin),
        Act::SignOut | Act::EndSession | Act::ChangePassword | Act::VerifyAudit => None,
    };
    let own = matches!(act, Act::SignOut | Act::EndSession | Act::ChangePassword);
    let sees = match on {
        On::Environment(scope) => actor.sees(scope),
        On::Application(app) => actor.sees_app(app),
        On::Everything | On::Person(_) | On::Token(_) => !matches!(actor.kind, ActorKind::Anonymous),
    };
    if !sees {
        return Err(Problem::NotFound(format!("There is no {} here that you may see.", on.name())));
    }
    if own && actor.kind != ActorKind::Person {
        return Err(Problem::Forbidden("Only a signed-in person has an account here; a token has none.".into()));
    }
    // The whole trail is for those who see all of it.
    if matches!(act, Act::VerifyAudit) && actor.scopes().is_some() {
        return Err(Problem::Forbidden(
            "Recomputing the whole trail needs a role for every environment. Ask an admin, or use `fleetgate audit verify`.".into(),
        ));
    }
    let who = "An admin can grant it, under Admin, People.";
    if let Some(role) = role {
        let holds = match on {
            On::Environment(scope) => actor.has(role, scope),
            On::Application(app) => actor.has_in_app(role, app),
            On::Everything | On::Person(_) | On::Token(_) => actor.has(role, EVERYWHERE),
        };
        // An approver may withdraw what is running, as a rejection after the fact.
        let holds =
            holds || (matches!(act, Act::Cancel) && matches!(on, On::Environment(s) if actor.has(Role::Approver, s) || actor.has(Role::Admin, s)));
        if !holds {
            return Err(Problem::Forbidden(format!("This needs the {} role for {}. {who}", role.name(), on.name())));
        }
        if actor.kind == ActorKind::Token && matches!(role, Role::Approver | Role::Admin) {
            return Err(Problem::Forbidden("API tokens can not approve, reject or administer. A person must do this, signed in.".into()));
        }
        if actor.kind == ActorKind::Host && facts.protected && facts.second_admin {
            return Err(Problem::Forbidden(
                "A second admin exists, so the machine's own user has no rights on protected environments. Sign in as a person.".into(),
            ));
        }
    }
    if let On::Person(name) = on
        && !own
        && actor.name == *name
    {
        return Err(Problem::Forbidden("Nobody changes their own roles or account state. Another admin must do this.".into()));
    }
    if matches!(act, Act::Approve) {
        if facts.authors.contains(&actor.name) {
            return Err(Problem::Forbidden("You requested this change, or made the token that did, so another person must approve it.".into()));
        }
        if facts.decided.contains(&actor.name) {
            return Err(Problem::conflict("You have already decided on this plan; nobody counts twice."));
        }
    }
    if let Some(why) = &facts.state_refuses {
        return Err(Problem::conflict(why.clone()));
    }
    if let Some((seen, now)) = &facts.hashes
        && seen != now
    {
        return Err(Problem::conflict("The plan is no longer the one that you saw. Read it again, then decide."));
    }
    if let Some((number, sentence)) = &facts.busy {
        return Err(Problem::busy(sentence.clone(), *number));
    }
    Ok(Permit { actor: actor.clone(), action: act.name(), target: on.name() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, scope: &str, roles: &[Role]) -> Actor {
        Actor { kind: ActorKind::Person, name: name.into(), id: 1, grants: Grants::from([(scope.into(), roles.to_vec())]), origin: Origin::default() }
    }

    #[test]
    fn what_is_not_visible_is_not_found_and_what_is_visible_is_forbidden() {
        let viewer = person("vi", "app/staging", &[Role::Viewer]);
        let on = On::Environment("app/staging");
        assert_eq!(decide(&viewer, &Act::Request(Kind::Deploy), &on, &Facts::default()).unwrap_err().status(), 403);
        assert_eq!(decide(&viewer, &Act::Request(Kind::Deploy), &On::Environment("app/production"), &Facts::default()).unwrap_err().status(), 404);
        assert!(decide(&viewer, &Act::View, &on, &Facts::default()).is_ok());
    }

    #[test]
    fn nobody_approves_their_own_change_or_twice_and_tokens_never_do() {
        let on = On::Environment("app/production");
        let dana = person("dana", "*", &[Role::Approver, Role::Deployer]);
        let by = |author: &str, decided: &[&str]| Facts {
            authors: vec![author.into()],
            decided: decided.iter().map(|s| (*s).into()).collect(),
            ..Facts::default()
        };
        assert!(decide(&dana, &Act::Approve, &on, &by("carl", &[])).is_ok());
        assert_eq!(decide(&dana, &Act::Approve, &on, &by("dana", &[])).unwrap_err().status(), 403);
        assert_eq!(decide(&dana, &Act::Approve, &on, &by("carl", &["dana"])).unwrap_err().status(), 409);
        let token = Actor { kind: ActorKind::Token, ..dana };
        assert_eq!(decide(&token, &Act::Approve, &on, &by("carl", &[])).unwrap_err().status(), 403);
    }

    #[test]
    fn an_approval_is_for_the_plan_that_was_seen() {
        let dana = person("dana", "*", &[Role::Approver]);
        let facts = Facts { hashes: Some(("a".into(), "b".into())), ..Facts::default() };
        assert_eq!(decide(&dana, &Act::Approve, &On::Environment("app/production"), &facts).unwrap_err().status(), 409);
    }

    #[test]
    fn the_host_has_no_rights_on_protected_environments_once_a_second_admin_exists() {
        let host = Actor::host("root");
        let facts = Facts { protected: true, second_admin: true, ..Facts::default() };
        assert_eq!(decide(&host, &Act::ForceClose, &On::Environment("app/production"), &facts).unwrap_err().status(), 403);
    }
}
