//! The receiver that a capture is judged by.

use std::net::IpAddr;
use std::str::FromStr;

use crate::encap::ecn::Dscp;
use crate::encap::receive::{Config, Contested, Protocol};
use crate::wire::ethernet::Mac;
use crate::wire::ssh;

/// Names of the protocols that a frame can be judged as.
const PROTOCOLS: [(&str, Protocol); 15] = [
    ("vlan", Protocol::Vlan),
    ("qinq", Protocol::Qinq),
    ("stp", Protocol::Stp),
    ("ipip", Protocol::Ipip),
    ("6in4", Protocol::SixInFour),
    ("sit", Protocol::SixInFour),
    ("gre", Protocol::Gre),
    ("gretap", Protocol::Gretap),
    ("nvgre", Protocol::Nvgre),
    ("vxlan", Protocol::Vxlan),
    ("vxlan-gpe", Protocol::VxlanGpe),
    ("geneve", Protocol::Geneve),
    ("stt", Protocol::Stt),
    ("ssh", Protocol::Ssh),
    ("ssh-tun", Protocol::Ssh),
];

/// The keys of `--receiver`, each with what it says.
pub const KEYS: &str = "\
encap=NAME        judge every frame as this (vlan, qinq, stp, ipip, 6in4, gre, gretap,
                  nvgre, vxlan, vxlan-gpe, geneve, stt, ssh); else what the frame carries
local=ADDRESS     an address of ours; others are not for us
peer=ADDRESS      an outer source that packets are taken from
vid|vni|vsid|key|context=NUMBER
                  a network that is known here; key=none: a tunnel without keys
port=NUMBER       the tunnel's destination port
pvid=VID|none     the VLAN of untagged frames; with none, double tags are not suspect
service=VID       the service tag of qinq
own-mac=MAC       a MAC address of ours: frames from it came back in a loop
option=CLASS:TYPE a Geneve option that is known, e.g. 0x0102:0x80
strict=yes        as strict as Linux and Open vSwitch where the standards are not
verify-udp=no     do not look at outer UDP checksums
udp6-zero=yes     take zero UDP checksums over IPv6 (RFC 6935)
reassemble=no     drop outer fragments
contested=report|accept|drop
                  what becomes of packets that the standards leave to settings
dscp=uniform|pipe how service classes come out of the tunnel (RFC 2983)
ssh-mode=1|2      whether SSH messages carry IP packets or Ethernet frames";

/// Settings of the receiver. What is not said is as the frames have it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Judge all frames as this.
    pub protocol: Option<Protocol>,
    /// Whether keys are expected in GRE; else as each packet has it.
    pub keyed: Option<bool>,
    /// Mode of SSH messages.
    pub ssh_mode: u32,
    config: Config,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            protocol: None,
            keyed: None,
            ssh_mode: ssh::MODE_POINT_TO_POINT,
            config: Config::new(Protocol::Vlan),
        }
    }
}

