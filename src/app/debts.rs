//! Paying back what a change that has ended still owes AWS: after a force-close, a refusal, or a crash at the wrong moment.

use serde_json::json;

use super::App;
use crate::aws::Priority;
use crate::domain::access::{Act, Actor, Facts, Permit};
use crate::domain::change::{Kind, Step};
use crate::domain::environment::Environment;
use crate::domain::next::settings;
use crate::domain::observation::Millis;
use crate::domain::problem::Problem;
use crate::store::NewEntry;
use crate::store::changes::Change;
use crate::store::debts::Debt;

/// Wall milliseconds between two attempts to pay the same change's debts.
const AGAIN_MS: Millis = 60_000;

impl App {
    /// Pays what ended changes still owe; returns how many of them still owe something. Called by the sweep.
    ///
    /// # Errors
    /// Of the database. An AWS that does not answer is asked again after a minute.
    pub async fn pay_debts(&self) -> Result<usize, Problem> {
        let debts = self.store.list_left_debts().await?;
        self.pay(debts, AGAIN_MS).await
    }

    /// The same for one environment, now, because somebody asked.
    ///
    /// # Errors
    /// `Forbidden`, or of the database.
    pub async fn pay_debts_of(&self, actor: &Actor, env: &Environment) -> Result<usize, Problem> {
        let permit = self.gate(actor, &Act::Request(Kind::Settings), env, Facts::default()).await?;
        let debts: Vec<Debt> = self.store.list_left_debts().await?.into_iter().filter(|d| d.env == env.id).collect();
        let owed: Vec<&str> = debts.iter().map(|d| d.what.as_str()).collect();
        self.record(&permit, NewEntry::done().after(&json!({"pay_back": owed}))).await?;
        self.pay(debts, 0).await
    }

    async fn pay(&self, debts: Vec<Debt>, again_ms: Millis) -> Result<usize, Problem> {
        let mut numbers: Vec<i64> = debts.iter().map(|d| d.change).collect();
        numbers.dedup();
        let mut left = 0;
        for number in numbers {
            let Some(change) = self.store.find_change(number).await? else { continue };
            let mine: Vec<Debt> = debts.iter().filter(|d| d.change == number).cloned().collect();
            if !Box::pin(self.pay_one(change, &mine, again_ms)).await? {
                left += 1;
            }
        }
        Ok(left)
    }

    /// Returns whether it is paid.
    async fn pay_one(&self, change: Change, debts: &[Debt], again_ms: Millis) -> Result<bool, Problem> {
        let acts = self.store.list_acts(change.number).await?;
        // An act whose outcome is not known is looked up first.
        if acts.iter().any(|a| matches!(a.state.as_str(), "intended" | "unknown")) {
            return Ok(false);
        }
        let last = acts.iter().filter(|a| a.step == Step::Resume.name()).map(|a| a.at).max();
        if last.is_some_and(|at| self.clocks.wall() - at < again_ms) {
            return Ok(false);
        }
        let env = self.store.get_environment(change.env).await?;
        let Ok(cloud) = self.cloud(&env, &format!("fleetgate-{}-debts", change.number)).await else { return Ok(false) };
        let Ok(obs) = self.look(&env, &cloud, Priority::Act).await else { return Ok(false) };
        let Some(group) = obs.group.as_ref().filter(|g| g.arn == env.asg_arn) else { return Ok(false) };
        let names: Vec<String> = debts.iter().map(|d| d.process().to_owned()).collect();
        let number = change.number;
        let (scope, env_id) = (change.scope(), env.id);
        // Suspended long enough ago that a read can not be older than that.
        let settled = debts.iter().all(|d| self.clocks.wall() - d.at > self.settings.staleness_ms);
        if settings::none_suspended(&names, group) && settled {
            let note = format!("Found back: {} runs.", names.join(", "));
            let entry = NewEntry::done().change(number).after(&json!({"paid": names})).reason(Some(note.clone()));
            self.store
                .write(&Permit::engine("debt.pay", &scope), entry, move |tx| Box::pin(async move { tx.pay(env_id, number, &note).await }))
                .await?;
            return Ok(true);
        }
        let detail = json!({"group": env.asg, "processes": names});
        let text = detail.to_string();
        let entry = NewEntry::done().result("intended").change(number).after(&detail);
        let act = self
            .store
            .write(&Permit::engine("aws.ResumeProcesses", &scope), entry, move |tx| {
                Box::pin(async move { Ok(tx.insert_act(number, Step::Resume, "autoscaling", "ResumeProcesses", text).await?.0) })
            })
            .await?;
        match cloud.resume(&env.asg, &names).await {
            Ok(done) => {
                let words = "Accepted.".to_owned();
                self.outcome(change, act, Step::Resume, "done", words, done.request_id, Some(super::perform::Outcome::Accepted)).await?;
                Ok(true)
            }
            Err(e) => {
                self.refused(change, Some(act), &e, Step::Resume).await?;
                Ok(false)
            }
        }
    }
}
