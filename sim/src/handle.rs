//! The world in the hands of a test or of the product's demo: the controls of design section 6 without HTTP.
//!
//! **Invariant:** every method is the same function that the HTTP control of that name calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    calls::CallRecord,
    clock::END,
    engine::Engine,
    faults::Fault,
    seed::ImageSeed,
    server::{self, Exchange},
    world::{World, load::Load},
};

/// Longest a container may take to listen, and longest after which one crashes, seconds.
const LONGEST: i64 = 31_536_000;

/// A handle on a running simulator; clones share it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Mutex<Engine>>);

impl Handle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        engine.catch_up();
        engine
    }

    /// The same for whoever is about to change the world.
    fn change(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.lock();
        engine.world.touched = true;
        engine
    }

    /// One HTTP request, to AWS or to a control, as the port would take it.
    pub fn exchange(&self, head: &hyper::http::request::Parts, body: &[u8]) -> Exchange {
        server::exchange(self, head, body)
    }

    /// Simulated now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.lock().world.now).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves time on by this many simulated seconds and lets everything due happen. Time ends in the year 9892.
    pub fn advance(&self, seconds: f64) {
        let mut engine = self.lock();
        engine.clock.advance((seconds * 1000.0) as i64);
        engine.catch_up();
    }

    /// Simulated seconds per real second from now on; `None` stops the clock.
    pub fn set_speed(&self, speed: Option<f64>) {
        self.lock().clock.set_speed(speed);
    }

    /// Calls with a sequence number above `seq`, oldest first.
    pub fn calls_since(&self, seq: u64) -> Vec<CallRecord> {
        let engine = self.lock();
        engine.calls.since(seq).cloned().collect()
    }

    /// How many calls with a sequence number above `seq` are not kept any more.
    pub fn calls_gone(&self, seq: u64) -> u64 {
        self.lock().calls.gone(seq)
    }

    /// Pushes an image and returns its digest; an existing tag moves to it.
    pub fn put_image(&self, repository: &str, image: &ImageSeed) -> Result<String> {
        let tag = &image.tag;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !(1..=128).contains(&tag.len()) || !tag.starts_with(word) || !tag.chars().all(|c| word(c) || c == '.' || c == '-') {
            return Err(anyhow!("tag: must be 1 to 128 letters, digits, underscores, dots and hyphens, and not begin with a dot or hyphen"));
        }
        if image.boot_seconds.is_some_and(|s| !(0..=LONGEST).contains(&s)) {
            return Err(anyhow!("boot_seconds: must be between 0 and {LONGEST}"));
        }
        if let Some(seconds) = image.behaviour.strip_prefix("crash_after:")
            && !seconds.parse().is_ok_and(|s: i64| (0..=LONGEST).contains(&s))
        {
            return Err(anyhow!("behaviour: the seconds of crash_after must be between 0 and {LONGEST}"));
        }
        let mut engine = self.change();
        if !engine.world.repositories.contains_key(repository) {
            return Err(anyhow!("repository: {repository:?} does not exist"));
        }
        let now = engine.world.now;
        engine.world.push_image(repository, image, now).map_err(|e| anyhow!(e))
    }

    /// Adds a fault rule.
    pub fn fault(&self, fault: Fault) -> Result<()> {
        let mut engine = self.lock();
        engine.faults.add(fault).map_err(|e| anyhow!(e))?;
        engine.catch_up();
        Ok(())
    }

    /// Removes every fault rule.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Ends an instance from outside the group, as a failing host would.
    pub fn kill(&self, instance: &str) -> Result<()> {
        let mut engine = self.change();
        let group = known(&engine.world, instance)?;
        let text = "Server.InternalError: Internal error on launch";
        engine.world.ec2_terminate(instance, "Server.InternalError", text);
        let now = engine.world.now;
        engine.world.wake_group(&group, now);
        engine.world.advance_to(now);
        Ok(())
    }

    /// Switches the token buckets of aws-reference 2.2 on or off; capacities and refills are multiplied by `scale`.
    pub fn buckets(&self, on: bool, scale: f64) -> Result<()> {
        if !(0.001..=1000.0).contains(&scale) {
            return Err(anyhow!("scale: must be between 0.001 and 1000"));
        }
        self.lock().world.token_buckets.set(on, (scale * 1000.0).round() as i64);
        Ok(())
    }

    /// Makes the application on an instance answer 500 from now on.
    pub fn sicken(&self, instance: &str) -> Result<()> {
        self.set_sick(instance, true)
    }

    /// Ends what `sicken` began: the application answers as its image does again.
    pub fn heal(&self, instance: &str) -> Result<()> {
        self.set_sick(instance, false)
    }

    fn set_sick(&self, instance: &str, sick: bool) -> Result<()> {
        let mut engine = self.change();
        known(&engine.world, instance)?;
        if let Some(i) = engine.world.instances.get_mut(instance) {
            i.sick = sick;
        }
        engine.world.poke_targets(instance);
        let now = engine.world.now;
        engine.world.advance_to(now);
        Ok(())
    }

    /// Makes the status check of an instance fail, from now on or for so many seconds.
    pub fn impair(&self, instance: &str, seconds: Option<i64>) -> Result<()> {
        let mut engine = self.lock();
        let group = known(&engine.world, instance)?;
        let now = engine.world.now;
        if let Some(i) = engine.world.instances.get_mut(instance) {
            i.impaired = Some((now, seconds.map(|s| now + s * 1000)));
        }
        engine.world.wake_group(&group, now);
        engine.world.advance_to(now);
        Ok(())
    }

    /// Launches still possible in a zone; 0 makes them fail with InsufficientInstanceCapacity, `None` lifts the limit.
    pub fn capacity(&self, zone: &str, instances: Option<u64>) -> Result<()> {
        let mut engine = self.change();
        let world = &mut engine.world;
        if !world.subnets.iter().any(|s| s.zone == zone) {
            return Err(anyhow!("az: {zone:?} does not exist"));
        }
        match instances {
            Some(n) => world.capacity.insert(zone.to_owned(), n),
            None => world.capacity.remove(zone),
        };
        Ok(())
    }

    /// Offers a group a load from now on; a number alone is the CPU of each instance that serves now, percent.
    pub fn load(&self, group: &str, load: impl Into<Load>) -> Result<()> {
        let load = load.into();
        load.check().map_err(|e| anyhow!(e))?;
        let mut engine = self.change();
        if !engine.world.groups.contains_key(group) {
            return Err(anyhow!("asg: {group:?} does not exist"));
        }
        engine.world.offer(group, load);
        Ok(())
    }

    /// Makes a replication group lose a primary (`failover`), keeps it in `modifying`, or ends at once what it is busy
    /// with (`available`).
    pub fn redis(&self, group: &str, state: &str) -> Result<()> {
        self.change().world.force_cache(group, state).map_err(|e| anyhow!(e))
    }

    /// Puts an IAM policy on a user or role (by ARN), or on every principal: from now on its calls are judged (aws-reference 13).
    pub fn policy(&self, principal: Option<&str>, document: &Value) -> Result<()> {
        self.lock().world.add_rule(principal.unwrap_or("*"), document).map_err(|e| anyhow!(e))
    }

    /// The policies put by [`Handle::policy`].
    pub fn policies(&self) -> Vec<Value> {
        let engine = self.lock();
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        engine.world.iam.rules.iter().map(|r| json!({"principal": r.principal, "document": read(&r.policy.text)})).collect()
    }

    /// Removes them.
    pub fn clear_policies(&self) {
        self.lock().world.iam.rules.clear();
    }

    /// Ground truth, as `GET /_sim/world` answers it.
    pub fn snapshot(&self) -> Value {
        let engine = self.lock();
        engine.world.snapshot(engine.clock.speed())
    }

    /// The whole state, to be given to [`Handle::import`] later.
    pub fn export(&self) -> Result<Value> {
        Ok(serde_json::to_value(&self.lock().world)?)
    }

    /// Replaces the whole state by an exported one; the clock goes on from its time. The call log stays.
    pub fn import(&self, state: Value) -> Result<()> {
        let world: World = serde_json::from_value(state).context("not an exported world")?;
        if !(0..END).contains(&world.now) {
            return Err(anyhow!("now: the clock ends in the year 9892"));
        }
        let mut engine = self.change();
        engine.clock.jump(world.now);
        engine.world = world;
        Ok(())
    }
}

fn known(world: &World, instance: &str) -> Result<String> {
    world.instances.get(instance).map(|i| i.group.clone()).with_context(|| format!("instance: {instance:?} does not exist"))
}
