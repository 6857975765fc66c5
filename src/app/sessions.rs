//! Signing in, sessions and passwords.
//!
//! **Invariant:** only hashes are stored; an unknown name costs as much time as a wrong password; wrong tries are counted in the
//! database, so that a restart resets nothing.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::App;
use crate::domain::access::{Act, Actor, ActorKind, Facts, Grants, On, Origin, Permit, decide};
use crate::domain::canonical::sha256_hex;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::store::sessions::Session;
use crate::store::{NewEntry, WriteTx};

/// Wrong tries for one account within [`WINDOW_MS`].
const ACCOUNT_TRIES: i64 = 10;
/// Wrong tries from one address within [`WINDOW_MS`].
const ADDRESS_TRIES: i64 = 30;
const WINDOW_MS: i64 = 900_000;
/// A session's use is written at most this often.
const TOUCH_MS: i64 = 60_000;
/// Shortest password (OWASP ASVS 5.0, 6.2.1).
pub const SHORTEST_PASSWORD: usize = 15;
/// Longest password.
pub const LONGEST_PASSWORD: usize = 128;

/// The hash of nobody's password, with the parameters of everybody's: an unknown name costs the same work.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$gZmZ4hqKvDk8xT3l6B1rCw2Xy0nW8oX5m7t9u1v3w5Y";