impl Settings {
    /// Takes one `KEY=VALUE`.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn set(&mut self, setting: &str) -> Result<(), String> {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| format!("`{setting}` is no KEY=VALUE\n{KEYS}"))?;
        let wrong = |what: &str| format!("{key}={value}: `{value}` is {what}");
        let yes_or_no = || match value {
            "yes" | "true" | "1" => Ok(true),
            "no" | "false" | "0" => Ok(false),
            _ => Err(wrong("neither yes nor no")),
        };
        let config = &mut self.config;
        match key {
            "encap" => {
                let known = PROTOCOLS.iter().find(|(name, _)| *name == value);
                let names: Vec<_> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                let found = known.ok_or_else(|| wrong(&format!("none of {names}")))?;
                self.protocol = Some(found.1);
            }
            "local" => {
                config.local.push(parse::<IpAddr>(value).ok_or_else(|| wrong("no address"))?);
            }
            "peer" | "remote" => {
                config.peers.push(parse::<IpAddr>(value).ok_or_else(|| wrong("no address"))?);
            }
            "key" if value == "none" => self.keyed = Some(false),
            "vid" | "vni" | "vsid" | "context" | "key" | "network" => {
                config.networks.push(number(value).ok_or_else(|| wrong("no number"))?);
                if key == "key" {
                    self.keyed = Some(true);
                }
            }
            "port" => {
                let port = number(value).and_then(|port| u16::try_from(port).ok());
                config.port = Some(port.ok_or_else(|| wrong("no port (0 to 65535)"))?);
            }
            "pvid" if value == "none" => config.pvid = None,
            "pvid" => config.pvid = Some(vid(value).ok_or_else(|| wrong("no VLAN id"))?),
            "service" => config.service = vid(value).ok_or_else(|| wrong("no VLAN id"))?,
            "own-mac" => config.own_macs.push(Mac::from_str(value)?),
            "option" => {
                let halves = value.split_once(':').and_then(|(class, kind)| {
                    let class = u16::try_from(number(class)?).ok()?;
                    Some((class, u8::try_from(number(kind)?).ok()?))
                });
                config.known_options.push(halves.ok_or_else(|| wrong("no CLASS:TYPE"))?);
            }
            "strict" => config.strict = yes_or_no()?,
            "verify-udp" => config.verify_udp = yes_or_no()?,
            "udp6-zero" => config.udp6_zero = yes_or_no()?,
            "reassemble" => config.reassemble = yes_or_no()?,
            "contested" => {
                config.contested = match value {
                    "report" => Contested::Report,
                    "accept" => Contested::Accept,
                    "drop" => Contested::Drop,
                    _ => return Err(wrong("neither report, accept nor drop")),
                }
            }
            "dscp" => {
                config.dscp = match value {
                    "uniform" => Dscp::Uniform,
                    "pipe" => Dscp::Pipe(0),
                    _ => return Err(wrong("neither uniform nor pipe")),
                }
            }
            "ssh-mode" => {
                self.ssh_mode = match value {
                    "1" | "ip" => ssh::MODE_POINT_TO_POINT,
                    "2" | "ethernet" => ssh::MODE_ETHERNET,
                    _ => return Err(wrong("neither 1 (IP) nor 2 (Ethernet)")),
                }
            }
            _ => return Err(format!("there is no receiver setting `{key}`; there are:\n{KEYS}")),
        }
        Ok(())
    }

    /// The tunnel's destination port, where it is told.
    pub(super) const fn port(&self) -> Option<u16> {
        self.config.port
    }

    /// The receiver of one protocol.
    pub(super) fn config(&self, protocol: Protocol, keyed: bool) -> Config {
        Config { protocol, keyed, ..self.config.clone() }
    }
}

fn parse<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// A number in decimal or, after 0x, in hexadecimal.
fn number(value: &str) -> Option<u64> {
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    }
}

fn vid(value: &str) -> Option<u16> {
    number(value).and_then(|vid| u16::try_from(vid).ok()).filter(|vid| *vid < 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_taken_or_refused_with_what_would_be_right() {
        let mut settings = Settings::default();
        for right in [
            "encap=nvgre",
            "local=192.0.2.1",
            "peer=2001:db8::1",
            "vni=0x2a",
            "key=none",
            "port=8472",
            "pvid=none",
            "service=200",
            "own-mac=02:00:00:00:00:01",
            "option=0x0102:0x80",
            "strict=yes",
            "verify-udp=no",
            "contested=drop",
            "dscp=uniform",
            "ssh-mode=2",
        ] {
            assert_eq!(settings.set(right), Ok(()), "{right}");
        }
        assert_eq!(settings.protocol, Some(Protocol::Nvgre));
        assert_eq!(settings.keyed, Some(false));
        let config = settings.config(Protocol::Vxlan, false);
        assert_eq!((config.networks, config.port, config.strict), (vec![42], Some(8472), true));
        for (wrong, told) in [
            ("vni", "no KEY=VALUE"),
            ("vni=x", "no number"),
            ("encap=vxlen", "none of vlan"),
            ("pvid=4096", "no VLAN id"),
            ("colour=red", "no receiver setting `colour`"),
            ("strict=perhaps", "neither yes nor no"),
            ("option=1", "no CLASS:TYPE"),
        ] {
            let error = settings.set(wrong).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }
}
