//! What is asked for, and whether it makes sense.

use std::net::IpAddr;
use std::path::PathBuf;

use super::machine::{Below, capable, interfaces};
use super::{Carried, Checked, Error};
use crate::encap::ecn::{Dscp, Ingress};
use crate::encap::{Extras, Ttl, overhead};
use crate::ids::{ContextId, Encap, GreKey, VlanId, Vni, Vsid};

/// A Geneve option: class, type and data.
pub type GeneveOption = (u16, u8, Vec<u8>);

/// An endpoint as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The encapsulation.
    pub encap: Option<Encap>,
    /// Our address.
    pub local: Option<IpAddr>,
    /// The other ends.
    pub remotes: Vec<IpAddr>,
    /// Name of a TAP device.
    pub tap: Option<String>,
    /// Name of a TUN device.
    pub tun: Option<String>,
    /// Interface below.
    pub interface: Option<String>,
    /// VLAN id.
    pub vid: Option<u64>,
    /// Service VLAN id.
    pub service: Option<u64>,
    /// VXLAN or Geneve network id.
    pub vni: Option<u64>,
    /// NVGRE subnet id.
    pub vsid: Option<u64>,
    /// STT context id.
    pub context: Option<u64>,
    /// GRE key.
    pub key: Option<u64>,
    /// Send GRE checksums.
    pub csum: bool,
    /// Send GRE sequence numbers.
    pub seq: bool,
    /// Destination port.
    pub port: Option<u16>,
    /// MTU of the device.
    pub mtu: Option<u32>,
    /// Drop what Linux and Open vSwitch drop; absent: as the standard.
    pub strict: Option<bool>,
    /// Carry tagged frames over VXLAN.
    pub inner_tags: bool,
    /// Geneve options on every packet, known on receipt.
    pub options: Vec<GeneveOption>,
    /// Outer TTL.
    pub ttl: Option<Ttl>,
    /// Outer service class.
    pub dscp: Option<Dscp>,
    /// Congestion marks on encapsulation.
    pub ecn: Option<Ingress>,
    /// Send outer UDP checksums.
    pub udp_csum: Option<bool>,
    /// Take zero UDP checksums over IPv6.
    pub udp6_zero: bool,
    /// Where OpenSSH connects to: a host, with or without a user.
    pub destination: Option<String>,
    /// Number of the device at the far end of an SSH tunnel.
    pub unit: Option<u16>,
    /// Options for OpenSSH's client.
    pub ssh_options: Vec<String>,
    /// Where to capture.
    pub pcap: Option<PathBuf>,
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Error> {
    Err(Error::Wrong(what.into()))
}

impl Request {
    /// Checks everything that can be checked without making anything.
    ///
    /// # Errors
    /// [`Error::Wrong`] with what would be right; [`Error::InUse`]; [`Error::Missing`].
    pub fn check(&self) -> Result<Checked, Error> {
        let checked = self.against(&interfaces()?)?;
        capable()?;
        Ok(checked)
    }

    /// As [`Request::check`], given the interfaces there are.
    pub(super) fn against(&self, interfaces: &[Below]) -> Result<Checked, Error> {
        let Some(encap) = self.encap else { return wrong("--encap is missing") };
        if encap == Encap::None {
            return wrong("--encap none encapsulates nothing; leave the endpoint out");
        }
        self.go_together(encap)?;
        let (device, bare) = self.device(encap)?;
        if interfaces.iter().any(|below| below.name == device) {
            return Err(Error::InUse { name: device });
        }
        if encap == Encap::Ssh {
            return self.over_ssh(device, bare, interfaces);
        }
        let network = self.network(encap)?;
        let below = self.below(encap, interfaces)?;
        let local = (!encap.is_tag()).then_some(self.local).flatten();
        let v6 = local.is_some_and(|local| local.is_ipv6());
        let checksum = self.csum;
        let extras =
            Extras { key: self.key.is_some(), checksum, sequence: self.seq, ..Extras::default() };
        let options = self.sent_options()?.wire_len();
        let extras = Extras { geneve_options: u32::try_from(options).unwrap_or(0), ..extras };
        let cost = match encap {
            // Linux's ports take a C-tag beyond their MTU, but no S-tag and what follows it.
            Encap::Vlan => 0,
            _ => overhead(encap, v6, &extras),
        };
        let fits = below.mtu.saturating_sub(cost);
        let mtu = self.mtu.unwrap_or(fits);
        if !(68..=65_535).contains(&mtu) {
            return wrong(format!("--mtu {mtu}: an MTU lies between 68 and 65535"));
        }
        // STT cuts its frames itself; of all others the packet must fit.
        if mtu > fits && encap != Encap::Stt {
            return wrong(format!(
                "--mtu {mtu} does not fit: {} has an MTU of {} and {encap} costs {cost} bytes; at \
                 most {fits}",
                below.name, below.mtu
            ));
        }
        if v6 && self.udp_csum == Some(false) && !self.udp6_zero {
            return wrong(
                "--udp-csum off over IPv6: receivers drop packets without a checksum unless they \
                 were told to take them (RFC 6935); give --udp6-zero at both ends",
            );
        }
        if self.udp6_zero && !v6 {
            return wrong("--udp6-zero is for IPv6; over IPv4 zero checksums are always taken");
        }
        let carried =
            Carried::Engine { engine: self.engine(encap)?, delivery: self.delivery(encap) };
        let (remotes, nic, pcap) = (self.remotes.clone(), below.name.clone(), self.pcap.clone());
        Ok(Checked { carried, device, bare, network, local, remotes, nic, mtu, pcap })
    }

