//! API tokens: hashed, scoped, expiring; they ask for changes and never approve.

use serde_json::json;

use super::App;
use crate::domain::access::{Act, Actor, ActorKind, EVERYWHERE, Facts, Grants, On, Origin, Role, decide};
use crate::domain::application::slug;
use crate::domain::canonical::sha256_hex;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::store::{NewEntry, StoreError};

/// Longest life of a token.
pub const LONGEST_MS: Millis = 366 * 86_400_000;

impl App {
    /// Creates a token; its secret is returned once and kept nowhere.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, `Conflict` when the name is taken.
    pub async fn create_token(&self, actor: &Actor, name: &str, scopes: &[String], life_ms: Millis) -> Result<String, Problem> {
        let permit = decide(actor, &Act::CreateToken, &On::Token(name), &Facts::default())?;
        slug("name", name).map_err(|e| Problem::Invalid(vec![e]))?;
        if !(60_000..=LONGEST_MS).contains(&life_ms) {
            return Err(Problem::field("expires", "must be between one minute and 366 days"));
        }
        if scopes.is_empty() {
            return Err(Problem::field("env", "name at least one environment as APP/ENV, or all of them"));
        }
        for scope in scopes.iter().filter(|s| *s != EVERYWHERE) {
            let known = match scope.split_once('/') {
                Some((app, env)) => self.store.find_environment(app, env).await?.is_some(),
                None => false,
            };
            if !known {
                return Err(Problem::field("env", format!("there is no environment `{scope}`; write APP/ENV")));
            }
        }
        let token = format!("fg_{}", super::sessions::secret()?);
        let hash = sha256_hex(token.as_bytes());
        let expires = self.clocks.wall() + life_ms;
        let (name_owned, scopes_text, by) = (name.to_owned(), scopes.join(" "), actor.name.clone());
        let entry = NewEntry::done().after(&json!({"token": name, "scopes": scopes, "expires_at": expires}));
        let done = self
            .store
            .write(&permit, entry, move |tx| Box::pin(async move { tx.insert_token(&name_owned, &hash, &scopes_text, &by, expires).await }))
            .await;
        match done {
            Ok(_) => Ok(token),
            Err(StoreError::Duplicate) => {
                Err(Problem::conflict(format!("There is a token named {name} already. Names are not used again, so that the audit stays clear.")))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Revokes a token: it fails from the next request on.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`.
    pub async fn revoke_token(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::RevokeToken, &On::Token(name), &Facts::default())?;
        let token = self.store.find_token_by_name(name).await?.ok_or_else(|| Problem::NotFound(format!("There is no token named {name}.")))?;
        let entry = NewEntry::done().before(&json!({"token": name})).after(&json!({"token": name, "revoked": true}));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.revoke_token(token.id).await })).await?)
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// `Unauthenticated`, with the actor where the token is known but over, so that the refusal can be audited under its name.
    pub async fn who_by_token(&self, secret: &str, origin: Origin) -> Result<Actor, (Problem, Option<Actor>)> {
        let unknown = || Problem::Unauthenticated("This API token is not known.".into());
        if !secret.starts_with("fg_") || secret.len() > 100 {
            return Err((unknown(), None));
        }
        let found = self.store.find_token(&sha256_hex(secret.as_bytes())).await.map_err(|e| (e.into(), None))?;
        let Some(token) = found else { return Err((unknown(), None)) };
        let grants: Grants = token.scopes.split(' ').map(|s| (s.to_owned(), vec![Role::Viewer, Role::Deployer])).collect();
        let actor = Actor { kind: ActorKind::Token, name: format!("token:{}", token.name), id: token.id, grants, origin };
        if token.revoked_at.is_some() {
            return Err((Problem::Unauthenticated("This API token was revoked. Create another with `fleetgate token create`.".into()), Some(actor)));
        }
        if self.clocks.wall() >= token.expires_at {
            return Err((Problem::Unauthenticated("This API token has expired. Create another with `fleetgate token create`.".into()), Some(actor)));
        }
        Ok(actor)
    }
}
