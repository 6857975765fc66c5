//! Applications: a name and an ECR repository.

use serde_json::json;

use super::App;
use crate::domain::access::{Act, Actor, Facts, On, decide};
use crate::domain::application::{Application, application_name, repository};
use crate::domain::problem::Problem;
use crate::store::{NewEntry, StoreError};

impl App {
    /// Creates an application.
    ///
    /// # Errors
    /// `Forbidden` unless admin everywhere, `Invalid`, `Conflict` when the name is taken.
    pub async fn create_application(&self, actor: &Actor, app: Application) -> Result<Application, Problem> {
        let permit = decide(actor, &Act::CreateApplication, &On::Everything, &Facts::default())?;
        let bad: Vec<_> = [application_name(&app.name).err(), repository("repository", &app.repository).err()].into_iter().flatten().collect();
        if !bad.is_empty() {
            return Err(Problem::Invalid(bad));
        }
        let made = app.clone();
        let entry = NewEntry::done().after(&json!(app));
        let done = self.store.write(&permit, entry, move |tx| Box::pin(async move { tx.insert_application(&made).await })).await;
        match done {
            Ok(()) => Ok(app),
            Err(StoreError::Duplicate) => Err(Problem::conflict(format!("There is an application named {} already.", app.name))),
            Err(e) => Err(e.into()),
        }
    }

    /// An application of which the actor may see something.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn visible_application(&self, actor: &Actor, name: &str) -> Result<Application, Problem> {
        let on = On::Application(name);
        decide(actor, &Act::View, &on, &Facts::default())?;
        self.store.find_application(name).await?.ok_or_else(|| Problem::NotFound(format!("There is no {name} here that you may see.")))
    }
}
