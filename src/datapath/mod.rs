//! What moves frames between VMs and the underlay.

pub mod kernel;