    /// Refuses flags that mean nothing for the encapsulation, naming those that do.
    fn go_together(&self, encap: Encap) -> Result<(), Error> {
        let gre = matches!(encap, Encap::Gre | Encap::Gretap);
        let udp = matches!(encap, Encap::Vxlan | Encap::Geneve);
        let ssh = encap == Encap::Ssh;
        let tunnel = !encap.is_tag() && !ssh;
        let contested = gre || udp || matches!(encap, Encap::Nvgre | Encap::Stt);
        let ported = udp || ssh || encap == Encap::Stt;
        let a_tunnel = "a tunnel; tags need --interface";
        let outer = "a tunnel; tags and ssh have no outer header of ours";
        let given = [
            ("--vid", self.vid.is_some(), encap.is_tag(), "vlan or qinq"),
            ("--service", self.service.is_some(), encap == Encap::Qinq, "qinq"),
            ("--vni", self.vni.is_some(), udp, "vxlan or geneve"),
            ("--vsid", self.vsid.is_some(), encap == Encap::Nvgre, "nvgre"),
            ("--context", self.context.is_some(), encap == Encap::Stt, "stt"),
            ("--key", self.key.is_some(), gre, "gre or gretap"),
            ("--csum", self.csum, gre, "gre or gretap (for UDP's checksum there is --udp-csum)"),
            ("--seq", self.seq, gre, "gre or gretap"),
            ("--port", self.port.is_some(), ported, "vxlan, geneve, stt or ssh"),
            ("--local", self.local.is_some(), !encap.is_tag(), a_tunnel),
            ("--remote", !self.remotes.is_empty() && ssh, false, "others; ssh has --destination"),
            ("--remote", !self.remotes.is_empty(), tunnel, a_tunnel),
            ("--destination", self.destination.is_some(), ssh, "ssh; others have --remote"),
            ("--unit", self.unit.is_some(), ssh, "ssh"),
            ("--ssh-option", !self.ssh_options.is_empty(), ssh, "ssh"),
            (
                "--strict",
                self.strict.is_some(),
                contested,
                "gre, gretap, vxlan, nvgre, stt or geneve; elsewhere receivers do not differ",
            ),
            ("--inner-tags", self.inner_tags, encap == Encap::Vxlan, "vxlan"),
            ("--option", !self.options.is_empty(), encap == Encap::Geneve, "geneve"),
            ("--ttl", self.ttl.is_some(), tunnel, outer),
            ("--dscp", self.dscp.is_some(), tunnel, outer),
            ("--ecn", self.ecn.is_some(), tunnel, outer),
            ("--udp-csum", self.udp_csum.is_some(), udp, "vxlan or geneve"),
            ("--udp6-zero", self.udp6_zero, udp, "vxlan or geneve"),
        ];
        for (flag, is_given, fits, with) in given {
            if is_given && !fits {
                return wrong(format!("{flag} does not go with --encap {encap}; it is for {with}"));
            }
        }
        Ok(())
    }

    fn device(&self, encap: Encap) -> Result<(String, bool), Error> {
        // An SSH channel carries either.
        let bare = if encap == Encap::Ssh { self.tun.is_some() } else { !encap.carries_ethernet() };
        let (flag, other) = if bare { ("--tun", "--tap") } else { ("--tap", "--tun") };
        let what = if bare { "IP packets" } else { "Ethernet frames" };
        let (right, left) = if bare { (&self.tun, &self.tap) } else { (&self.tap, &self.tun) };
        if left.is_some() && encap == Encap::Ssh {
            return wrong("--tap and --tun: one SSH channel carries frames or packets, not both");
        }
        if left.is_some() {
            return wrong(format!("{encap} carries {what}: give {flag} NAME instead of {other}"));
        }
        let Some(name) = right else {
            return wrong(format!(
                "{flag} NAME is missing: the device to make; {encap} carries {what}"
            ));
        };
        let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
        if !fits || name.chars().any(|c| c == '/' || c == '%' || c.is_whitespace()) {
            return wrong(format!(
                "{flag} {name}: an interface has a name of 1 to 15 characters without `/`, `%` and blanks"
            ));
        }
        Ok((name.clone(), bare))
    }

