//! The engine that a request asks for.

use std::sync::Arc;

use super::{Error, Request};
use crate::encap::{
    Delivery, Engine, Geneve, Gre, IpInIp, Nvgre, Qinq, SentOptions, Sequence, Stt, Vlan, Vxlan,
};
use crate::ids::Encap;
use crate::wire::{stt, udp};

impl Request {
    /// The encapsulation with its settings.
    ///
    /// # Errors
    /// [`Error::Wrong`] for Geneve options that no packet can carry.
    pub(super) fn engine(&self, encap: Encap) -> Result<Arc<dyn Engine>, Error> {
        let (strict, keyed, checksum) = (self.strict, self.key.is_some(), self.csum);
        let port = |registered| self.port.unwrap_or(registered);
        Ok(match encap {
            Encap::Vxlan => {
                let (port, strict) = (port(udp::port::VXLAN), strict.unwrap_or_default());
                Arc::new(Vxlan { port, strict, inner_tags: self.inner_tags })
            }
            Encap::Geneve => {
                let known = self.options.iter().map(|(class, kind, _)| (*class, *kind)).collect();
                let (port, strict) = (port(udp::port::GENEVE), strict.unwrap_or_default());
                Arc::new(Geneve { port, options: self.sent_options()?, known, strict })
            }
            Encap::Nvgre => Arc::new(Nvgre { small_keys: strict == Some(false) }),
            Encap::Stt => {
                let strict = strict.unwrap_or(Stt::default().strict);
                Arc::new(Stt { port: port(stt::PORT), strict })
            }
            Encap::Gre | Encap::Gretap => {
                let sequence = self.seq.then(Sequence::default);
                let (ethernet, strict) = (encap == Encap::Gretap, strict.unwrap_or_default());
                Arc::new(Gre { ethernet, keyed, checksum, sequence, strict })
            }
            Encap::Ipip => Arc::new(IpInIp::V4),
            Encap::SixInFour => Arc::new(IpInIp::V6),
            Encap::Qinq => {
                let service = self.service.and_then(|vid| u16::try_from(vid).ok());
                let service = service.unwrap_or(Qinq::default().service);
                Arc::new(Qinq { service, ..Qinq::default() })
            }
            Encap::Vlan | Encap::None | Encap::Ssh => Arc::new(Vlan::default()),
        })
    }

    /// The Geneve options, encoded.
    ///
    /// # Errors
    /// [`Error::Wrong`] where they are too long.
    pub(super) fn sent_options(&self) -> Result<SentOptions, Error> {
        let all = self.options.iter().map(|(class, kind, data)| (*class, *kind, data.as_slice()));
        SentOptions::encode(all).map_err(|_| {
            let told = "--option: an option has 0, 4, .. 124 bytes of data, and all together have \
                        at most 252 with 4 bytes more for each (RFC 8926 section 3.5)";
            Error::Wrong(told.into())
        })
    }

    /// How outer headers are filled in.
    pub(super) fn delivery(&self, encap: Encap) -> Delivery {
        let usual = Delivery::of(encap);
        Delivery {
            ttl: self.ttl.unwrap_or(usual.ttl),
            dscp: self.dscp.unwrap_or(usual.dscp),
            ecn: self.ecn.unwrap_or(usual.ecn),
            udp_csum: self.udp_csum.unwrap_or(usual.udp_csum),
            udp6_zero: self.udp6_zero,
        }
    }
}
