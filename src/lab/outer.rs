//! How outer headers are filled in, as labs say it; the words are those of `overlab endpoint`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encap::ecn::{Dscp, Ingress};
use crate::encap::{Delivery, Ttl};
use crate::ids::Encap;

/// The outer TTL or hop limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OuterTtl {
    /// A number of hops, 1 to 255.
    Hops(#[schemars(range(min = 1, max = 255))] u8),
    /// By name.
    Mode(TtlMode),
}

/// Where an outer TTL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TtlMode {
    /// From the inner packet.
    Inherit,
}

/// How service classes cross the tunnel (RFC 2983).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OuterDscp {
    /// The pipe model: this outer class, 0 to 63, ignored at the far end.
    Pipe(#[schemars(range(max = 63))] u8),
    /// By name.
    Mode(DscpMode),
}

/// Which way service classes are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DscpMode {
    /// Both ways.
    Uniform,
    /// Out only (RFC 2003 section 3.1).
    Copy,
}

/// What encapsulation does with congestion marks (RFC 6040 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EcnMode {
    /// Copies them.
    Normal,
    /// Sends Not-ECT, for far ends that do not know RFC 6040.
    Compatibility,
}

impl From<Ttl> for OuterTtl {
    fn from(ttl: Ttl) -> Self {
        match ttl {
            Ttl::Fixed(hops) => OuterTtl::Hops(hops),
            Ttl::Inherit => OuterTtl::Mode(TtlMode::Inherit),
        }
    }
}

impl From<OuterTtl> for Ttl {
    fn from(ttl: OuterTtl) -> Self {
        match ttl {
            OuterTtl::Hops(hops) => Ttl::Fixed(hops),
            OuterTtl::Mode(TtlMode::Inherit) => Ttl::Inherit,
        }
    }
}

impl From<Dscp> for OuterDscp {
    fn from(dscp: Dscp) -> Self {
        match dscp {
            Dscp::Pipe(class) => OuterDscp::Pipe(class),
            Dscp::Uniform => OuterDscp::Mode(DscpMode::Uniform),
            Dscp::Copy => OuterDscp::Mode(DscpMode::Copy),
        }
    }
}

impl From<OuterDscp> for Dscp {
    fn from(dscp: OuterDscp) -> Self {
        match dscp {
            OuterDscp::Pipe(class) => Dscp::Pipe(class),
            OuterDscp::Mode(DscpMode::Uniform) => Dscp::Uniform,
            OuterDscp::Mode(DscpMode::Copy) => Dscp::Copy,
        }
    }
}

impl From<Ingress> for EcnMode {
    fn from(ecn: Ingress) -> Self {
        match ecn {
            Ingress::Normal => EcnMode::Normal,
            Ingress::Compatibility => EcnMode::Compatibility,
        }
    }
}

impl From<EcnMode> for Ingress {
    fn from(ecn: EcnMode) -> Self {
        match ecn {
            EcnMode::Normal => Ingress::Normal,
            EcnMode::Compatibility => Ingress::Compatibility,
        }
    }
}

impl super::EngineSettings {
    /// How an encapsulation's outer headers are filled in with these settings.
    #[must_use]
    pub fn delivery(&self, encap: Encap) -> Delivery {
        let usual = Delivery::of(encap);
        Delivery {
            ttl: self.ttl.map_or(usual.ttl, Into::into),
            dscp: self.dscp.map_or(usual.dscp, Into::into),
            ecn: self.ecn.map_or(usual.ecn, Into::into),
            udp_csum: self.udp_csum != Some(super::Switchable::Off),
            udp6_zero: self.udp6_zero,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{EngineSettings, Switchable};

    #[test]
    fn settings_are_those_of_the_engines() {
        let read = |yaml: &str| serde_yaml::from_str::<EngineSettings>(yaml).unwrap();
        assert_eq!(read("{}").delivery(Encap::Ipip), Delivery::of(Encap::Ipip));
        let all = read(
            "{ ttl: inherit, dscp: uniform, ecn: compatibility, udp_csum: off, udp6_zero: true }",
        );
        assert_eq!(all.udp_csum, Some(Switchable::Off));
        let wanted = Delivery {
            ttl: Ttl::Inherit,
            dscp: Dscp::Uniform,
            ecn: Ingress::Compatibility,
            udp_csum: false,
            udp6_zero: true,
        };
        assert_eq!(all.delivery(Encap::Vxlan), wanted);
        let again: EngineSettings =
            serde_json::from_value(serde_json::to_value(&all).unwrap()).unwrap();
        assert_eq!(again, all);
        let numbers = read("{ ttl: 9, dscp: 46 }").delivery(Encap::Ipip);
        assert_eq!((numbers.ttl, numbers.dscp), (Ttl::Fixed(9), Dscp::Pipe(46)));
    }
}