/// 256 bits from the operating system, as 43 characters.
pub(crate) fn secret() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Problem::Internal(format!("no randomness: {e}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl App {
    /// Signs a person in; returns the session's secret for the cookie.
    ///
    /// # Errors
    /// `Unauthenticated` in the same words and time for an unknown name and a wrong password; `TooMany` over the limits.
    pub async fn sign_in(&self, name: &str, password: &str, origin: Origin, agent: Option<String>) -> Result<String, Problem> {
        let subjects = self.count_try(name, &origin).await?;
        let person = self.store.find_person(name).await?.filter(|p| p.disabled_at.is_none());
        let known = person.as_ref().map(|p| p.name.clone());
        let right = self.verify(password, person.as_ref().map(|p| p.password_hash.clone()).filter(|h| !h.is_empty())).await?;
        let Some(person) = person.filter(|_| right) else {
            // A name that nobody has may be a password in the wrong field: it is not written down.
            let who = Actor { name: known.unwrap_or_else(|| "anonymous".into()), ..Actor::anonymous(origin) };
            let permit = Permit::witness(&who, "account.sign_in", "*");
            self.store.write(&permit, NewEntry::done().result("refused"), |_| Box::pin(async { Ok(()) })).await?;
            return Err(Problem::Unauthenticated("The name or the password is wrong.".into()));
        };
        let actor = Actor { kind: ActorKind::Person, name: person.name.clone(), id: person.id, grants: Grants::new(), origin };
        let permit = Permit::witness(&actor, "account.sign_in", "*");
        let session = self.new_session(&actor, agent)?;
        let token = session.secret.clone();
        self.store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    // Comparing takes time, in which the password may have become void.
                    if !tx.still_opens(person.id, &person.password_hash).await? {
                        return Err(Problem::Unauthenticated("The name or the password is wrong.".into()).into());
                    }
                    forgive(tx, &subjects).await?;
                    session.insert(tx, person.id).await
                })
            })
            .await?;
        Ok(token)
    }

    /// Counts a try before the password is compared, in one write: tries at once can not slip past the limit together.
    async fn count_try(&self, name: &str, origin: &Origin) -> Result<[String; 2], Problem> {
        let address = origin.address.clone().unwrap_or_default();
        let subjects = [format!("name:{}", sha256_hex(name.as_bytes())), format!("address:{address}")];
        let (now, counted) = (self.clocks.wall(), subjects.clone());
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
        Ok(subjects)
    }

    /// A session that is not yet kept.
    pub(super) fn new_session(&self, actor: &Actor, agent: Option<String>) -> Result<NewSession, Problem> {
        let secret = secret()?;
        let agent = agent.map(|a| a.chars().take(200).collect());
        Ok(NewSession { secret, expires: self.clocks.wall() + self.settings.session_ms, address: actor.origin.address.clone(), agent })
    }

    /// Changes one's own password. Every session ends; returns the secret of a new one for the browser that asked.
    ///
    /// # Errors
    /// `Invalid` naming `current` or `password`; `TooMany` over the limits of a sign-in.
    pub async fn change_password(&self, actor: &Actor, current: &str, password: &str, agent: Option<String>) -> Result<String, Problem> {
        let permit = decide(actor, &Act::ChangePassword, &On::Person(&actor.name), &Facts::default())?;
        check_password(&actor.name, password)?;
        let subjects = self.count_try(&actor.name, &actor.origin).await?;
        let wrong = || Problem::field("current", "is not your present password");
        let known = self.store.find_person_by_id(actor.id).await?.map(|p| p.password_hash).filter(|h| !h.is_empty());
        if !self.verify(current, known.clone()).await? {
            return Err(wrong());
        }
        let known = known.unwrap_or_default();
        let hash = self.hash(password).await?;
        let session = self.new_session(actor, agent)?;
        let (token, id) = (session.secret.clone(), actor.id);
        self.store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    // An admin may have made it void while it was compared.
                    if !tx.still_opens(id, &known).await? {
                        return Err(Problem::field("current", "is not your present password").into());
                    }
                    forgive(tx, &subjects).await?;
                    tx.set_password(id, &hash).await?;
                    session.insert(tx, id).await
                })
            })
            .await?;
        Ok(token)
    }

    /// One's own sessions, last used first, and which of them this secret opens.
    ///
    /// # Errors
    /// Of the database.
    pub async fn own_sessions(&self, actor: &Actor, secret: &str) -> Result<Vec<(Session, bool)>, Problem> {
        let (hash, now) = (sha256_hex(secret.as_bytes()), self.clocks.wall());
        let live = |s: &Session| now < s.expires_at && now - s.last_seen_at <= self.settings.session_idle_ms;
        Ok(self.store.list_sessions(actor.id).await?.into_iter().filter(live).map(|s| (s.token_hash == hash, s)).map(|(own, s)| (s, own)).collect())
    }

    /// Ends another session of one's own, by its handle.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn end_session(&self, actor: &Actor, handle: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::EndSession, &On::Person(&actor.name), &Facts::default())?;
        let (id, handle) = (actor.id, handle.to_owned());
        Ok(self
            .store
            .write(&permit, NewEntry::done(), move |tx| {
                Box::pin(async move {
                    if tx.end_session_named(id, &handle).await? {
                        return Ok(());
                    }
                    Err(Problem::NotFound("That session is over already.".into()).into())
                })
            })
            .await?)
    }

    /// Ends all other sessions of one's own.
    ///
    /// # Errors
    /// Of the database.
    pub async fn end_other_sessions(&self, actor: &Actor, secret: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::EndSession, &On::Person(&actor.name), &Facts::default())?;
        let (id, kept) = (actor.id, sha256_hex(secret.as_bytes()));
        let entry = NewEntry::done().reason(Some("all other sessions".into()));
        Ok(self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.end_other_sessions(id, &kept).await })).await?)
    }

    /// Ends whatever session this secret opens: a browser that signs in anew leaves none behind.
    ///
    /// # Errors
    /// Of the database.
    pub async fn drop_session(&self, secret: &str) -> Result<(), Problem> {
        let hash = sha256_hex(secret.as_bytes());
        Ok(self.store.keep(move |tx| Box::pin(async move { tx.end_session(&hash).await })).await?)
    }

    /// Ends the session of this secret.
    ///
    /// # Errors
    /// Of the database.
    pub async fn sign_out(&self, actor: &Actor, secret: &str) -> Result<(), Problem> {
        let permit = decide(actor, &Act::SignOut, &On::Person(&actor.name), &Facts::default())?;
        let hash = sha256_hex(secret.as_bytes());
        Ok(self.store.write(&permit, NewEntry::done(), move |tx| Box::pin(async move { tx.end_session(&hash).await })).await?)
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
        // While the database can not be written, readers go on; the session then ends the sooner.
        if used
            && now - session.last_seen_at > TOUCH_MS
            && let Err(error) = self.store.touch_session(&hash).await
        {
            tracing::warn!(%error, "the use of a session could not be noted");
        }
        let grants = self.store.grants(person.id).await?;
        Ok(Actor { kind: ActorKind::Person, name: person.name, id: person.id, grants, origin })
    }

    pub(super) async fn hash(&self, password: &str) -> Result<String, Problem> {
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

/// Length, and not the name itself; no rules of composition (OWASP ASVS 5.0, 6.2).
pub(super) fn check_password(name: &str, password: &str) -> Result<(), Problem> {
    let length = password.chars().count();
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) {
        return Err(Problem::field("password", format!("must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; it has {length}")));
    }
    if password.to_lowercase().replace(&name.to_lowercase(), "").chars().count() < SHORTEST_PASSWORD / 2 {
        return Err(Problem::field("password", "is little more than your name; choose one that nobody can guess"));
    }
    Ok(())
}

/// A session that is not yet kept.
pub(super) struct NewSession {
    pub(super) secret: String,
    expires: Millis,
    address: Option<String>,
    agent: Option<String>,
}

impl NewSession {
    pub(super) async fn insert(self, tx: &mut WriteTx, person: i64) -> Result<(), crate::store::StoreError> {
        tx.insert_session(&sha256_hex(self.secret.as_bytes()), person, self.expires, self.address, self.agent).await
    }
}

/// The try was right: the account's count begins anew, the address gets its one back.
async fn forgive(tx: &mut WriteTx, [account, address]: &[String; 2]) -> Result<(), crate::store::StoreError> {
    tx.clear_login_failures(account).await?;
    tx.forgive_login(address).await
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
