//! What moves frames between VMs and the underlay.
//!
//! `user` are the engines of this program between sockets; `kernel` are Linux's own devices; `ssh` is
//! OpenSSH between TAP interfaces; `switch` are switches of the fabric.

pub mod kernel;
pub mod ssh;
pub mod switch;
pub mod user;
