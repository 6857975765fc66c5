//! What runs by itself: changes, the observer, upkeep. One `tick` each, so that tests call what the loops call.
//!
//! **Invariant:** a wake-up carries no data; whatever it missed is found by the next scan of the database.

pub mod changes;
pub mod observer;
pub mod upkeep;
