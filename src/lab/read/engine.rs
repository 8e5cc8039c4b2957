//! `carrier.engine`: what the engines are told beyond the encapsulation's name.

use std::fmt::Display;
use std::str::FromStr;

use super::At;
use crate::encap::Ttl;
use crate::encap::ecn::{Dscp, Ingress};
use crate::lab::limits::{NVE_ADDRESSES, OPTION_DATA, OPTIONS, SOURCE_PORTS};
use crate::lab::model::{EngineSettings, GeneveOption};

pub(super) fn settings(at: &At<'_>) -> EngineSettings {
    let keys = [
        "strict",
        "csum",
        "seq",
        "inner_tags",
        "options",
        "service",
        "nve_addresses",
        "source_ports",
        "ttl",
        "dscp",
        "ecn",
        "udp_csum",
        "udp6_zero",
    ];
    let Some(fields) = at.fields("a map, e.g. `{ strict: true }`", &keys) else {
        return EngineSettings::default();
    };
    let truth = |key| fields.get(key).and_then(|at| at.truth());
    EngineSettings {
        strict: truth("strict"),
        csum: truth("csum").unwrap_or_default(),
        seq: truth("seq").unwrap_or_default(),
        inner_tags: truth("inner_tags").unwrap_or_default(),
        options: fields.get("options").map(|at| options(&at)).unwrap_or_default(),
        service: fields.get("service").and_then(|at| at.id("VLAN id")),
        nve_addresses: fields.get("nve_addresses").and_then(|at| nve_addresses(&at)),
        source_ports: fields.get("source_ports").and_then(|at| source_ports(&at)),
        ttl: fields
            .get("ttl")
            .and_then(|at| spoken::<Ttl, _>(&at, "`inherit` or a number of hops")),
        dscp: fields.get("dscp").and_then(|at| spoken::<Dscp, _>(&at, "`uniform` or a number")),
        ecn: fields.get("ecn").and_then(|at| spoken::<Ingress, _>(&at, "`normal`")),
        udp_csum: fields
            .get("udp_csum")
            .and_then(|at| at.choice("setting of checksums", &super::carrier::SWITCHES)),
        udp6_zero: truth("udp6_zero").unwrap_or_default(),
    }
}

/// Addresses of one NVGRE endpoint.
pub(super) fn nve_addresses(at: &At<'_>) -> Option<u32> {
    at.number("number of addresses", &NVE_ADDRESSES)
}

/// UDP source ports of one VTEP.
pub(super) fn source_ports(at: &At<'_>) -> Option<u32> {
    at.number("number of source ports", &SOURCE_PORTS)
}

/// A setting in the words that the command line has for it too.
fn spoken<T: FromStr<Err: Display>, U: From<T>>(at: &At<'_>, wanted: &str) -> Option<U> {
    at.parsed::<T>(wanted).map(U::from)
}

fn options(at: &At<'_>) -> Vec<GeneveOption> {
    let wanted = "a list of options, e.g. `[{ class: 0x102, type: 1, data: 00000001 }]`";
    let items = at.list(wanted).unwrap_or_default();
    let options: Vec<_> = items.iter().filter_map(option).collect();
    let bytes: u32 = options.iter().map(GeneveOption::wire_len).sum();
    if bytes > OPTIONS {
        at.wrong(format!("are {bytes} bytes; a packet carries at most {OPTIONS} (RFC 8926)"));
    }
    options
}

fn option(at: &At<'_>) -> Option<GeneveOption> {
    let fields =
        at.fields("an option, e.g. `{ class: 258, type: 1 }`", &["class", "type", "data"])?;
    let class = fields.need("class", "the option class, e.g. `258`");
    let kind = fields.need("type", "the option type, e.g. `1`");
    let data = fields.get("data");
    let option = GeneveOption {
        class: u16::try_from(class?.number("option class", &(0..=0xFFFF))?).ok()?,
        kind: u8::try_from(kind?.number("option type", &(0..=0xFF))?).ok()?,
        data: match &data {
            Some(at) => at.text("hexadecimal digits, e.g. `0a0b0c0d`")?,
            None => String::new(),
        },
    };
    let fits = |bytes: Vec<u8>| bytes.len().is_multiple_of(4) && bytes.len() <= OPTION_DATA;
    if !option.bytes().is_some_and(fits)
        && let Some(at) = data
    {
        at.wrong(format!(
            "`{}` is no option data: write 4, 8, .. {OPTION_DATA} bytes in hexadecimal digits",
            option.data
        ));
        return None;
    }
    Some(option)
}
