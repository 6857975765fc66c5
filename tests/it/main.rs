//! The integration tests: one binary, one module an area, all through [`harness::TestApp`].

mod access;
mod accounts;
mod adopt;
mod approvals;
mod architecture;
mod bad_input;
mod crash;
mod debts;
mod failpoints;
mod explain;
mod faults;
mod foreign;
mod forms;
mod groups;
mod guards;
mod harness;
mod hostile;
mod images;
mod moto;
mod permission;
mod sdk;
mod story;
mod templates;
