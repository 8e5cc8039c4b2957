//! `carrier` and `compare`: how tenants' frames travel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::names::suggestion;
use super::topology::{delay, loss, rate};
use super::{At, engine, joined};
use crate::ids::Encap;
use crate::lab::limits::{PORT, UNDERLAY_MTU};
use crate::lab::model::{
    Carrier, Compare, Datapath, Ecmp, Fabric, IpVersion, Learning, MtuMode, Switchable,
};

const DATAPATHS: [(&str, Datapath); 3] =
    [("user", Datapath::User), ("kernel", Datapath::Kernel), ("auto", Datapath::Auto)];
const FABRICS: [(&str, Fabric); 3] =
    [("l2", Fabric::L2), ("l3", Fabric::L3), ("auto", Fabric::Auto)];
const LEARNINGS: [(&str, Learning); 3] =
    [("flood", Learning::Flood), ("static", Learning::Static), ("multicast", Learning::Multicast)];
const UNDERLAYS: [(&str, IpVersion); 2] = [("ipv4", IpVersion::Ipv4), ("ipv6", IpVersion::Ipv6)];
const MTU_MODES: [(&str, MtuMode); 4] = [
    ("lower", MtuMode::Lower),
    ("icmp", MtuMode::Icmp),
    ("fragment", MtuMode::Fragment),
    ("blackhole", MtuMode::Blackhole),
];
const ECMPS: [(&str, Ecmp); 3] =
    [("addresses", Ecmp::Addresses), ("ports", Ecmp::Ports), ("inner", Ecmp::Inner)];
pub(super) const SWITCHES: [(&str, Switchable); 2] =
    [("on", Switchable::On), ("off", Switchable::Off)];

pub(super) fn carrier(at: &At<'_>) -> Carrier {
    let keys = [
        "encap",
        "datapath",
        "fabric",
        "learning",
        "port",
        "offloads",
        "underlay",
        "mtu_mode",
        "engine",
        "datapath_on",
        "vtep",
        "ecmp",
    ];
    let usual = Carrier::default();
    let Some(fields) = at.fields("a map, e.g. `{ encap: vxlan }`", &keys) else { return usual };
    let datapath = |at: &At<'_>| at.choice("datapath", &DATAPATHS);
    Carrier {
        encap: fields.get("encap").and_then(|at| encap(&at)).unwrap_or(usual.encap),
        datapath: fields.get("datapath").and_then(|at| datapath(&at)).unwrap_or(usual.datapath),
        fabric: fields.get("fabric").and_then(|at| fabric(&at)).unwrap_or(usual.fabric),
        learning: fields.get("learning").and_then(|at| learning(&at)).unwrap_or(usual.learning),
        port: fields.get("port").and_then(|at| port(&at)),
        offloads: fields.get("offloads").and_then(|at| offloads(&at)).unwrap_or(usual.offloads),
        underlay: fields.get("underlay").and_then(|at| underlay(&at)).unwrap_or(usual.underlay),
        mtu_mode: fields
            .get("mtu_mode")
            .and_then(|at| at.choice("way with large packets", &MTU_MODES))
            .unwrap_or(usual.mtu_mode),
        engine: fields.get("engine").map(|at| engine::settings(&at)).unwrap_or_default(),
        datapath_on: fields
            .get("datapath_on")
            .and_then(|at| at.entries("a map from hosts to datapaths, e.g. `{ h1: kernel }`"))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(host, at)| Some((host, datapath(&at)?)))
            .collect::<BTreeMap<_, _>>(),
        vtep: fields
            .get("vtep")
            .and_then(|at| at.entries("a map from hosts to addresses, e.g. `{ h1: 192.0.2.1 }`"))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(host, at)| Some((host, vtep(&at)?)))
            .collect::<BTreeMap<_, _>>(),
        ecmp: fields.get("ecmp").and_then(|at| ecmp(&at)).unwrap_or(usual.ecmp),
    }
}

fn fabric(at: &At<'_>) -> Option<Fabric> {
    at.choice("fabric", &FABRICS)
}

fn port(at: &At<'_>) -> Option<u16> {
    at.number("UDP port", &PORT).and_then(|port| u16::try_from(port).ok())
}

fn offloads(at: &At<'_>) -> Option<Switchable> {
    at.choice("setting of offloads", &SWITCHES)
}

fn underlay(at: &At<'_>) -> Option<IpVersion> {
    at.choice("underlay", &UNDERLAYS)
}