    fn network(&self, encap: Encap) -> Result<u64, Error> {
        fn id<T: TryFrom<u64> + Into<u64>>(
            flag: &str,
            value: Option<u64>,
            encap: Encap,
        ) -> Result<u64, Error>
        where
            T::Error: std::fmt::Display,
        {
            let Some(value) = value else {
                return wrong(format!("--encap {encap} needs {flag}, the id of the network"));
            };
            match T::try_from(value) {
                Ok(id) => Ok(id.into()),
                Err(error) => wrong(format!("{flag}: {error}")),
            }
        }
        match encap {
            Encap::Vlan => id::<VlanId>("--vid", self.vid, encap),
            Encap::Qinq => {
                if self.service.is_some() {
                    id::<VlanId>("--service", self.service, encap)?;
                }
                id::<VlanId>("--vid", self.vid, encap)
            }
            Encap::Vxlan | Encap::Geneve => id::<Vni>("--vni", self.vni, encap),
            Encap::Nvgre => id::<Vsid>("--vsid", self.vsid, encap),
            Encap::Stt => id::<ContextId>("--context", self.context, encap),
            Encap::Gre | Encap::Gretap if self.key.is_some() => {
                id::<GreKey>("--key", self.key, encap)
            }
            _ => Ok(0),
        }
    }

