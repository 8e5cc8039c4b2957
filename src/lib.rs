//! `overlab` builds a multi-host, multi-tenant data centre out of Linux network namespaces from
//! one YAML lab, carries the tenants' traffic through engines of its own for every tunnel
//! protocol, and measures throughput, MTU overhead and isolation.
//!
//! The modules are the stages of the pipeline; `docs/architecture.md` shows the way of the data
//! and who may import whom (held by `tests/architecture.rs`).

pub mod cli;
pub mod datapath;
pub mod dissect;
pub mod draw;
pub mod encap;
pub mod endpoint;
pub mod ids;
pub mod lab;
pub mod measure;
pub mod netns;
pub mod plan;
pub mod report;
pub mod runner;
pub mod sketch;
pub mod system;
pub mod testbed;
pub mod traffic;
pub mod vswitch;
pub mod wire;