fn ecmp(at: &At<'_>) -> Option<Ecmp> {
    at.choice("choice among equal-cost paths", &ECMPS)
}

fn learning(at: &At<'_>) -> Option<Learning> {
    at.choice("way to learn", &LEARNINGS)
}

/// An address that a host can have.
fn vtep(at: &At<'_>) -> Option<IpAddr> {
    let text = at.text("an IP address, e.g. `192.0.2.1`")?;
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            !(first == 0 || first >= 224 || v4.is_loopback() || v4.is_link_local())
        }
        IpAddr::V6(v6) => {
            let own = v6.is_unspecified() || v6.is_loopback() || v6.is_unicast_link_local();
            !(own || v6.is_multicast() || v6.to_ipv4_mapped().is_some())
        }
    };
    match text.parse::<IpAddr>() {
        Ok(ip) if usable(&ip) => return Some(ip),
        Ok(_) => at.wrong(format!("`{text}` is no address that a host can have")),
        Err(_) => at.wrong(format!("`{text}` is no IP address; write e.g. `192.0.2.1`")),
    }
    None
}

pub(super) fn compare(at: &At<'_>) -> Compare {
    let keys = [
        "topology",
        "encap",
        "datapath",
        "mtu",
        "engine",
        "mtu_mode",
        "loss",
        "delay",
        "rate",
        "fabric",
        "offloads",
        "underlay",
        "port",
        "learning",
        "nve_addresses",
        "source_ports",
        "ecmp",
    ];
    let Some(fields) = at.fields("a map, e.g. `{ encap: [vlan, vxlan] }`", &keys) else {
        return Compare::default();
    };
    Compare {
        topology: values(fields.get("topology"), "topologies", joined::compared),
        encap: values(fields.get("encap"), "encapsulations", encap),
        datapath: values(fields.get("datapath"), "datapaths", |at| {
            at.choice("datapath", &DATAPATHS)
        }),
        mtu: values(fields.get("mtu"), "underlay MTUs", underlay_mtu),
        learning: values(fields.get("learning"), "ways to learn", learning),
        nve_addresses: values(
            fields.get("nve_addresses"),
            "numbers of addresses",
            engine::nve_addresses,
        ),
        source_ports: values(
            fields.get("source_ports"),
            "numbers of source ports",
            engine::source_ports,
        ),
        ecmp: values(fields.get("ecmp"), "choices among equal-cost paths", ecmp),
        engine: values(fields.get("engine"), "maps of engine settings", |at| {
            Some(engine::settings(at))
        }),
        mtu_mode: values(fields.get("mtu_mode"), "ways with large packets", |at| {
            at.choice("way with large packets", &MTU_MODES)
        }),
        loss: values(fields.get("loss"), "shares of packets lost", loss),
        delay: values(fields.get("delay"), "delays", delay),
        rate: values(fields.get("rate"), "rates", rate),
        fabric: values(fields.get("fabric"), "fabrics", fabric),
        offloads: values(fields.get("offloads"), "settings of offloads", offloads),
        underlay: values(fields.get("underlay"), "IP versions", underlay),
        port: values(fields.get("port"), "UDP ports", port),
    }
}

/// The values of one list of `compare`; one that is given twice stays, with its fault.
fn values<T: PartialEq>(
    at: Option<At<'_>>,
    what: &str,
    read: impl Fn(&At<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(at) = at else { return Vec::new() };
    let Some(items) = at.list(&format!("a list of {what}")) else { return Vec::new() };
    if items.is_empty() {
        at.wrong(format!("is empty; list the {what} to compare, or leave the key out"));
    }
    let mut values = Vec::new();
    for item in items {
        if let Some(value) = read(&item) {
            if values.contains(&value) {
                item.wrong("stands in this list already; each value is compared once");
            }
            values.push(value);
        }
    }
    values
}

/// An encapsulation.
pub(super) fn encap(at: &At<'_>) -> Option<Encap> {
    let text = at.text("an encapsulation, e.g. `vxlan`")?;
    let Some(encap) = Encap::ALL.into_iter().find(|e| e.name() == text) else {
        let near = suggestion(&text, Encap::ALL.iter().map(|e| e.name()));
        at.wrong(format!("`{text}` is no encapsulation{near}"));
        return None;
    };
    Some(encap)
}

/// The MTU of underlay links in bytes.
pub(super) fn underlay_mtu(at: &At<'_>) -> Option<u32> {
    at.number("underlay MTU", &UNDERLAY_MTU)
}
