//! What this kernel can do, found out by doing it in a namespace of its own.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    BridgePortState, InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::cable;
use super::error::{Error, Result};
use super::link::{self, End, SpanningTree};
use super::namespaces::Namespaces;
use super::nft;
use super::qdisc::{self, Bucket};
use super::socket::{Feature, Netlink, Request};
use super::world::World;

/// What was found out about one feature.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Short name, e.g. `vxlan`.
    pub name: &'static str,
    /// What it is here for.
    pub purpose: &'static str,
    /// Whether it works.
    pub works: bool,
    /// Why not; empty where it works.
    pub reason: String,
    /// What changes that; empty where nothing is known to.
    pub remedy: String,
}

struct Probe {
    name: &'static str,
    purpose: &'static str,
    remedy: &'static str,
    attempt: fn(&mut Netlink) -> Outcome,
}

const PROBES: &[Probe] = &[
    probe("veth", "cables", "sudo modprobe veth", |_| Ok(())),
    probe("bridge", "switches", "sudo modprobe bridge", |netlink| {
        Ok(netlink.one(link::bridge("bridge", 0, None, 300))?)
    }),
    probe("stp", "loops in L2 fabrics", "a kernel with spanning tree (CONFIG_STP)", stp),
    probe(
        "vlan-filtering",
        "VLANs by port on kernel bridges (without it: our own switch)",
        "a kernel with CONFIG_BRIDGE_VLAN_FILTERING",
        vlan_filtering,
    ),
    probe(
        "mac-table-bound",
        "MAC tables of kernel bridges with a bound (without it: our own switch)",
        "Linux 6.7",
        table_bound,
    ),
    probe("vxlan", "VXLAN by the kernel", "sudo modprobe vxlan", |n| kind(n, "vxlan")),
    probe("8021q", "VLAN by the kernel", "sudo modprobe 8021q", |n| kind(n, "vlan")),
    probe("gre", "GRE by the kernel", "sudo modprobe ip_gre", |n| kind(n, "gre")),
    probe("gretap", "Ethernet in GRE by the kernel", "sudo modprobe ip_gre", |n| kind(n, "gretap")),
    probe("ipip", "IP in IP by the kernel", "sudo modprobe ipip", |n| kind(n, "ipip")),
    probe("sit", "IPv6 in IPv4 by the kernel", "sudo modprobe sit", |n| kind(n, "sit")),
    probe("geneve", "Geneve by the kernel", "sudo modprobe geneve", |n| kind(n, "geneve")),
    probe("tbf", "link rates", "sudo modprobe sch_tbf", |netlink| {
        let index = link::find(netlink, "probe")?.index;
        Ok(netlink.one(qdisc::tbf(index, "probe", 1_000_000, Bucket::new(1_000_000, 1500)))?)
    }),
    probe(
        "netem",
        "delay and loss by the kernel; a relay does it without",
        "sudo modprobe -a sch_netem cls_matchall act_mirred",
        netem,
    ),
    probe("cls_bpf", "ports hidden from hosts", "sudo modprobe cls_bpf", |netlink| {
        let index = link::find(netlink, "probe")?.index;
        Ok(netlink.all(vec![qdisc::clsact(index, "probe"), qdisc::drop_filter(index, "probe")])?)
    }),
    probe("nftables", "the same, where cls_bpf is missing", "sudo modprobe nf_tables", |_| {
        Ok(nft::drop_ingress("probe", "probe")?)
    }),
    probe("packet-vnet", "super-frames from VMs", "a kernel with CONFIG_PACKET", |_| packet_vnet()),
    probe("udp-segment", "super-datagrams to the underlay", "Linux 4.18", |_| {
        Ok(setsockopt(&udp()?, sockopt::UdpGsoSegment, &1400)?)
    }),
    probe("udp-gro", "super-datagrams from the underlay", "Linux 5.0", |_| {
        Ok(setsockopt(&udp()?, sockopt::UdpGroSegment, &true)?)
    }),
    probe("tun", "TAP interfaces", "sudo modprobe tun && sudo chmod 0666 /dev/net/tun", |_| tap()),
];

const fn probe(
    name: &'static str,
    purpose: &'static str,
    remedy: &'static str,
    attempt: fn(&mut Netlink) -> Outcome,
) -> Probe {
    Probe { name, purpose, remedy, attempt }
}

/// Nothing, or why not, from whatever layer.
type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

/// Tries every feature in a scratch namespace.
///
/// # Errors
/// Not even a namespace with a veth pair can be made.
pub fn all(world: &World) -> Result<Vec<Finding>> {
    let name = "probe";
    let spaces = Namespaces::create(world, [name])?;
    let inside = spaces.descriptor(name)?;
    let end = |name| End { namespace: inside.as_fd(), name, index: 0, mac: None, mtu: 1500 };
    let mut netlink = spaces.netlink(name)?;
    netlink.one(link::veth(&end("probe"), &end("other")))?;
    for interface in ["probe", "other"] {
        let index = link::find(&mut netlink, interface)?.index;
        netlink.one(link::up(index, interface))?;
    }
    spaces.inside(name, || {
        Ok(PROBES
            .iter()
            .map(|probe| {
                let failed = (probe.attempt)(&mut netlink).err();
                let remedy = failed.as_ref().map(|_| probe.remedy.to_owned());
                Finding {
                    name: probe.name,
                    purpose: probe.purpose,
                    works: failed.is_none(),
                    reason: failed.as_deref().map(reason).unwrap_or_default(),
                    remedy: remedy.unwrap_or_default(),
                }
            })
            .collect())
    })
}

