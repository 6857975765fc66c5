//! People: passwords, sessions, sign-in.
//!
//! **Invariant:** only hashes are stored; an unknown name costs as much time as a wrong password; wrong tries are counted in the
//! database, so that a restart resets nothing.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::App;
use crate::domain::access::{Act, Actor, ActorKind, Facts, Grants, On, Origin, Permit, decide};
use crate::domain::application::slug;
use crate::domain::canonical::sha256_hex;
use crate::domain::problem::Problem;
use crate::store::people::Person;
use crate::store::{NewEntry, StoreError};

/// Wrong tries for one account within [`WINDOW_MS`].
const ACCOUNT_TRIES: i64 = 10;
/// Wrong tries from one address within [`WINDOW_MS`].
const ADDRESS_TRIES: i64 = 30;
const WINDOW_MS: i64 = 900_000;
/// A session's use is written at most this often.
const TOUCH_MS: i64 = 60_000;
/// Shortest password (OWASP ASVS 5.0, 6.2.1).
const SHORTEST_PASSWORD: usize = 15;

/// The hash of nobody's password, with the parameters of everybody's: an unknown name costs the same work.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$gZmZ4hqKvDk8xT3l6B1rCw2Xy0nW8oX5m7t9u1v3w5Y";

/// 256 bits from the operating system, as 43 characters.
pub(crate) fn secret() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Problem::Internal(format!("no randomness: {e}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl App {
    /// Creates a person.
    ///
    /// # Errors
    /// `Forbidden`, `Invalid`, or `Conflict` when the name is taken.
    pub async fn add_person(&self, actor: &Actor, name: &str, password: &str, grants: &Grants) -> Result<(), Problem> {
        let permit = decide(actor, &Act::ManagePeople, &On::Everything, &Facts::default())?;
        slug("name", name).map_err(|e| Problem::Invalid(vec![e]))?;
        check_password(password)?;
        let hash = self.hash(password).await?;
        let (name_owned, grants_owned) = (name.to_owned(), grants.clone());
        let entry = NewEntry::done().after(&json!({"person": name, "grants": grants}));
        let done =
            self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.insert_person(&name_owned, &hash, &grants_owned).await })).await;
        match done {
            Ok(_) => Ok(()),
            Err(StoreError::Duplicate) => Err(Problem::conflict(format!("There is a person named {name} already."))),
            Err(e) => Err(e.into()),
        }
    }

    /// Disables a person; their sessions end with it.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`.
    pub async fn disable_person(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::ManagePeople, &On::Everything, &Facts::default())?;
        let person = self.person(name).await?;
        let entry = NewEntry::done().before(&json!({"person": name})).after(&json!({"person": name, "disabled": true}));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.disable_person(person.id).await })).await?)
    }

    /// Sets a person's password; their sessions end with it.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `Invalid`.
    pub async fn reset_person(&self, actor: &Actor, name: &str, password: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::ManagePeople, &On::Everything, &Facts::default())?;
        let person = self.person(name).await?;
        check_password(password)?;
        let hash = self.hash(password).await?;
        let entry = NewEntry::done().after(&json!({"person": name, "password": "reset"}));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.set_password(person.id, &hash).await })).await?)
    }

    async fn person(&self, name: &str) -> Result<Person, Problem> {
        self.store.find_person(name).await?.ok_or_else(|| Problem::NotFound(format!("There is no person named {name}.")))
    }

    /// Signs a person in; returns the session's secret for the cookie.
    ///
    /// # Errors
    /// `Unauthenticated` in the same words and time for an unknown name and a wrong password; `TooMany` over the limits.
    pub async fn sign_in(&self, name: &str, password: &str, origin: Origin, agent: Option<String>) -> Result<String, Problem> {
        let address = origin.address.clone().unwrap_or_default();
        let subjects = [format!("name:{}", sha256_hex(name.as_bytes())), format!("address:{address}")];
        let now = self.clocks.wall();
        // Counted before the password is compared, in one write: tries at once can not slip past the limit together.
        let counted = subjects.clone();
        self.store
            .keep(move |tx| {
                Box::pin(async move {
                    for (subject, most) in counted.iter().zip([ACCOUNT_TRIES, ADDRESS_TRIES]) {
                        let (failures, since) = tx.login_failures(subject).await?;
                        if failures >= most && now - since < WINDOW_MS {
                            let seconds = u64::try_from((WINDOW_MS - (now - since)) / 1000 + 1).unwrap_or(1);
                            return Err(Problem::TooMany("Too many wrong tries. Wait, then try again.".into(), seconds).into());
                        }
                    }
                    for subject in &counted {
                        tx.count_login_failure(subject, WINDOW_MS).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        let person = self.store.find_person(name).await?.filter(|p| p.disabled_at.is_none());
        let known = person.as_ref().map(|p| p.name.clone());
        let right = self.verify(password, person.as_ref().map(|p| p.password_hash.clone())).await?;
        let Some(person) = person.filter(|_| right) else {
            // A name that nobody has may be a password in the wrong field: it is not written down.
            let who = Actor { name: known.unwrap_or_else(|| "anonymous".into()), ..Actor::anonymous(origin) };
            let permit = Permit::witness(&who, "account.sign_in", "*");
            self.store.write(&permit, NewEntry::done().result("refused"), |_| Box::pin(async { Ok(()) })).await?;
            return Err(Problem::Unauthenticated("The name or the password is wrong.".into()));
        };
        let token = secret()?;
        let hash = sha256_hex(token.as_bytes());
        let actor = Actor { kind: ActorKind::Person, name: person.name.clone(), id: person.id, grants: Grants::new(), origin };
        let permit = Permit::witness(&actor, "account.sign_in", "*");
        let (expires, address) = (now + self.settings.session_ms, actor.origin.address.clone());
        let [account, from] = subjects;
        self.store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    tx.clear_login_failures(&account).await?;
                    tx.forgive_login(&from).await?;
                    tx.insert_session(&hash, person.id, expires, address, agent.map(|a| a.chars().take(200).collect())).await
                })
            })
            .await?;
        Ok(token)
    }

    /// Ends the session of this secret.
    ///
    /// # Errors
    /// Of the database.
    pub async fn sign_out(&self, actor: &Actor, secret: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::OwnAccount, &On::Everything, &Facts::default())?;
        let hash = sha256_hex(secret.as_bytes());
        Ok(self
            .store
            .write(&permit, NewEntry::done().reason(Some("signed out".into())), move |tx| Box::pin(async move { tx.end_session(&hash).await }))
            .await?)
    }

    /// Who holds this session's secret. Rights are read anew on each request. `used`: a person acts; a page that renews itself
    /// does not keep a session alive.
    ///
    /// # Errors
    /// `Unauthenticated` when it is unknown, over, or the person is disabled.
    pub async fn who_by_session(&self, secret: &str, origin: Origin, used: bool) -> Result<Actor, Problem> {
        let over = || Problem::Unauthenticated("Your session is over. Sign in again.".into());
        let hash = sha256_hex(secret.as_bytes());
        let session = self.store.find_session(&hash).await?.ok_or_else(over)?;
        let now = self.clocks.wall();
        if now >= session.expires_at || now - session.last_seen_at > self.settings.session_idle_ms {
            return Err(over());
        }
        let person = self.store.find_person_by_id(session.person).await?.filter(|p| p.disabled_at.is_none()).ok_or_else(over)?;
        if used && now - session.last_seen_at > TOUCH_MS {
            self.store.touch_session(&hash).await?;
        }
        let grants = self.store.grants(person.id).await?;
        Ok(Actor { kind: ActorKind::Person, name: person.name, id: person.id, grants, origin })
    }

    async fn hash(&self, password: &str) -> Result<String, Problem> {
        let password = password.to_owned();
        self.hashing_task(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(|e| Problem::Internal(e.to_string()))
        })
        .await?
    }

    /// Compares; without a hash, with one of nobody's, so that the time is the same.
    async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Problem> {
        let password = password.to_owned();
        self.hashing_task(move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| NOBODY.into());
            PasswordHash::new(&text).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok()) && known
        })
        .await
    }

    /// As many at once as there are cores: each takes 19 MiB.
    async fn hashing_task<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let _slot = self.hashing.acquire().await.map_err(|e| Problem::Internal(e.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|e| Problem::Internal(e.to_string()))
    }
}

fn check_password(password: &str) -> Result<(), Problem> {
    let length = password.chars().count();
    if (SHORTEST_PASSWORD..=128).contains(&length) {
        Ok(())
    } else {
        Err(Problem::field("password", format!("must have {SHORTEST_PASSWORD} to 128 characters; it has {length}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Were it no valid hash, or one of other parameters, an unknown name would be answered faster than a known one.
    #[test]
    fn nobodys_hash_costs_what_everybodys_does() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = Argon2::default().hash_password(b"correct horse battery staple").unwrap().to_string();
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!((&nobody.algorithm, nobody.version, nobody.params.to_string()), (&real.algorithm, real.version, real.params.to_string()));
        assert_eq!(nobody.hash.map(|h| h.len()), real.hash.map(|h| h.len()));
    }
}
