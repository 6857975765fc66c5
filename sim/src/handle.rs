//! The world in the hands of a test or of the product's demo: the controls of design section 6 without HTTP.
//!
//! **Invariant:** every method is the same function that the HTTP control of that name calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde_json::Value;

use crate::{calls::CallRecord, engine::Engine, faults::Fault, seed::ImageSeed, world::World};

/// A handle on a running simulator; clones share it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Mutex<Engine>>);

impl Handle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        engine.catch_up();
        engine
    }

    /// Simulated now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.lock().world.now).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves time on by this many simulated seconds and lets everything due happen.
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
        engine.calls.iter().filter(|c| c.seq > seq).cloned().collect()
    }

    /// Pushes an image and returns its digest; an existing tag moves to it.
    pub fn put_image(&self, repository: &str, image: &ImageSeed) -> Result<String> {
        let mut engine = self.lock();
        let now = engine.world.now;
        engine.world.push_image(repository, image, now).map_err(|e| anyhow!(e))
    }

    /// Adds a fault rule.
    pub fn fault(&self, fault: Fault) -> Result<()> {
        fault.check().map_err(|e| anyhow!(e))?;
        let mut engine = self.lock();
        engine.faults.add(fault);
        engine.catch_up();
        Ok(())
    }

    /// Removes every fault rule.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Ends an instance from outside the group, as a failing host would.
    pub fn kill(&self, instance: &str) -> Result<()> {
        let mut engine = self.lock();
        let group = known(&engine.world, instance)?;
        let text = "Server.InternalError: Internal error on launch";
        engine.world.ec2_terminate(instance, "Server.InternalError", text);
        engine.world.poke_targets(instance);
        let now = engine.world.now;
        engine.world.wake_group(&group, now);
        engine.world.advance_to(now);
        Ok(())
    }

    /// Makes the application on an instance answer 500 from now on.
    pub fn sicken(&self, instance: &str) -> Result<()> {
        let mut engine = self.lock();
        known(&engine.world, instance)?;
        if let Some(i) = engine.world.instances.get_mut(instance) {
            i.sick = true;
        }
        engine.world.poke_targets(instance);
        let now = engine.world.now;
        engine.world.advance_to(now);
        Ok(())
    }

    /// Launches still possible in a zone; 0 makes them fail with InsufficientInstanceCapacity, `None` lifts the limit.
    pub fn capacity(&self, zone: &str, instances: Option<u64>) -> Result<()> {
        let mut engine = self.lock();
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

    /// Stores the CPU load of a group, percent.
    pub fn load(&self, group: &str, cpu: f64) -> Result<()> {
        let mut engine = self.lock();
        if !engine.world.groups.contains_key(group) {
            return Err(anyhow!("asg: {group:?} does not exist"));
        }
        if !(0.0..=100.0).contains(&cpu) {
            return Err(anyhow!("cpu: must be between 0 and 100"));
        }
        engine.world.load.insert(group.to_owned(), cpu);
        Ok(())
    }

    /// Stores the state of a replication group: `available`, `failover` or `modifying`.
    pub fn redis(&self, group: &str, state: &str) -> Result<()> {
        let mut engine = self.lock();
        if !matches!(state, "available" | "failover" | "modifying") {
            return Err(anyhow!("state: {state:?} is none of available, failover, modifying"));
        }
        let row = engine.world.redis.get_mut(group).with_context(|| format!("group: {group:?} does not exist"))?;
        state.clone_into(row);
        Ok(())
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
        let mut engine = self.lock();
        engine.clock.jump(world.now);
        engine.world = world;
        Ok(())
    }
}

fn known(world: &World, instance: &str) -> Result<String> {
    world.instances.get(instance).map(|i| i.group.clone()).with_context(|| format!("instance: {instance:?} does not exist"))
}
