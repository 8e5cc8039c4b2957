//! What moves frames between VMs and the underlay.
