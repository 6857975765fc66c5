//! The rules, as pure and synchronous code.
//!
//! **Invariant:** nothing here sees tokio, axum, sqlx, AWS or a clock: time comes in as a value. What is decided here can
//! be replayed from its inputs.

pub mod access;
pub mod application;
pub mod audit;
pub mod canonical;
pub mod change;
pub mod environment;
pub mod estimate;
pub mod evidence;
pub mod explain;
pub mod fleet;
pub mod foreign;
pub mod health;
pub mod iam;
pub mod image;
pub mod next;
pub mod observation;
pub mod plan;
pub mod problem;
pub mod readiness;
pub mod release;
pub mod remains;
pub mod risk;
pub mod strategy;
