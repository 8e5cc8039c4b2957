//! The underlay's addresses and MACs, kept apart from the tenants'.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::PlanError;
use super::graph::Graph;
use crate::lab::{IpVersion, Lab, UNDERLAY_MAC};

/// Where underlay ranges are taken from, best first: private (RFC 1918), benchmarking (RFC 2544)
/// and shared (RFC 6598) addresses; each from its upper end, since tenants begin at the lower.
const POOLS: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// The underlay's IPv6 ranges: unique local addresses (RFC 4193), which no tenant's IPv6 subnet
/// meets, since tenants' addresses never enter the IPv6 underlay.
const LINKS6: Ipv6Addr = Ipv6Addr::new(0xFD6F, 0x766C, 0, 1, 0, 0, 0, 0);
const LOOPBACKS6: Ipv6Addr = Ipv6Addr::new(0xFD6F, 0x766C, 0, 2, 0, 0, 0, 0);
/// Link-local addresses, which neighbour discovery asks from (RFC 4861 section 7.2.2).
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0);

/// First two bytes of every derived VM MAC.
const VM_MAC: [u8; 2] = [0x06, 0x00];

/// The underlay's two address ranges: no tenant's subnet overlaps them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranges {
    /// Whose addresses are given out.
    version: IpVersion,
    /// A /30 per cable of an L3 fabric; all hosts' addresses of an L2 fabric. Usually 10.255.0.0/16.
    links: Ipv4Net,
    /// The loopback address of each host in an L3 fabric. Usually 10.254.0.0/16.
    loopbacks: Ipv4Net,
}

impl Ranges {
    /// Chooses ranges that are large enough for the topology and that no tenant uses.
    ///
    /// # Errors
    /// [`PlanError::NoRange`] where the tenants use all there are.
    pub(super) fn new(lab: &Lab, graph: &Graph) -> Result<Ranges, PlanError> {
        let mut taken: Vec<Ipv4Net> = lab.tenants.iter().map(|t| t.subnet.trunc()).collect();
        let written = lab.carrier.vtep.values().filter_map(|address| match address {
            IpAddr::V4(address) => Some(Ipv4Net::from(*address)),
            IpAddr::V6(_) => None,
        });
        taken.extend(written);
        let hosts = graph.hosts().count();
        let addresses = lab.compare.nve_addresses.iter().chain(&lab.carrier.engine.nve_addresses);
        let each = addresses.max().map_or(1, |&most| most as usize);
        let links = free(prefix((4 * graph.cables.len()).max(hosts * each + 2)), &taken)?;
        taken.push(links);
        let loopbacks = free(prefix(hosts * each + 2), &taken)?;
        Ok(Ranges { version: IpVersion::Ipv4, links, loopbacks })
    }

    /// The same for an underlay of an IP version.
    pub(super) fn of(self, version: IpVersion) -> Ranges {
        Ranges { version, ..self }
    }

    /// The address of one end (0 or 1) of a cable between routers and hosts.
    pub(super) fn link(&self, cable: usize, end: usize) -> IpAddr {
        let n = 4 * cable + 1 + end;
        match self.version {
            IpVersion::Ipv4 => nth(self.links, n).into(),
            IpVersion::Ipv6 => nth6(LINKS6, n).into(),
        }
    }

    /// The addresses of that end's interface: in the cable's own /30 or /126 (a /31 would do, RFC
    /// 3021, but tools that set a broadcast address would set the peer's), and a link-local one
    /// for IPv6.
    pub(super) fn link_nets(&self, cable: usize, end: usize) -> Vec<IpNet> {
        let mut nets = net(self.link(cable, end), [30, 126]);
        if self.version == IpVersion::Ipv6 {
            nets.extend(net(nth6(LINK_LOCAL, 4 * cable + 1 + end).into(), [32, 64]));
        }
        nets
    }

    /// The loopback address of a host, counted from 0: where its tunnels start in an L3 fabric.
    pub(super) fn loopback(&self, host: usize) -> IpAddr {
        match self.version {
            IpVersion::Ipv4 => nth(self.loopbacks, host + 1).into(),
            IpVersion::Ipv6 => nth6(LOOPBACKS6, host + 1).into(),
        }
    }

    /// The address of a host, counted from 0, in the one subnet of an L2 fabric.
    pub(super) fn bridged(&self, host: usize) -> IpAddr {
        match self.version {
            IpVersion::Ipv4 => nth(self.links, host + 1).into(),
            IpVersion::Ipv6 => nth6(LINKS6, host + 1).into(),
        }
    }

    /// The addresses of that host's interface, of `hosts` with `each` addresses.
    pub(super) fn bridged_nets(&self, host: usize, hosts: usize, each: usize) -> Vec<IpNet> {
        let lengths = [self.links.prefix_len(), 64];
        let mut nets: Vec<IpNet> =
            (0..each).flat_map(|n| net(self.bridged(n * hosts + host), lengths)).collect();
        if self.version == IpVersion::Ipv6 {
            nets.extend(net(nth6(LINK_LOCAL, host + 1).into(), [32, 64]));
        }
        nets
    }
}

