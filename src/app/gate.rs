//! The one gate: reads what the decision needs, then lets [`domain::access::decide`](crate::domain::access::decide) decide.

use super::App;
use crate::domain::access::{Act, Actor, Facts, On, Permit, decide};
use crate::domain::environment::Environment;
use crate::domain::problem::Problem;
use crate::store::NewEntry;

impl App {
    /// Passes the gate for an act on an environment.
    ///
    /// # Errors
    /// As [`decide`].
    pub async fn gate(&self, actor: &Actor, act: &Act, env: &Environment, mut facts: Facts) -> Result<Permit, Problem> {
        facts.protected = env.protected;
        facts.second_admin = self.store.count_admins().await? > 1;
        decide(actor, act, &On::Environment(&env.scope()), &facts)
    }

    /// An environment that the actor may see.
    ///
    /// # Errors
    /// `NotFound` for what is not there, and for what is not for this actor's eyes.
    pub async fn visible(&self, actor: &Actor, app: &str, env: &str) -> Result<Environment, Problem> {
        let scope = format!("{app}/{env}");
        // The gate first: the answer to a stranger must not depend on what exists.
        decide(actor, &Act::View, &On::Environment(&scope), &Facts::default())?;
        self.store.find_environment(app, env).await?.ok_or_else(|| Problem::NotFound(format!("There is no {scope} here that you may see.")))
    }

    /// Writes a refused request to the audit. Reads are not audited, and neither is what nobody we know asked for.
    ///
    /// # Errors
    /// Of the database.
    pub async fn audit_refusal(&self, actor: &Actor, path: &str, asked: &str, problem: &Problem) -> Result<(), Problem> {
        let (target, change) = self.target_of(path).await?;
        let permit = Permit::witness(actor, "request.refused", &target);
        let entry = NewEntry { change, ..NewEntry::done() }.result("refused").after(&serde_json::json!({"request": asked})).reason(Some(format!(
            "{} {}",
            problem.status(),
            problem.detail()
        )));
        self.store.write(&permit, entry, |_| Box::pin(async { Ok(()) })).await?;
        Ok(())
    }

    /// The environment and the change that a path of the API or of a page is about, so that a filter by either finds the refusal.
    async fn target_of(&self, path: &str) -> Result<(String, Option<i64>), Problem> {
        // As the router reads it: an encoded letter must not hide a refusal from a filter.
        let decoded: Vec<String> =
            path.split('/').skip(1).map(|p| percent_encoding::percent_decode_str(p).decode_utf8_lossy().into_owned()).collect();
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        Ok(match parts.as_slice() {
            ["api", "v1", "apps", app, "environments", env, ..] => (format!("{app}/{env}"), None),
            ["api", "v1", "apps", app, ..] => ((*app).to_owned(), None),
            ["apps", app, env, _, ..] if !matches!(*env, "images" | "adopt") => (format!("{app}/{env}"), None),
            ["apps", app, _, ..] => ((*app).to_owned(), None),
            ["api", "v1", "changes", number, ..] | ["deployments" | "approvals", number, ..] => match number.parse() {
                Ok(n) => match self.store.find_change(n).await? {
                    Some(c) => (c.scope(), Some(n)),
                    None => (crate::domain::access::EVERYWHERE.into(), None),
                },
                Err(_) => (crate::domain::access::EVERYWHERE.into(), None),
            },
            _ => (crate::domain::access::EVERYWHERE.into(), None),
        })
    }

    /// Writes an entry for something that changes nothing else, such as an export.
    ///
    /// # Errors
    /// Of the database.
    pub async fn record(&self, permit: &Permit, entry: NewEntry) -> Result<(), Problem> {
        Ok(self.store.write(permit, entry, |_| Box::pin(async { Ok(()) })).await?)
    }
}
