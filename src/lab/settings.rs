//! What an encapsulation can be told beyond its name: where standards leave a choice, or real
//! implementations differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::Switchable;
pub use super::outer::{DscpMode, EcnMode, OuterDscp, OuterTtl, TtlMode};
use crate::encap::Extras;
use crate::ids::{Encap, VlanId};

/// IP version of the underlay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What routers choose among equal-cost paths by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ecmp {
    /// Outer addresses.
    Addresses,
    /// Outer addresses and, where the packet has some, TCP or UDP ports.
    #[default]
    Ports,
    /// Also the addresses and ports inside GRE and IP in IP, where the kernel looks there (Linux 5.12).
    Inner,
}

impl Ecmp {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Ecmp::Addresses => "addresses",
            Ecmp::Ports => "ports",
            Ecmp::Inner => "inner",
        }
    }
}

impl IpVersion {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            IpVersion::Ipv4 => "ipv4",
            IpVersion::Ipv6 => "ipv6",
        }
    }
}

/// What becomes of tenants' packets that do not fit the underlay with their headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MtuMode {
    /// VMs get an MTU that is smaller by the overhead, and never send any.
    #[default]
    Lower,
    /// VMs keep the underlay's MTU; the edge drops and tells them by ICMP (RFC 1191, RFC 8201).
    Icmp,
    /// VMs keep the underlay's MTU; outer packets are fragmented and put together again.
    Fragment,
    /// VMs keep the underlay's MTU; the edge drops and nobody is told.
    Blackhole,
}

impl MtuMode {
    /// The name used in lab files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            MtuMode::Lower => "lower",
            MtuMode::Icmp => "icmp",
            MtuMode::Fragment => "fragment",
            MtuMode::Blackhole => "blackhole",
        }
    }
}

/// One Geneve option, sent with every packet (RFC 8926 section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneveOption {
    /// Option class, 16 bits.
    pub class: u16,
    /// Type, 8 bits; 128 and above are critical.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Data in hexadecimal digits, up to 124 bytes, a multiple of 4.
    #[serde(default)]
    pub data: String,
}

impl GeneveOption {
    /// Bytes of the option's own header.
    const HEADER: u32 = 4;

    /// The data; `None` where it is no even number of hexadecimal digits.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let digits = self.data.as_bytes();
        if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.chunks_exact(2).map(pair).collect()
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn wire_len(&self) -> u32 {
        Self::HEADER + u32::try_from(self.data.len() / 2).unwrap_or(u32::MAX / 2)
    }
}

/// Settings of the engines. Absent ones are as the standard or, where that leaves it open, as Linux.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Whether receivers drop what Linux drops and the standard ignores (reserved bits and the like).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Whether GRE packets carry a checksum (`gre`, `gretap`).
    pub csum: bool,
    /// Whether GRE packets carry sequence numbers, enforced by the receiver (`gre`, `gretap`).
    pub seq: bool,
    /// Whether VMs may send frames with VLAN tags (`vxlan`; with `vlan`, another tag goes in front).
    pub inner_tags: bool,
    /// Options on every packet (`geneve`).
    pub options: Vec<GeneveOption>,
    /// Service VID, the outer tag (`qinq`); 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<VlanId>,
    /// Addresses of each endpoint, 1 where absent: flows are spread over the pairs (`nvgre`, RFC 7637 section 4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nve_addresses: Option<u32>,
    /// UDP source ports of each VTEP, 16 where absent: flows are spread over them (`vxlan`, `geneve`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<u32>,
    /// Outer TTL or hop limit: a number from 1 to 255, or `inherit` for the inner packet's; 64
    /// where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<OuterTtl>,
    /// Outer service class: a number from 0 to 63, `uniform` (copied both ways) or `copy` (out
    /// only); 0 where absent, but `copy` for `ipip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dscp: Option<OuterDscp>,
    /// Congestion marks on encapsulation (RFC 6040); `normal` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecn: Option<EcnMode>,
    /// Outer UDP checksums (`vxlan`, `geneve`); `on` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_csum: Option<Switchable>,
    /// Whether receivers take zero UDP checksums over IPv6 (RFC 6935; `vxlan`, `geneve`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub udp6_zero: bool,
}