/// The shortest true thing to say.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(Error::Unsupported { feature, .. }) => format!("this kernel lacks {feature}"),
        Some(Error::System { source, .. } | Error::Netlink { source, .. }) => source.to_string(),
        _ => error.to_string(),
    }
}

/// A kind of link: any refusal but "unknown kind" comes from the kind's own code.
fn kind(netlink: &mut Netlink, kind: &'static str) -> Outcome {
    let message =
        LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Other(kind.into()));
    known(netlink.one(Request {
        what: format!("make a {kind} device"),
        message: RouteNetlinkMessage::NewLink(message.build()),
        flags: rtnetlink::packet_core::NLM_F_CREATE,
        needs: Some(Feature { name: "such devices", remedy: "" }),
    }))
}

fn known(result: Result<()>) -> Outcome {
    match result {
        Err(Error::Netlink { .. }) => Ok(()),
        other => Ok(other?),
    }
}

fn netem(netlink: &mut Netlink) -> Outcome {
    let names = ["probe", "other"].map(str::to_owned);
    let indexes = [link::find(netlink, &names[0])?.index, link::find(netlink, &names[1])?.index];
    Ok(netlink.all(cable::probe(indexes, &names))?)
}

fn stp(netlink: &mut Netlink) -> Outcome {
    netlink.one(link::bridge("stp", 0, Some(SpanningTree::default()), 300))?;
    let bridge = link::find(netlink, "stp")?.index;
    let port = link::find(netlink, "other")?.index;
    netlink.all(vec![link::up(bridge, "stp"), link::enslave(port, "other", bridge)])?;
    let state = link::find(netlink, "other")?.port_state;
    // A bridge without spanning tree would forward at once.
    if state == Some(BridgePortState::Forwarding) {
        return Err(io::Error::other("a new port forwards at once").into());
    }
    Ok(())
}

/// Whether this kernel has netem, and what takes packets to it.
///
/// # Errors
/// No namespace to try it in can be made.
pub(super) fn has_netem(world: &World) -> Result<bool> {
    let name = "probe";
    let spaces = Namespaces::create(world, [name])?;
    let inside = spaces.descriptor(name)?;
    let end = |name| End { namespace: inside.as_fd(), name, index: 0, mac: None, mtu: 1500 };
    let mut link = spaces.netlink(name)?;
    link.one(link::veth(&end("probe"), &end("other")))?;
    Ok(netem(&mut link).is_ok())
}

/// Whether this kernel's bridges tell VLANs apart.
///
/// # Errors
/// No namespace to try it in can be made.
pub(super) fn filters_vlans(world: &World) -> Result<bool> {
    let namespaces = Namespaces::create(world, ["probe"])?;
    namespaces.inside("probe", || Ok(vlan_filtering(&mut Netlink::open("probe")?).is_ok()))
}

/// Whether this kernel's bridges keep to a bound of their MAC tables.
///
/// # Errors
/// No namespace to try it in can be made.
pub(super) fn bounds_tables(world: &World) -> Result<bool> {
    let namespaces = Namespaces::create(world, ["probe"])?;
    namespaces.inside("probe", || Ok(table_bound(&mut Netlink::open("probe")?).is_ok()))
}

fn vlan_filtering(netlink: &mut Netlink) -> Outcome {
    shown(netlink, link::switch("filtering", 0, None, 300, true, None), |fact| {
        *fact == InfoBridge::VlanFiltering(true)
    })
}

fn table_bound(netlink: &mut Netlink) -> Outcome {
    shown(netlink, link::switch("bounded", 0, None, 300, false, Some(7)), |fact| {
        *fact == InfoBridge::FdbMaxLearned(7)
    })
}

/// Makes a bridge with a setting, and looks whether it has it.
fn shown(netlink: &mut Netlink, bridge: Request, is: fn(&InfoBridge) -> bool) -> Outcome {
    netlink.one(bridge)?;
    // Kernels without it accept the setting and do not show it.
    let query = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let shown = netlink.dump("list interfaces", &query)?.into_iter().any(|message| {
        let RouteNetlinkMessage::NewLink(link) = message else { return false };
        link.attributes.iter().any(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().any(|info| match info {
                LinkInfo::Data(InfoData::Bridge(facts)) => facts.iter().any(is),
                _ => false,
            }),
            _ => false,
        })
    });
    if shown { Ok(()) } else { Err(io::Error::other("the kernel ignores the setting").into()) }
}

fn udp() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Inet, SockType::Datagram, flags, None)?)
}

fn packet_vnet() -> Outcome {
    let packets = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let on: libc::c_int = 1;
    // SAFETY: the option is an int that lives through the call.
    let done = unsafe {
        libc::setsockopt(
            packets.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_VNET_HDR,
            (&raw const on).cast(),
            4,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}

fn tap() -> Outcome {
    let device = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: all bit patterns of ifreq are valid, zero among them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // All bits of the flags are below 2^15.
    let flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the request lives through the call, which fills in the name.
    match unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } {
        -1 => Err(io::Error::last_os_error().into()),
        _ => Ok(()),
    }
}
