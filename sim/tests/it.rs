//! The simulator from outside: raw HTTP against a world whose clock is stepped by hand.
//!
//! **Invariant:** no sleeps and no SDK; what is checked is what stands on the wire.

#[path = "it/alarms.rs"]
mod alarms;
#[path = "it/attach.rs"]
mod attach;
#[path = "it/behaviours.rs"]
mod behaviours;
#[path = "it/boot.rs"]
mod boot;
#[path = "it/buckets.rs"]
mod buckets;
#[path = "it/cache.rs"]
mod cache;
#[path = "it/cache_change.rs"]
mod cache_change;
#[path = "it/cache_failover.rs"]
mod cache_failover;
#[path = "it/capacity.rs"]
mod capacity;
#[path = "it/client.rs"]
mod client;
#[path = "it/cloudwatch.rs"]
mod cloudwatch;
#[path = "it/cloudwatch_data.rs"]
mod cloudwatch_data;
#[path = "it/cloudwatch_wire.rs"]
mod cloudwatch_wire;
#[path = "it/controls.rs"]
mod controls;
#[path = "it/determinism.rs"]
mod determinism;
#[path = "it/ecr_index.rs"]
mod ecr_index;
#[path = "it/ecr_layers.rs"]
mod ecr_layers;
#[path = "it/ecr_lifecycle.rs"]
mod ecr_lifecycle;
#[path = "it/ecr_push.rs"]
mod ecr_push;
#[path = "it/ecr_put.rs"]
mod ecr_put;
#[path = "it/ecr_repositories.rs"]
mod ecr_repositories;
#[path = "it/ecr_scan.rs"]
mod ecr_scan;
#[path = "it/elb.rs"]
mod elb;
#[path = "it/elb_beside.rs"]
mod elb_beside;
#[path = "it/elb_rules.rs"]
mod elb_rules;
#[path = "it/elb_settings.rs"]
mod elb_settings;
#[path = "it/errors.rs"]
mod errors;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/guesses.rs"]
mod guesses;
#[path = "it/health.rs"]
mod health;
#[path = "it/hooks.rs"]
mod hooks;
#[path = "it/iam.rs"]
mod iam;
#[path = "it/impartial.rs"]
mod impartial;
#[path = "it/page.rs"]
mod page;
#[path = "it/permissions.rs"]
mod permissions;
#[path = "it/placement.rs"]
mod placement;
#[path = "it/policies.rs"]
mod policies;
#[path = "it/power.rs"]
mod power;
#[path = "it/refresh.rs"]
mod refresh;
#[path = "it/refresh_rules.rs"]
mod refresh_rules;
#[path = "it/rollback.rs"]
mod rollback;
#[path = "it/s3.rs"]
mod s3;
#[path = "it/scaling.rs"]
mod scaling;
#[path = "it/scaling_policies.rs"]
mod scaling_policies;
#[path = "it/schedules.rs"]
mod schedules;
#[path = "it/security.rs"]
mod security;
#[path = "it/selectors.rs"]
mod selectors;
#[path = "it/settles.rs"]
mod settles;
#[path = "it/table.rs"]
mod table;
#[path = "it/target_checks.rs"]
mod target_checks;
#[path = "it/targets.rs"]
mod targets;
#[path = "it/templates.rs"]
mod templates;