impl EngineSettings {
    /// What these settings add to each packet. Tenants of one pair of hosts are told apart by
    /// their GRE keys (RFC 2890), so that GRE always has one.
    #[must_use]
    pub fn extras(&self) -> Extras {
        Extras {
            key: true,
            checksum: self.csum,
            sequence: self.seq,
            geneve_options: self.options.iter().map(GeneveOption::wire_len).sum(),
            ..Extras::default()
        }
    }

    /// What tells these settings from none, for the name of a variant of `encap`: `csum-seq`; empty
    /// where nothing does.
    #[must_use]
    pub fn label(&self, encap: Encap) -> String {
        let used = self.used();
        let Ok(serde_json::Value::Object(written)) = serde_json::to_value(self) else {
            return String::new();
        };
        let name = |key: &str| {
            let value = written.get(key)?;
            Some(match value {
                serde_json::Value::Bool(false) => format!("no-{key}"),
                serde_json::Value::Number(n) => format!("{key}{n}"),
                serde_json::Value::String(text) => format!("{key}-{text}"),
                serde_json::Value::Array(items) => format!("{key}{}", items.len()),
                _ => key.to_owned(),
            })
        };
        let names =
            used.iter().filter(|(_, of)| of.contains(&encap)).filter_map(|(key, _)| name(key));
        names.collect::<Vec<_>>().join("-").replace('_', "-")
    }

    /// The keys that say something other than nothing, each with the encapsulations it is for.
    pub(super) fn used(&self) -> Vec<(&'static str, &'static [Encap])> {
        const GRE: &[Encap] = &[Encap::Gre, Encap::Gretap];
        const STRICT: &[Encap] =
            &[Encap::Gre, Encap::Gretap, Encap::Vxlan, Encap::Nvgre, Encap::Stt, Encap::Geneve];
        const UDP: &[Encap] = &[Encap::Vxlan, Encap::Geneve];
        const TUNNELS: &[Encap] = &[
            Encap::Ipip,
            Encap::SixInFour,
            Encap::Gre,
            Encap::Gretap,
            Encap::Vxlan,
            Encap::Nvgre,
            Encap::Stt,
            Encap::Geneve,
        ];
        let used = [
            ("strict", self.strict.is_some(), STRICT),
            ("csum", self.csum, GRE),
            ("seq", self.seq, GRE),
            ("inner_tags", self.inner_tags, &[Encap::Vlan, Encap::Vxlan]),
            ("options", !self.options.is_empty(), &[Encap::Geneve]),
            ("service", self.service.is_some(), &[Encap::Qinq]),
            ("nve_addresses", self.nve_addresses.is_some(), &[Encap::Nvgre]),
            ("source_ports", self.source_ports.is_some(), &[Encap::Vxlan, Encap::Geneve]),
            ("ttl", self.ttl.is_some(), TUNNELS),
            ("dscp", self.dscp.is_some(), TUNNELS),
            ("ecn", self.ecn.is_some(), TUNNELS),
            ("udp_csum", self.udp_csum.is_some(), UDP),
            ("udp6_zero", self.udp6_zero, UDP),
        ];
        used.into_iter().filter(|(_, used, _)| *used).map(|(key, _, of)| (key, of)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_say_what_is_set_and_for_whom() {
        let both = EngineSettings { csum: true, seq: true, ..EngineSettings::default() };
        assert_eq!(both.label(Encap::Gretap), "csum-seq");
        assert_eq!(both.label(Encap::Vxlan), "");
        let liberal = EngineSettings { strict: Some(false), inner_tags: true, ..both };
        assert_eq!(liberal.label(Encap::Vxlan), "no-strict-inner-tags");
    }

    #[test]
    fn option_data_is_read_from_hexadecimal_digits() {
        let option = |data: &str| GeneveOption { class: 1, kind: 2, data: data.to_owned() };
        assert_eq!(option("00ffA5").bytes(), Some(vec![0, 255, 0xA5]));
        assert_eq!((option("abc").bytes(), option("0g").bytes()), (None, None));
        assert_eq!(option("00112233").wire_len(), 8);
    }
}
