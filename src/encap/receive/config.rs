//! A receiver's settings.

use std::net::IpAddr;

use super::Engines;
use crate::encap::ecn::Dscp;
use crate::encap::{
    Engine, Geneve, Gre, IpInIp, Limits, Nvgre, Qinq, Stt, Transport, Vlan, Vxlan, VxlanGpe,
};
use crate::wire::ethernet::Mac;
use crate::wire::{stt, udp};

/// What is expected inside the outer frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 802.1Q.
    Vlan,
    /// 802.1ad.
    Qinq,
    /// Bridges' control frames.
    Stp,
    /// IPv4 in IPv4 or IPv6.
    Ipip,
    /// IPv6 in IPv4 or IPv6.
    SixInFour,
    /// IP in GRE.
    Gre,
    /// Ethernet in GRE.
    Gretap,
    /// NVGRE.
    Nvgre,
    /// VXLAN.
    Vxlan,
    /// VXLAN-GPE.
    VxlanGpe,
    /// Geneve.
    Geneve,
    /// STT.
    Stt,
    /// OpenSSH's tunnel; its messages go to [`super::receive_ssh`].
    Ssh,
}

/// What is done with packets that the standards leave to the receiver's settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Contested {
    /// They are told as such.
    #[default]
    Report,
    /// They are delivered.
    Accept,
    /// They are dropped.
    Drop,
}

/// Settings of one receiver. An empty list allows everything.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is expected.
    pub protocol: Protocol,
    /// Our addresses, joined groups included.
    pub local: Vec<IpAddr>,
    /// Outer sources taken packets from.
    pub peers: Vec<IpAddr>,
    /// Networks that are known here.
    pub networks: Vec<u64>,
    /// Our own MAC addresses: frames from them came back in a loop.
    pub own_macs: Vec<Mac>,
    /// Destination port, where not the registered one.
    pub port: Option<u16>,
    /// Whether the GRE tunnel has keys.
    pub keyed: bool,
    /// The VLAN of the port: what priority tags mean, and where double tags are suspect.
    pub pvid: Option<u16>,
    /// VID of the service tag of 802.1ad.
    pub service: u16,
    /// Geneve options known, by class and type.
    pub known_options: Vec<(u16, u8)>,
    /// As strict as Linux or Open vSwitch where the standard is not.
    pub strict: bool,
    /// Whether outer UDP checksums are verified. RFC 7348 leaves it open, RFC 8926 demands it.
    pub verify_udp: bool,
    /// Whether a zero UDP checksum over IPv6 is taken (RFC 6935).
    pub udp6_zero: bool,
    /// Whether outer fragments are put together.
    pub reassemble: bool,
    /// What is done where the standards leave a choice.
    pub contested: Contested,
    /// How service classes come out of the tunnel.
    pub dscp: Dscp,
    /// How much may wait for its rest.
    pub limits: Limits,
}

impl Config {
    /// A receiver of a protocol that takes everything from everybody.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Config {
            protocol,
            local: Vec::new(),
            peers: Vec::new(),
            networks: Vec::new(),
            own_macs: Vec::new(),
            port: None,
            keyed: false,
            pvid: Some(1),
            service: Qinq::default().service,
            known_options: Vec::new(),
            strict: false,
            verify_udp: true,
            udp6_zero: false,
            reassemble: true,
            contested: Contested::Report,
            dscp: Dscp::default(),
            limits: Limits::default(),
        }
    }

    /// The destination port of the protocol, 0 where it has none.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Protocol::Vxlan => udp::port::VXLAN,
            Protocol::VxlanGpe => udp::port::VXLAN_GPE,
            Protocol::Geneve => udp::port::GENEVE,
            Protocol::Stt => stt::PORT,
            _ => 0,
        })
    }

    pub(super) fn engines(&self) -> Engines {
        Engines { lenient: self.engine(false), cautious: self.engine(true) }
    }

    /// The engine, lenient or cautious where receivers may differ.
    fn engine(&self, cautious: bool) -> Box<dyn Engine> {
        let (port, strict) = (self.port(), self.strict);
        let known = self.known_options.clone();
        match self.protocol {
            Protocol::Vlan | Protocol::Stp | Protocol::Ssh => {
                Box::new(Vlan { pvid: self.pvid, no_hopping: cautious, ..Vlan::default() })
            }
            Protocol::Qinq => Box::new(Qinq { service: self.service, pcp: 0 }),
            Protocol::Ipip => Box::new(IpInIp::V4),
            Protocol::SixInFour => Box::new(IpInIp::V6),
            Protocol::Gre => Box::new(Gre { keyed: self.keyed, strict, ..Gre::default() }),
            Protocol::Gretap => {
                Box::new(Gre { ethernet: true, keyed: self.keyed, strict, ..Gre::default() })
            }
            Protocol::Nvgre => Box::new(Nvgre { small_keys: !cautious }),
            Protocol::Vxlan => Box::new(Vxlan { port, strict, inner_tags: !cautious }),
            Protocol::VxlanGpe => Box::new(VxlanGpe { port }),
            Protocol::Geneve => {
                Box::new(Geneve { port, known, strict: cautious, ..Geneve::default() })
            }
            Protocol::Stt => Box::new(Stt { port, strict: cautious }),
        }
    }
}

impl Config {
    /// What the protocol travels in.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.engine(false).transport()
    }
}
