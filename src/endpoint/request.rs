//! What is asked for, and whether it makes sense.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Checked, Error};
use crate::encap::{
    Engine, Extras, Geneve, Gre, IpInIp, Nvgre, Qinq, Sequence, Stt, Vlan, Vxlan, overhead,
};
use crate::ids::{ContextId, Encap, GreKey, VlanId, Vni, Vsid};
use crate::wire::{stt, udp};

/// An endpoint as it is asked for.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // independent flags
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
    /// Drop what Linux and Open vSwitch drop.
    pub strict: bool,
    /// Where to capture.
    pub pcap: Option<PathBuf>,
}

/// An interface of this namespace with its addresses.
#[derive(Debug, Clone)]
pub(super) struct Below {
    pub name: String,
    pub mtu: u32,
    pub addresses: Vec<IpAddr>,
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
        if matches!(encap, Encap::None | Encap::Ssh) {
            let instead = "for SSH use `ssh -w`, which speaks the same protocol";
            return wrong(format!("--encap {encap} has no endpoint; {instead}"));
        }
        self.go_together(encap)?;
        let (device, bare) = self.device(encap)?;
        if interfaces.iter().any(|below| below.name == device) {
            return Err(Error::InUse { name: device });
        }
        let network = self.network(encap)?;
        let below = self.below(encap, interfaces)?;
        let local = (!encap.is_tag()).then_some(self.local).flatten();
        let v6 = local.is_some_and(|local| local.is_ipv6());
        let checksum = self.csum;
        let extras =
            Extras { key: self.key.is_some(), checksum, sequence: self.seq, ..Extras::default() };
        let cost = match encap {
            // Linux's ports take one tag beyond their MTU, so a second one is the inner packet's loss.
            Encap::Vlan => 0,
            Encap::Qinq => 4,
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
        let engine = self.engine(encap);
        let (remotes, nic, pcap) = (self.remotes.clone(), below.name.clone(), self.pcap.clone());
        Ok(Checked { engine, device, bare, network, local, remotes, nic, mtu, pcap })
    }

    /// Refuses flags that mean nothing for the encapsulation, naming those that do.
    fn go_together(&self, encap: Encap) -> Result<(), Error> {
        let gre = matches!(encap, Encap::Gre | Encap::Gretap);
        let ported = matches!(encap, Encap::Vxlan | Encap::Geneve | Encap::Stt);
        let given = [
            ("--vid", self.vid.is_some(), encap.is_tag(), "vlan or qinq"),
            ("--service", self.service.is_some(), encap == Encap::Qinq, "qinq"),
            (
                "--vni",
                self.vni.is_some(),
                matches!(encap, Encap::Vxlan | Encap::Geneve),
                "vxlan or geneve",
            ),
            ("--vsid", self.vsid.is_some(), encap == Encap::Nvgre, "nvgre"),
            ("--context", self.context.is_some(), encap == Encap::Stt, "stt"),
            ("--key", self.key.is_some(), gre, "gre or gretap"),
            ("--csum", self.csum, gre, "gre or gretap"),
            ("--seq", self.seq, gre, "gre or gretap"),
            ("--port", self.port.is_some(), ported, "vxlan, geneve or stt"),
            ("--local", self.local.is_some(), !encap.is_tag(), "a tunnel; tags need --interface"),
            (
                "--remote",
                !self.remotes.is_empty(),
                !encap.is_tag(),
                "a tunnel; tags need --interface",
            ),
        ];
        for (flag, is_given, fits, with) in given {
            if is_given && !fits {
                return wrong(format!("{flag} does not go with --encap {encap}; it is for {with}"));
            }
        }
        Ok(())
    }

    fn device(&self, encap: Encap) -> Result<(String, bool), Error> {
        let (flag, other) =
            if encap.carries_ethernet() { ("--tap", "--tun") } else { ("--tun", "--tap") };
        let what = if encap.carries_ethernet() { "Ethernet frames" } else { "IP packets" };
        let bare = !encap.carries_ethernet();
        let (right, left) = if bare { (&self.tun, &self.tap) } else { (&self.tap, &self.tun) };
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
        let Some(first) = self.remotes.first() else {
            return wrong(format!("--encap {encap} needs --remote, the other end"));
        };
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
        if encap == Encap::Stt && first.is_ipv6() {
            return wrong("--encap stt runs over IPv4 here");
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

    fn engine(&self, encap: Encap) -> Arc<dyn Engine> {
        let (strict, keyed, checksum) = (self.strict, self.key.is_some(), self.csum);
        let port = |registered| self.port.unwrap_or(registered);
        match encap {
            Encap::Vxlan => {
                Arc::new(Vxlan { port: port(udp::port::VXLAN), strict, inner_tags: !strict })
            }
            Encap::Geneve => {
                Arc::new(Geneve { port: port(udp::port::GENEVE), strict, ..Geneve::default() })
            }
            Encap::Nvgre => Arc::new(Nvgre { small_keys: false }),
            Encap::Stt => Arc::new(Stt { port: port(stt::PORT), strict }),
            Encap::Gre | Encap::Gretap => {
                let sequence = self.seq.then(Sequence::default);
                let ethernet = encap == Encap::Gretap;
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
        }
    }
}

/// The interfaces of this namespace.
fn interfaces() -> Result<Vec<Below>, Error> {
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
fn capable() -> Result<(), Error> {
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

    #[test]
    fn what_is_right_is_completed() {
        let checked = vxlan().against(&below()).unwrap();
        assert_eq!((checked.nic.as_str(), checked.mtu, checked.network), ("eth0", 1450, 42));
        let v6 = Request {
            local: "2001:db8::1".parse().ok(),
            remotes: vec!["2001:db8::2".parse().unwrap()],
            ..vxlan()
        };
        assert_eq!(v6.against(&below()).unwrap().mtu, 1430);
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
            (Request { remotes: v6, ..vxlan() }, "of two families"),
            (Request { remotes: vec![], ..vxlan() }, "needs --remote"),
            (Request { remotes: twice, ..vxlan() }, "given twice"),
            (Request { local: other, ..vxlan() }, "no address of this namespace; it has 192.0.2.1"),
            (Request { mtu: Some(1451), ..vxlan() }, "at most 1450"),
            (Request { mtu: Some(10), ..vxlan() }, "between 68 and 65535"),
            (Request { interface: Some("eth9".into()), ..vxlan() }, "there are lo, eth0"),
            (Request { encap: Some(Encap::Ssh), ..vxlan() }, "ssh -w"),
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
