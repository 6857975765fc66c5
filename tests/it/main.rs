//! The integration tests: one binary, one module an area, all through [`harness::TestApp`].

mod access;
mod accounts;
mod adopt;
mod approvals;
mod architecture;
mod bad_input;
mod crash;
mod faults;
mod forms;
mod groups;
mod harness;
mod hostile;
mod images;
mod life;
mod moto;
mod permission;
mod process;
mod sdk;
mod slow;
mod story;
mod templates;
mod writers;
