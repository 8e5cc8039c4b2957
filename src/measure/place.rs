//! Where a socket is opened.

use std::io;

/// Opens sockets in namespaces by name.
///
/// A socket stays in the namespace where it was opened, so only the opening has to happen
/// there; the descriptor then works from any thread.
pub trait Place: Sync {
    /// Runs `work` with the calling thread inside the namespace (e.g. `vxlan.red.vm1`), and returns
    /// to the namespace it came from. `work` opens descriptors and does not block.
    ///
    /// # Errors
    /// An unknown namespace, or one that cannot be entered.
    fn within<T>(&self, namespace: &str, work: impl FnOnce() -> T) -> io::Result<T>;
}
