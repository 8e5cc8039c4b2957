//! The interfaces that OpenSSH attaches to.
//!
//! They are made persistent and owned by us, so that they can be bridged or addressed before
//! OpenSSH comes, and so that a server without privileges may attach to them (`tun_not_capable` in
//! Linux's `drivers/net/tun.c`: the owner may). They go with their namespace.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// What a tunnel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// IP packets through TUN interfaces; `point-to-point` in OpenSSH's words.
    Ip,
    /// Ethernet frames through TAP interfaces.
    Ethernet,
}

impl Mode {
    /// The value of OpenSSH's options `Tunnel` and `PermitTunnel`.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Mode::Ip => "point-to-point",
            Mode::Ethernet => "ethernet",
        }
    }

    /// The name that OpenSSH gives to the interface with this number.
    #[must_use]
    pub fn interface(self, unit: u16) -> String {
        match self {
            Mode::Ip => format!("tun{unit}"),
            Mode::Ethernet => format!("tap{unit}"),
        }
    }
}

/// Makes a persistent interface in the calling thread's namespace, as OpenSSH opens it: without
/// the packet information header (its `openbsd-compat/port-net.c`).
///
/// # Errors
/// `/dev/net/tun` is not there or not open to us, or the name is taken.
pub(super) fn create(name: &str, mode: Mode) -> io::Result<()> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: all bit patterns of ifreq are valid, zero among them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let kind = match mode {
        Mode::Ip => libc::IFF_TUN,
        Mode::Ethernet => libc::IFF_TAP,
    };
    // All bits of the flags are below 2^15.
    let flags = (kind | libc::IFF_NO_PI) as libc::c_short;
    request.ifr_ifru.ifru_flags = flags;
    let owner = libc::c_ulong::from(nix::unistd::geteuid().as_raw());
    // SAFETY: the request lives through the call; the other two take plain numbers.
    let refused = unsafe {
        libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) < 0
            || libc::ioctl(file.as_raw_fd(), libc::TUNSETOWNER, owner) < 0
            || libc::ioctl(file.as_raw_fd(), libc::TUNSETPERSIST, 1 as libc::c_ulong) < 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_options_are_those_of_openssh() {
        assert_eq!(Mode::Ip.interface(0), "tun0");
        assert_eq!(Mode::Ethernet.interface(17), "tap17");
        assert_eq!(Mode::Ip.option(), "point-to-point");
        assert_eq!(Mode::Ethernet.option(), "ethernet");
    }
}
