//! The descriptions of all headers.

mod link;
mod network;
mod transport;
mod tunnel;

pub use link::{ARP, BPDU, ETHERNET, VLAN};
pub use network::{DESTINATION_OPTIONS, FRAGMENT, ICMP, IPV4, IPV6};
pub use transport::{TCP, UDP};
pub use tunnel::{GENEVE, GENEVE_OPTION, GRE, NVGRE, SSH_DATA, STT, STT_SEGMENT, VXLAN, VXLAN_GPE};

#[cfg(test)]
mod tests;
