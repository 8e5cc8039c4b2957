//! `carrier.engine`: what the engines are told beyond the encapsulation's name.

use super::At;
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
