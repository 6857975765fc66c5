//! People: who is here, what each may do, and the links by which they choose their own passwords.
//!
//! **Invariant:** nobody changes their own roles or account state, nobody but the person ever knows a password, and somebody who is
//! admin everywhere always remains.

use serde_json::json;

use super::App;
use super::sessions::{NewSession, secret};
use crate::domain::access::{Act, Actor, ActorKind, EVERYWHERE, Facts, Grants, On, Origin, Permit, Role, decide};
use crate::domain::application::slug;
use crate::domain::canonical::sha256_hex;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::store::people::Person;
use crate::store::{NewEntry, StoreError, WriteTx};

/// Life of a setup link.
pub const SETUP_LINK_MS: Millis = 3 * 86_400_000;

impl App {
    /// Creates a person who has no password yet; returns the secret of their setup link, which is kept nowhere.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, or `Conflict` when the name is taken.
    pub async fn add_person(&self, actor: &Actor, name: &str, grants: &Grants) -> Result<String, Problem> {
        let permit = self.people_gate(actor, &Act::AddPerson, name, grants).await?;
        slug("name", name).map_err(|e| Problem::Invalid(vec![e]))?;
        for scope in grants.keys() {
            self.check_scope(scope).await?;
        }
        let (link, hash, expires) = self.new_link()?;
        let (name_owned, grants_owned, by) = (name.to_owned(), grants.clone(), actor.name.clone());
        let entry = NewEntry::done().after(&json!({"person": name, "grants": grants, "setup_link_until": expires}));
        let done = self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    let id = tx.insert_person(&name_owned, &grants_owned).await?;
                    tx.insert_setup_link(id, &hash, &by, expires).await
                })
            })
            .await;
        match done {
            Ok(()) => Ok(link),
            Err(StoreError::Duplicate) => Err(Problem::Invalid(vec![crate::domain::problem::FieldError::new(
                "name",
                format!("there is a person named {name} already; names are not used again, so that the audit stays clear"),
            )])),
            Err(e) => Err(e.into()),
        }
    }

    /// Gives a person a role in a scope.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`.
    pub async fn grant_role(&self, actor: &Actor, name: &str, scope: &str, role: Role) -> Result<(), Problem> {
        let wanted = Grants::from([(scope.to_owned(), vec![role])]);
        let permit = self.people_gate(actor, &Act::GrantRole, name, &wanted).await?;
        let person = self.person(name).await?;
        self.check_scope(scope).await?;
        let before = self.store.grants(person.id).await?;
        let scope_owned = scope.to_owned();
        let entry = NewEntry::done().before(&json!({"person": name, "grants": before})).after(&json!({"person": name, "given": wanted}));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.insert_grant(person.id, &scope_owned, role).await })).await?)
    }

    /// Takes a role in a scope from a person. It bites on their next request.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Conflict` for the last admin.
    pub async fn revoke_role(&self, actor: &Actor, name: &str, scope: &str, role: Role) -> Result<(), Problem> {
        let permit = self.people_gate(actor, &Act::RevokeRole, name, &Grants::new()).await?;
        let person = self.person(name).await?;
        let before = self.store.grants(person.id).await?;
        let scope_owned = scope.to_owned();
        let entry = NewEntry::done().before(&json!({"person": name, "grants": before})).after(&json!({"person": name, "taken": {scope: role}}));
        Ok(self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    if !tx.delete_grant(person.id, &scope_owned, role).await? {
                        return Err(Problem::conflict("They do not have that role. Somebody may have taken it a moment ago.").into());
                    }
                    still_an_admin(tx).await
                })
            })
            .await?)
    }

    /// Disables a person; their sessions end with it.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `Conflict` for the last admin.
    pub async fn disable_person(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let permit = self.people_gate(actor, &Act::DisablePerson, name, &Grants::new()).await?;
        let person = self.person(name).await?;
        let entry = NewEntry::done().before(&json!({"person": name})).after(&json!({"person": name, "disabled": true}));
        Ok(self
            .store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    tx.disable_person(person.id).await?;
                    still_an_admin(tx).await
                })
            })
            .await?)
    }

    /// Lets a disabled person in again, with the roles that they had.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`.
    pub async fn enable_person(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let person = self.person_for(actor, &Act::EnablePerson, name).await?;
        let grants = self.store.grants(person.id).await?;
        let permit = self.people_gate(actor, &Act::EnablePerson, name, &grants).await?;
        let entry = NewEntry::done().before(&json!({"person": name, "disabled": true})).after(&json!({"person": name, "grants": grants}));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.enable_person(person.id).await })).await?)
    }

    /// Makes a person's password void and ends their sessions; returns the secret of a new setup link.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Conflict` for somebody who is disabled.
    pub async fn reset_person(&self, actor: &Actor, name: &str) -> Result<String, Problem> {
        let person = self.person_for(actor, &Act::ResetPerson, name).await?;
        // Whoever makes the link could use it: it gives what the person has. For an admin the machine stays the last way in.
        let mut gives = self.store.grants(person.id).await?;
        if gives.get(EVERYWHERE).is_some_and(|roles| roles.contains(&Role::Admin)) {
            gives.clear();
        }
        let permit = self.people_gate(actor, &Act::ResetPerson, name, &gives).await?;
        if person.disabled_at.is_some() {
            return Err(Problem::conflict(format!("{name} is disabled. Let them in again first.")));
        }
        let (link, hash, expires) = self.new_link()?;
        let by = actor.name.clone();
        let entry = NewEntry::done().after(&json!({"person": name, "password": "void", "setup_link_until": expires}));
        self.store
            .write(&permit, entry, move |tx| {
                Box::pin(async move {
                    tx.set_password(person.id, "").await?;
                    tx.insert_setup_link(person.id, &hash, &by, expires).await
                })
            })
            .await?;
        Ok(link)
    }

    /// Whose setup link this is. Looking does not use it up: mail programs look at links too.
    ///
    /// # Errors
    /// `NotFound` when it was used, replaced, or is older than [`SETUP_LINK_MS`].
    pub async fn setup_link(&self, link: &str) -> Result<Person, Problem> {
        let gone = || {
            Problem::NotFound("This link was used already, replaced by a newer one, or is over three days old. Ask an admin for a new one.".into())
        };
        let found = self.store.find_setup_link(&sha256_hex(link.as_bytes())).await?.ok_or_else(gone)?;
        if self.clocks.wall() >= found.expires_at {
            return Err(gone());
        }
        self.store.find_person_by_id(found.person).await?.filter(|p| p.disabled_at.is_none()).ok_or_else(gone)
    }

    /// Chooses the password that a setup link is for, and uses the link up.
    ///
    /// # Errors
    /// `NotFound` as [`App::setup_link`]; `Invalid` for the password, and then the link can still be used.
    pub async fn choose_password(&self, link: &str, password: &str, origin: Origin) -> Result<(), Problem> {
        self.choose(link, password, origin, |_| Ok(None)).await.map(|_| ())
    }

    /// The same in a browser, which is signed in by it; returns the session's secret.
    ///
    /// # Errors
    /// As [`App::choose_password`].
    pub async fn choose_and_enter(&self, link: &str, password: &str, origin: Origin, agent: Option<String>) -> Result<String, Problem> {
        let session = self.choose(link, password, origin, |actor| self.new_session(actor, agent).map(Some)).await?;
        session.ok_or_else(|| Problem::Internal("a choice without its session".into()))
    }

    async fn choose(
        &self,
        link: &str,
        password: &str,
        origin: Origin,
        session: impl FnOnce(&Actor) -> Result<Option<NewSession>, Problem>,
    ) -> Result<Option<String>, Problem> {
        let person = self.setup_link(link).await?;
        super::sessions::check_password(&person.name, password)?;
        let hash = self.hash(password).await?;
        let actor = Actor { kind: ActorKind::Person, name: person.name.clone(), id: person.id, grants: Grants::new(), origin };
        let permit = Permit::witness(&actor, "account.set_up", &On::Person(&person.name).name());
        let session = session(&actor)?;
        let (link_hash, secret) = (sha256_hex(link.as_bytes()), session.as_ref().map(|s| s.secret.clone()));
        self.store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    // Of two choices at once, one counts; and an admin may have disabled the person meanwhile.
                    if !tx.use_setup_link(&link_hash).await? {
                        return Err(Problem::NotFound("This link was used a moment ago. Sign in with the password that was chosen.".into()).into());
                    }
                    tx.set_password(person.id, &hash).await?;
                    match session {
                        Some(session) => session.insert(tx, person.id).await,
                        None => Ok(()),
                    }
                })
            })
            .await?;
        Ok(secret)
    }

    async fn person(&self, name: &str) -> Result<Person, Problem> {
        self.store.find_person(name).await?.ok_or_else(|| Problem::NotFound(format!("There is no person named {name}.")))
    }

    /// A person, for somebody who may do `act` to people at all: who may not, must not learn who exists.
    async fn person_for(&self, actor: &Actor, act: &Act, name: &str) -> Result<Person, Problem> {
        decide(actor, act, &On::Person(name), &Facts::default())?;
        self.person(name).await
    }

    /// The gate for an act on a person. `grants`: what they would get by it; rights on protected environments are not the
    /// machine's to give once a second admin exists.
    async fn people_gate(&self, actor: &Actor, act: &Act, name: &str, grants: &Grants) -> Result<Permit, Problem> {
        let reaches = |scope: &str| grants.iter().any(|(s, roles)| (s == EVERYWHERE || s == scope) && roles.iter().any(|r| *r != Role::Viewer));
        let protected = self.store.list_environments().await?.iter().any(|e| e.protected && reaches(&e.scope()));
        let facts = Facts { protected, second_admin: self.store.count_admins().await? > 1, ..Facts::default() };
        decide(actor, act, &On::Person(name), &facts)
    }

    async fn check_scope(&self, scope: &str) -> Result<(), Problem> {
        let known = match scope.split_once('/') {
            _ if scope == EVERYWHERE => true,
            Some((app, env)) => self.store.find_environment(app, env).await?.is_some(),
            None => false,
        };
        if known { Ok(()) } else { Err(Problem::field("scope", format!("there is no environment `{scope}`; write APP/ENV, or `*` for all"))) }
    }

    fn new_link(&self) -> Result<(String, String, Millis), Problem> {
        let link = secret()?;
        let hash = sha256_hex(link.as_bytes());
        Ok((link, hash, self.clocks.wall() + SETUP_LINK_MS))
    }
}

async fn still_an_admin(tx: &mut WriteTx) -> Result<(), StoreError> {
    if tx.count_admins().await? > 0 {
        return Ok(());
    }
    Err(Problem::conflict("This would leave nobody who is admin everywhere. Make another person admin first.").into())
}
