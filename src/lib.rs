//! Fleetgate: a self-service control plane for container images on EC2 Auto Scaling groups.
//!
//! The map: `web, api, worker -> app -> {store, aws} -> domain`. See ARCHITECTURE.md.

pub mod clock;
pub mod domain;
pub mod store;
