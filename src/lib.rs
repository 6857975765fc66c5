//! Fleetgate: a self-service control plane for container images on EC2 Auto Scaling groups.
//!
//! The map: `web, api, worker -> app -> {store, aws} -> domain`. See ARCHITECTURE.md.

pub mod api;
pub mod app;
pub mod aws;
pub mod clock;
pub mod config;
pub mod domain;
pub mod failpoint;
pub mod serve;
pub mod store;
pub mod web;
pub mod worker;