    /// The interface below, and that the addresses make sense.
    fn below<'a>(&self, encap: Encap, interfaces: &'a [Below]) -> Result<&'a Below, Error> {
        let named = |name: &str| {
            let found = interfaces.iter().find(|below| below.name == name);
            let names: Vec<_> = interfaces.iter().map(|below| below.name.as_str()).collect();
            found.ok_or_else(|| {
                Error::Wrong(format!(
                    "--interface {name}: there is none; there are {}",
                    names.join(", ")
                ))
            })
        };
        if encap.is_tag() {
            return match &self.interface {
                Some(name) => named(name),
                None => {
                    wrong(format!("--encap {encap} needs --interface, where the tagged frames go"))
                }
            };
        }
        let Some(local) = self.local else {
            return wrong(format!("--encap {encap} needs --local, an address of this machine"));
        };
        if self.remotes.is_empty() {
            return wrong(format!("--encap {encap} needs --remote, the other end"));
        }
        if self.remotes.len() > 1 && !encap.carries_ethernet() {
            return wrong(format!("--encap {encap} is point to point: one --remote only"));
        }
        for (at, remote) in self.remotes.iter().enumerate() {
            if remote.is_ipv4() != local.is_ipv4() {
                return wrong(format!("--remote {remote} and --local {local} are of two families"));
            }
            if *remote == local || remote.is_unspecified() || remote.is_multicast() {
                return wrong(format!("--remote {remote} is no address of another endpoint"));
            }
            if self.remotes[..at].contains(remote) {
                return wrong(format!("--remote {remote} is given twice"));
            }
        }
        if let Some(name) = &self.interface {
            return named(name);
        }
        let found = interfaces.iter().find(|below| below.addresses.contains(&local));
        let all: Vec<String> =
            interfaces.iter().flat_map(|below| &below.addresses).map(ToString::to_string).collect();
        found.ok_or_else(|| {
            let all = if all.is_empty() { "none".into() } else { all.join(", ") };
            Error::Wrong(format!("--local {local} is no address of this namespace; it has {all}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below() -> Vec<Below> {
        let addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        vec![
            Below { name: "lo".into(), mtu: 65_536, addresses: vec![] },
            Below { name: "eth0".into(), mtu: 1500, addresses },
        ]
    }

    fn vxlan() -> Request {
        Request {
            encap: Some(Encap::Vxlan),
            local: "192.0.2.1".parse().ok(),
            remotes: vec!["192.0.2.2".parse().unwrap()],
            tap: Some("ovl0".into()),
            vni: Some(42),
            ..Request::default()
        }
    }

    fn over_v6() -> Request {
        Request {
            local: "2001:db8::1".parse().ok(),
            remotes: vec!["2001:db8::2".parse().unwrap()],
            ..vxlan()
        }
    }

    #[test]
    fn what_is_right_is_completed() {
        let checked = vxlan().against(&below()).unwrap();
        assert_eq!((checked.nic.as_str(), checked.mtu, checked.network), ("eth0", 1450, 42));
        assert_eq!(over_v6().against(&below()).unwrap().mtu, 1430);
        let zero = Request { udp_csum: Some(false), udp6_zero: true, ..over_v6() };
        assert!(zero.against(&below()).is_ok());
        let options = vec![(0x102, 0x80, vec![1, 2, 3, 4])];
        let geneve = Request { encap: Some(Encap::Geneve), options, ..vxlan() };
        assert_eq!(geneve.against(&below()).unwrap().mtu, 1442);
        let qinq = Request {
            encap: Some(Encap::Qinq),
            interface: Some("eth0".into()),
            vid: Some(100),
            tap: Some("ovl0".into()),
            ..Request::default()
        };
        assert_eq!(qinq.against(&below()).unwrap().mtu, 1492);
        let tag = Request {
            encap: Some(Encap::Vlan),
            interface: Some("eth0".into()),
            vid: Some(100),
            tap: Some("ovl0".into()),
            ..Request::default()
        };
        let checked = tag.against(&below()).unwrap();
        assert_eq!((checked.local, checked.mtu, checked.network), (None, 1500, 100));
        let gre = Request {
            encap: Some(Encap::Gre),
            tap: None,
            tun: Some("t".into()),
            vni: None,
            key: Some(0),
            csum: true,
            seq: true,
            ..vxlan()
        };
        assert_eq!(gre.against(&below()).unwrap().mtu, 1464);
        let stt = Request {
            encap: Some(Encap::Stt),
            vni: None,
            context: Some(1 << 40),
            mtu: Some(9000),
            ..vxlan()
        };
        assert_eq!(stt.against(&below()).unwrap().mtu, 9000);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let v6 = vec!["2001:db8::2".parse().unwrap()];
        let other = "198.51.100.1".parse().ok();
        let twice = vec!["192.0.2.2".parse().unwrap(); 2];
        let two = vec!["192.0.2.2".parse().unwrap(), "192.0.2.3".parse().unwrap()];
        let ipip = Request {
            encap: Some(Encap::Ipip),
            vni: None,
            tap: None,
            tun: Some("t".into()),
            ..vxlan()
        };
        for (request, told) in [
            (Request { vni: Some(1 << 24), ..vxlan() }, "16777216 is no VNI"),
            (Request { vni: None, ..vxlan() }, "needs --vni"),
            (
                Request { context: Some(1), ..vxlan() },
                "--context does not go with --encap vxlan; it is for stt",
            ),
            (Request { csum: true, ..vxlan() }, "it is for gre or gretap"),
            (Request { tun: Some("t".into()), ..vxlan() }, "give --tap NAME instead of --tun"),
            (Request { tap: None, ..vxlan() }, "--tap NAME is missing"),
            (Request { tap: Some("a name with blanks".into()), ..vxlan() }, "1 to 15 characters"),
            (Request { tap: Some("eth0".into()), ..vxlan() }, "`eth0` exists already"),
            (Request { strict: Some(true), ..ipip.clone() }, "--strict does not go with"),
            (Request { inner_tags: true, ..ipip.clone() }, "it is for vxlan"),
            (Request { options: vec![(1, 2, vec![])], ..vxlan() }, "it is for geneve"),
            (
                Request {
                    encap: Some(Encap::Geneve),
                    options: vec![(1, 2, vec![0; 3])],
                    ..vxlan()
                },
                "0, 4, .. 124 bytes",
            ),
            (Request { udp_csum: Some(false), ..over_v6() }, "give --udp6-zero at both ends"),
            (Request { udp6_zero: true, ..vxlan() }, "--udp6-zero is for IPv6"),
            (Request { udp_csum: Some(true), ..ipip.clone() }, "it is for vxlan or geneve"),
            (Request { destination: Some("h".into()), ..vxlan() }, "others have --remote"),
            (Request { remotes: v6, ..vxlan() }, "of two families"),
            (Request { remotes: vec![], ..vxlan() }, "needs --remote"),
            (Request { remotes: twice, ..vxlan() }, "given twice"),
            (Request { local: other, ..vxlan() }, "no address of this namespace; it has 192.0.2.1"),
            (Request { mtu: Some(1451), ..vxlan() }, "at most 1450"),
            (Request { mtu: Some(10), ..vxlan() }, "between 68 and 65535"),
            (Request { interface: Some("eth9".into()), ..vxlan() }, "there are lo, eth0"),
            (Request { encap: Some(Encap::Ssh), vni: None, ..vxlan() }, "ssh has --destination"),
            (Request { remotes: two, ..ipip.clone() }, "point to point"),
            (
                Request { tap: Some("t".into()), tun: None, ..ipip },
                "give --tun NAME instead of --tap",
            ),
            (Request { encap: Some(Encap::Vlan), vni: None, ..vxlan() }, "tags need --interface"),
        ] {
            let error = request.against(&below()).unwrap_err();
            assert!(error.to_string().contains(told), "{error}, but `{told}` was expected");
            assert!(error.is_wrong_request());
        }
    }
}
