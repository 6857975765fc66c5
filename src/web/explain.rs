//! Why it is not moving, on a page: the sentence, what else is amiss, and each action with the page where it is done.

use super::page::Visit;
use crate::app::overview::Overview;
use crate::domain::access::{Actor, EVERYWHERE, Role};
use crate::domain::explain::{Act, Action, Cause, Explanation};
use crate::store::changes::Change;

/// The page where an action is done, if Fleetgate has one.
pub fn place(action: &Action, scope: &str) -> Option<String> {
    let change = |rest: &str| action.change.map(|n| format!("/deployments/{n}{rest}"));
    match action.act {
        Act::Approve => action.change.map(|n| format!("/approvals/{n}")),
        Act::OpenChange => change(""),
        Act::StopChange => change("/cancel?mode=stop"),
        Act::UndoChange => change("/cancel?mode=undo"),
        Act::ForceClose => change("/force-close"),
        Act::RollBack => Some(format!("/apps/{scope}/rollback")),
        Act::TerminateInstance => action.instance.as_ref().map(|i| format!("/apps/{scope}/terminate?instance={i}")),
        Act::ChangeCapacity => Some(format!("/apps/{scope}/capacity")),
        Act::PinTemplate => Some(format!("/apps/{scope}/pin")),
        Act::AdoptAgain => scope.split_once('/').map(|(app, _)| format!("/apps/{app}/adopt")),
        _ => None,
    }
}

/// May this person do it on that page?
fn may(actor: &Actor, act: Act, scope: &str) -> bool {
    match act {
        Act::OpenChange => true,
        Act::Approve => actor.has(Role::Approver, scope),
        Act::ForceClose => actor.has(Role::Admin, scope),
        Act::AdoptAgain => actor.has(Role::Admin, EVERYWHERE),
        Act::StopChange | Act::UndoChange => [Role::Deployer, Role::Approver, Role::Admin].into_iter().any(|r| actor.has(r, scope)),
        _ => actor.has(Role::Deployer, scope),
    }
}

/// Words of the link.
fn label(action: &Action) -> String {
    let number = action.change.map_or_else(String::new, |n| format!(" #{n}"));
    match action.act {
        Act::Approve => format!("Review{number}"),
        Act::OpenChange => format!("Open{number}"),
        Act::StopChange => format!("Stop{number}"),
        Act::UndoChange => format!("Undo{number}"),
        Act::ForceClose => format!("Close{number}"),
        Act::RollBack => "Roll back".into(),
        Act::TerminateInstance => "Terminate it".into(),
        Act::ChangeCapacity => "Change capacity".into(),
        Act::PinTemplate => "Pin the template".into(),
        Act::AdoptAgain => "Adopt a group".into(),
        _ => "Open".into(),
    }
}

/// One action as a page offers it: words, and where Fleetgate does it a link, else the command where there is one.
pub(super) struct Offer {
    /// In words.
    pub(super) sentence: String,
    /// Address and words of the link.
    pub(super) link: Option<(String, String)>,
    /// AWS CLI command.
    pub(super) command: Option<String>,
}

/// An explanation as a page shows it.
pub(super) struct Why {
    /// Something needs a person: told in a note of its own.
    pub(super) loud: bool,
    /// The heading of the note.
    pub(super) title: &'static str,
    /// The sentence.
    pub(super) sentence: String,
    /// What else is amiss.
    pub(super) also: Vec<String>,
    /// What may be done.
    pub(super) offers: Vec<Offer>,
}

/// What a page about `change`, or about its environment, tells. `own`: the page's head has the buttons of the change already.
pub(super) fn why(visit: &Visit, o: &Overview, change: Option<&Change>, own: bool) -> Option<Why> {
    let e: Explanation = visit.site.app.explain(o, change)?;
    // The pages have notes of their own for a silent AWS.
    if matches!(e.cause, Cause::LostContact | Cause::Throttled | Cause::ReadingDenied) && o.lost() || e.cause == Cause::AsTold {
        return None;
    }
    let scope = o.env.scope();
    let heads = |act: Act| matches!(act, Act::StopChange | Act::UndoChange | Act::ForceClose | Act::Approve);
    let offers = e
        .actions
        .iter()
        .filter(|a| a.act != Act::Wait && !(own && heads(a.act) && a.change == change.map(|c| c.number)))
        .map(|a| Offer {
            sentence: a.sentence.clone(),
            link: place(a, &scope).filter(|_| may(&visit.actor, a.act, &scope)).map(|to| (to, label(a))),
            command: a.command.clone(),
        })
        .collect();
    Some(Why {
        loud: !e.normal && e.cause > Cause::Scheduled,
        title: if change.is_some() { "Why it is not moving" } else { "What is amiss" },
        sentence: e.sentence,
        also: e.also,
        offers,
    })
}