/// An address with the prefix length of its version: `[IPv4, IPv6]`.
fn net(address: IpAddr, lengths: [u8; 2]) -> Vec<IpNet> {
    let length = lengths[usize::from(address.is_ipv6())];
    IpNet::new(address, length).into_iter().collect()
}

/// The address `n` after another.
fn nth6(from: Ipv6Addr, n: usize) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(from).saturating_add(n as u128))
}

/// A VM's IPv6 address: the same host part as its IPv4 address has.
pub(super) fn vm_address6(address: Ipv4Net, subnet6: Ipv6Net) -> Option<Ipv6Net> {
    let host = u32::from(address.addr()) - u32::from(address.network());
    let address = Ipv6Addr::from(u128::from(subnet6.network()) | u128::from(host));
    Ipv6Net::new(address, subnet6.prefix_len()).ok()
}

/// The longest prefix (16 at most) that holds `count` addresses.
fn prefix(count: usize) -> u8 {
    let bits = u8::try_from(count.next_power_of_two().trailing_zeros()).unwrap_or(u8::MAX);
    32u8.saturating_sub(bits).min(16)
}

fn free(prefix: u8, taken: &[Ipv4Net]) -> Result<Ipv4Net, PlanError> {
    let pools = POOLS.iter().filter_map(|&(network, length)| Ipv4Net::new(network, length).ok());
    let candidates = pools.filter_map(|pool| pool.subnets(prefix).ok());
    candidates
        .flat_map(|subnets| subnets.collect::<Vec<_>>().into_iter().rev())
        .find(|range| !taken.iter().any(|net| net.contains(range) || range.contains(net)))
        .ok_or(PlanError::NoRange { prefix })
}

/// The address `n` after the network's own. The sizes of ranges keep `n` inside.
fn nth(range: Ipv4Net, n: usize) -> Ipv4Addr {
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    Ipv4Addr::from(u32::from(range.network()).saturating_add(n))
}

/// The MAC of one end of a cable: `02:00`, the cable's number, the end.
pub(super) fn underlay_mac(cable: usize, end: usize) -> String {
    let [.., a, b, c] = cable.to_be_bytes();
    mac_text([UNDERLAY_MAC[0], UNDERLAY_MAC[1], a, b, c, u8::from(end != 0)])
}

/// The MAC of a VM: `06:00` and its address, so that equal addresses give equal MACs.
pub(super) fn vm_mac(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [VM_MAC[0], VM_MAC[1], a, b, c, d]
}

/// Reads `aa:bb:cc:dd:ee:ff`.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut bytes = text.split(':');
    for byte in &mut mac {
        let digits = bytes.next().filter(|d| d.len() == 2 && !d.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    bytes.next().is_none().then_some(mac)
}

/// Writes `aa:bb:cc:dd:ee:ff`.
pub(super) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn ranges_shift_out_of_the_tenants_way() {
        let range = |taken: &[&str]| free(16, &nets(taken)).unwrap().to_string();
        assert_eq!(range(&["192.168.0.0/24"]), "10.255.0.0/16");
        assert_eq!(range(&["10.255.7.0/24"]), "10.254.0.0/16");
        assert_eq!(range(&["10.0.0.0/8"]), "172.31.0.0/16");
        assert_eq!(range(&["10.0.0.0/8", "172.16.0.0/12"]), "198.19.0.0/16");
        assert!(free(16, &nets(&["0.0.0.0/0"])).is_err());
    }

    #[test]
    fn ranges_grow_with_the_topology() {
        assert_eq!(prefix(4), 16);
        assert_eq!(prefix(65_536), 16);
        assert_eq!(prefix(65_537), 15);
        assert_eq!(prefix(4 << 16), 14);
    }

    #[test]
    fn ipv6_underlays_have_link_local_addresses_too() {
        let range = Ipv4Net::default();
        let ranges = Ranges { version: IpVersion::Ipv6, links: range, loopbacks: range };
        let texts: Vec<_> = ranges.link_nets(1, 1).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["fd6f:766c:0:1::6/126", "fe80::6/64"]);
        assert_eq!(ranges.loopback(0).to_string(), "fd6f:766c:0:2::1");
    }

    #[test]
    fn a_vm_has_the_same_host_part_in_both_subnets() {
        let net = |host: &str, subnet: &str| {
            vm_address6(host.parse().unwrap(), subnet.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(net("192.168.0.100/24", "fd00::/64"), "fd00::64/64");
        assert_eq!(net("10.0.1.2/8", "2001:db8::/32"), "2001:db8::102/32");
    }

    #[test]
    fn macs_round_trip_and_are_unicast_and_local() {
        assert_eq!(mac_text(vm_mac(Ipv4Addr::new(192, 168, 0, 1))), "06:00:c0:a8:00:01");
        assert_eq!(underlay_mac(0x01_02_03, 1), "02:00:01:02:03:01");
        assert_eq!(parse_mac("06:00:C0:a8:00:01"), Some([6, 0, 0xC0, 0xA8, 0, 1]));
        for wrong in ["", "06:00", "06:00:c0:a8:00:01:02", "06-00-c0-a8-00-01", "6:0:0:0:0:0"] {
            assert_eq!(parse_mac(wrong), None, "{wrong}");
        }
    }
}
