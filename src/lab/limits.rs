//! Ranges of single values, used by the reader and by the published schema.

use std::ops::RangeInclusive;

/// First two bytes of every MAC of the underlay; a VM may not have such a one.
pub(crate) const UNDERLAY_MAC: [u8; 2] = [0x02, 0x00];
/// MTU of underlay links in bytes: from what every host takes (RFC 791) to an IP packet's largest length.
pub(super) const UNDERLAY_MTU: RangeInclusive<u32> = 576..=65535;
/// MTU of a VM in bytes (RFC 791: every module forwards 68 bytes).
pub(super) const VM_MTU: RangeInclusive<u32> = 68..=65535;
/// Parallel connections of one flow.
pub(super) const STREAMS: RangeInclusive<u32> = 1..=128;
/// Rounds of each flow in each variant.
pub(super) const ROUNDS: RangeInclusive<u32> = 1..=1000;
/// Rounds that an interval of 95 % can be had from.
pub(super) const SURE_ROUNDS: RangeInclusive<u32> = 6..=1000;
/// Switches of one kind, and hosts under each, of a generated fabric.
pub(super) const FABRIC: RangeInclusive<u32> = 1..=1000;
/// Levels of a tree of switches.
pub(super) const DEPTH: RangeInclusive<u32> = 1..=16;
/// Ports of a fat tree's switches.
pub(super) const FAT_TREE: RangeInclusive<u32> = 2..=64;
/// Switches of a circle: with two there would be none.
pub(super) const RING: RangeInclusive<u32> = 3..=1000;
/// MAC addresses that a switch learns.
pub(super) const MAC_TABLE: RangeInclusive<u32> = 1..=1_000_000;
/// Addresses of one NVGRE endpoint.
pub(super) const NVE_ADDRESSES: RangeInclusive<u32> = 1..=16;
/// UDP source ports of one VTEP.
pub(super) const SOURCE_PORTS: RangeInclusive<u32> = 1..=64;
/// Tunnels or packets that a lab counts on.
pub(super) const COUNT: RangeInclusive<u32> = 0..=1_000_000;
/// VMs of a lab that an expectation counts on.
pub(super) const VMS: RangeInclusive<u32> = 1..=1_000_000;
/// Types of Ethernet frames; smaller numbers are lengths (IEEE 802.3).
pub(super) const ETHERTYPE: RangeInclusive<u32> = 0x600..=0xFFFF;
/// Hops between two VMs.
pub(super) const HOPS: RangeInclusive<u32> = 1..=16;
/// Packets that one broadcast becomes on the sender's link.
pub(super) const COPIES: RangeInclusive<u32> = 1..=10_000;
/// What the 12 bits of a tag can hold.
pub(super) const VID: RangeInclusive<u32> = 0..=4095;
/// Packets of one probe.
pub(super) const PROBES: RangeInclusive<u32> = 1..=1000;
/// Connections opened on the underlay.
pub(super) const HANDSHAKES: RangeInclusive<u32> = 0..=65535;
/// Packets that carry one frame which fills a VM's MTU: 64 KiB at the smallest underlay MTU are fewer.
pub(super) const PIECES: RangeInclusive<u32> = 1..=1000;
/// UDP ports.
pub(super) const PORT: RangeInclusive<u32> = 1..=65535;
/// Bytes a packet may grow by.
pub(super) const OVERHEAD: RangeInclusive<u32> = 0..=65535;
/// UDP payload over IPv4 in bytes: 65535 less 20 and 8 (RFC 768, RFC 791).
pub(super) const DATAGRAM: RangeInclusive<u64> = 1..=65507;
/// A request or response in bytes.
pub(super) const MESSAGE: RangeInclusive<u64> = 1..=1 << 20;
/// Prefix length of a tenant's subnet: so that there are at least two addresses for hosts.
pub(super) const PREFIX: RangeInclusive<u8> = 8..=30;
/// Prefix length of a tenant's IPv6 subnet: VMs have the same host part as in the IPv4 one.
pub(super) const PREFIX6: RangeInclusive<u8> = 16..=64;
/// Geneve options on a packet, and the data of one, in bytes (RFC 8926 section 3.4 and 3.5).
pub(super) const OPTIONS: u32 = 252;
pub(super) const OPTION_DATA: usize = 124;
/// Bytes of a node's name: interfaces towards it carry it (Linux `IFNAMSIZ` is 16 with the final 0).
pub(super) const NODE_NAME: usize = 15;
/// Bytes of a tenant's or VM's name.
pub(super) const TENANT_NAME: usize = 32;
/// Tenants that one entry stands for.
pub(super) const TENANTS: RangeInclusive<u32> = 1..=20_000;
/// VMs that one entry spreads over hosts.
pub(super) const SPREAD: RangeInclusive<u32> = 1..=10_000;
/// VMs of a lab; each becomes a namespace in every variant.
pub(super) const LAB_VMS: u64 = 100_000;
/// Ordered pairs that are tried of many.
pub(super) const SAMPLE: RangeInclusive<u32> = 1..=1_000_000;
/// Nodes of a topology; each one becomes a namespace.
pub(super) const NODES: u64 = 10_000;
/// Cables of a topology; each one becomes two interfaces.
pub(super) const LINKS: u64 = 1 << 16;
/// Bytes of a file: a lab of 5000 tenants has half of it.
pub(super) const FILE: u64 = 1 << 20;
