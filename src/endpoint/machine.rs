//! What this machine has and may do.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::Error;

/// An interface of this namespace with its addresses.
#[derive(Debug, Clone)]
pub(super) struct Below {
    pub name: String,
    pub mtu: u32,
    pub addresses: Vec<IpAddr>,
}

/// The interfaces of this namespace.
pub(super) fn interfaces() -> Result<Vec<Below>, Error> {
    let system = |operation: &str, source: nix::Error| Error::System {
        operation: operation.into(),
        source: source.into(),
    };
    let named = nix::net::if_::if_nameindex().map_err(|e| system("list the interfaces", e))?;
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")
        .map_err(|source| Error::System { operation: "open a socket".into(), source })?;
    let mut all: Vec<Below> = Vec::new();
    for interface in &named {
        let name = interface.name().to_string_lossy().into_owned();
        let mtu = crate::datapath::user::mtu(&socket, &name).unwrap_or(1500);
        all.push(Below { name, mtu, addresses: Vec::new() });
    }
    let addresses = nix::ifaddrs::getifaddrs().map_err(|e| system("list the addresses", e))?;
    for interface in addresses {
        let Some(storage) = interface.address else { continue };
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        let below = all.iter_mut().find(|below| below.name == interface.interface_name);
        if let (Some(below), Some(address)) = (below, v4.or(v6)) {
            below.addresses.push(address);
        }
    }
    Ok(all)
}

/// Holds that this process may make devices and open packet sockets.
pub(super) fn capable() -> Result<(), Error> {
    const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let missing: Vec<_> =
        NEEDED.iter().filter(|(_, bit)| set >> bit & 1 == 0).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return Err(Error::Missing(format!(
            "this needs {}: run it as root, or inside a user and network namespace of your own \
             (`unshare --user --map-root-user --net`)",
            missing.join(" and ")
        )));
    }
    if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/net/tun") {
        return Err(Error::Missing(format!(
            "/dev/net/tun cannot be opened ({error}): load the module `tun`, or give the \
             container this device"
        )));
    }
    Ok(())
}

/// What a device has carried, from the stack into the device and the other way; nulls where the
/// system does not tell.
pub(super) fn device_counters(device: &str) -> [Value; 2] {
    // Of this thread's namespace, whatever `/sys` shows.
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let line =
        table.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let numbers: Vec<Option<u64>> =
        line.unwrap_or_default().split_whitespace().map(|number| number.parse().ok()).collect();
    let at = |at: usize| numbers.get(at).copied().flatten();
    // Eight columns of what was received, then eight of what was sent: bytes, packets, errors,
    // dropped, ..
    [8, 0].map(|first| {
        let mut drops = serde_json::Map::new();
        if let Some(count @ 1..) = at(first + 3) {
            drops.insert("device".into(), count.into());
        }
        json!({ "packets": at(first + 1), "bytes": at(first), "drops": drops })
    })
}
