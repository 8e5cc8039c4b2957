//! Offload features of interfaces, switched off where packets must be on the wire as on a cable.
//!
//! The features are those of `ethtool -K`, set by their kernel names through `SIOCETHTOOL`
//! (`linux/ethtool.h`), because old short names cannot express the tunnel ones.

use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::error::{Error, Result};

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_SFEATURES: u32 = 0x3b;
const ETH_SS_FEATURES: u32 = 4;
const ETH_GSTRING_LEN: usize = 32;

/// Which features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offloads {
    /// Everything that lets a packet leave unfinished: checksums and all kinds of segmentation.
    All,
    /// What a plain UDP socket as the tunnel's other end cannot take: unfinished checksums, and
    /// super-frames in a tunnel.
    Tunnel,
    /// Super-frames of UDP datagrams.
    Udp,
}

impl Offloads {
    fn covers(self, name: &str) -> bool {
        let checksum = name.starts_with("tx-checksum-");
        match self {
            Offloads::All => checksum || name.starts_with("tx-") && name.ends_with("segmentation"),
            Offloads::Udp => name == "tx-udp-segmentation",
            Offloads::Tunnel => checksum || name.starts_with("tx-udp_tnl-"),
        }
    }
}

/// Switches features of an interface off. The calling thread must be inside its namespace.
/// Features that this kernel has not, or that cannot be changed, stay as they are.
///
/// # Errors
/// The interface is unknown, or the kernel refused.
pub fn switch_off(interface: &str, offloads: Offloads) -> Result<()> {
    let switch = || -> io::Result<()> {
        let device = Device::open(interface)?;
        let names = device.feature_names()?;
        let chosen: Vec<usize> =
            (0..names.len()).filter(|at| offloads.covers(&names[*at])).collect();
        device.clear_features(names.len(), &chosen)
    };
    switch().map_err(|e| Error::system(format!("switch offloads of {interface} off"), e))
}

struct Device {
    socket: std::os::fd::OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Device {
    fn open(interface: &str) -> io::Result<Device> {
        let mut name = [0; libc::IFNAMSIZ];
        if interface.len() >= name.len() {
            return Err(io::Error::other("the interface name is longer than 15 bytes"));
        }
        for (to, from) in name.iter_mut().zip(interface.bytes()) {
            *to = from.cast_signed();
        }
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Device { socket, name })
    }

    /// One ethtool command. The words start with the command; the kernel writes its answer into
    /// them and never more than the command's own length fields allow.
    fn command(&self, words: &mut [u32]) -> io::Result<()> {
        // SAFETY: all bit patterns of ifreq are valid, zero among them.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        // SAFETY: the socket is open; the request and the words live through the call, and each
        // caller has sized the words for what its command reads and writes.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    fn feature_names(&self) -> io::Result<Vec<String>> {
        // struct ethtool_sset_info: command, reserved, 64-bit mask, one count per set bit.
        let mut info = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0, 0];
        let mask = (1u64 << ETH_SS_FEATURES).to_ne_bytes();
        for (word, bytes) in info[2..4].iter_mut().zip(mask.chunks_exact(4)) {
            *word = bytes.try_into().map_or(0, u32::from_ne_bytes);
        }
        self.command(&mut info)?;
        let count = info[4];
        // struct ethtool_gstrings: command, set, count, strings of 32 bytes.
        let mut strings = vec![0; 3 + count as usize * ETH_GSTRING_LEN / 4];
        strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count]);
        self.command(&mut strings)?;
        let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = |name: &[u8]| {
            String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default())
                .into_owned()
        };
        Ok(bytes.chunks_exact(ETH_GSTRING_LEN).map(text).collect())
    }

    fn clear_features(&self, count: usize, chosen: &[usize]) -> io::Result<()> {
        // struct ethtool_sfeatures: command, number of blocks, per block a mask of what is
        // meant and the values asked for.
        let blocks = count.div_ceil(32);
        let mut words = vec![0; 2 + 2 * blocks];
        words[0] = ETHTOOL_SFEATURES;
        words[1] = u32::try_from(blocks).unwrap_or_default();
        for at in chosen {
            words[2 + 2 * (at / 32)] |= 1 << (at % 32);
        }
        self.command(&mut words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_offloads_leave_plain_segmentation_alone() {
        assert!(Offloads::All.covers("tx-tcp-segmentation"));
        assert!(!Offloads::Tunnel.covers("tx-tcp-segmentation"));
        assert!(Offloads::Tunnel.covers("tx-udp_tnl-csum-segmentation"));
        assert!(Offloads::Tunnel.covers("tx-checksum-ip-generic"));
        assert!(Offloads::Udp.covers("tx-udp-segmentation"));
        assert!(!Offloads::All.covers("rx-gro"));
    }
}
