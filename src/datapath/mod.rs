//! What moves frames between VMs and the underlay.
//!
//! `user` are the engines of this program between sockets; `kernel` are Linux's own devices.

pub mod kernel;
pub mod user;
