//! A judged frame as JSON and as a tree for people.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::capture::Frame;
use super::field::{Found, Show};
use super::judge::{Judged, delivered};
use super::names;
use super::walk::Layer;
use crate::encap::receive::Verdict;

/// Bytes to a line of a hex dump.
const PER_LINE: usize = 16;
/// Bytes of payload that the tree shows.
const MAX_DATA: usize = 256;

/// One frame as one object: `frame` (from 1), `time`, `length`, `layers`, `encap`, the ids of the
/// network, `verdict`, `reason`, `inner_kind`, `inner_hex`; where the egress has work to do also
/// `inner_final_hex` and `inner_gso_hex`.
#[must_use]
pub fn json(number: usize, frame: &Frame<'_>, judged: &Judged) -> Value {
    let mut all = Map::new();
    all.insert("frame".into(), json!(number));
    if let Some(time) = time(frame) {
        all.insert("time".into(), json!(time));
    }
    all.insert("length".into(), json!(frame.original));
    if frame.bytes.len() < frame.original {
        all.insert("captured".into(), json!(frame.bytes.len()));
    }
    all.insert("layers".into(), judged.layers.iter().map(layer_json).collect());
    all.insert("encap".into(), json!(judged.encap));
    for (key, value) in &judged.ids {
        all.insert((*key).into(), value.clone());
    }
    all.insert("verdict".into(), json!(judged.verdict.as_ref().map(Verdict::name)));
    if let Some(reason) = reason(judged) {
        all.insert("reason".into(), json!(reason));
    }
    if let Some(packet) = judged.verdict.as_ref().and_then(delivered) {
        let kind = format!("{:?}", packet.kind).to_lowercase();
        all.insert("inner_kind".into(), json!(kind));
        all.insert("inner_hex".into(), json!(names::hex(&packet.carried)));
        if packet.delivered != packet.carried {
            all.insert("inner_final_hex".into(), json!(names::hex(&packet.delivered)));
        }
        if !packet.packets.is_empty() {
            let packets: Vec<_> = packet.packets.iter().map(|it| names::hex(it)).collect();
            all.insert("inner_gso_hex".into(), json!(packets));
        }
    }
    Value::Object(all)
}

fn layer_json(layer: &Layer) -> Value {
    let mut all = Map::new();
    for found in &layer.fields {
        if !found.field.key.is_empty() {
            all.insert(found.field.key.into(), found.value.clone());
        }
    }
    for (key, value) in &layer.more {
        all.insert((*key).into(), value.clone());
    }
    all.insert("protocol".into(), json!(layer.protocol));
    all.insert("offset".into(), json!(layer.offset));
    all.insert("length".into(), json!(layer.length));
    if let Some(malformed) = &layer.malformed {
        all.insert("malformed".into(), json!(malformed));
    }
    Value::Object(all)
}

fn time(frame: &Frame<'_>) -> Option<String> {
    let time = jiff::Timestamp::from_nanosecond(frame.time?).ok()?;
    Some(time.to_string())
}

fn reason(judged: &Judged) -> Option<&'static str> {
    match judged.verdict.as_ref()? {
        Verdict::Drop(reason) | Verdict::Policy(reason, _) => Some(reason.name()),
        _ => None,
    }
}

/// Colours of the tree; all empty where it goes to no terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Colours {
    title: &'static str,
    good: &'static str,
    bad: &'static str,
    faint: &'static str,
    end: &'static str,
}

impl Colours {
    /// For a terminal.
    #[must_use]
    pub const fn terminal() -> Self {
        Colours {
            title: "\x1b[1;36m",
            good: "\x1b[1;32m",
            bad: "\x1b[1;31m",
            faint: "\x1b[2m",
            end: "\x1b[0m",
        }
    }
}

/// One frame as a tree: a line for the verdict, and each layer with its fields, their meaning and
/// its bytes.
#[must_use]
pub fn tree(number: usize, frame: &Frame<'_>, judged: &Judged, colours: Colours) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_tree(&mut text, number, frame, judged, colours);
    text
}

fn write_tree(
    out: &mut String,
    number: usize,
    frame: &Frame<'_>,
    judged: &Judged,
    c: Colours,
) -> std::fmt::Result {
    write!(out, "Frame {number}: {} bytes", frame.original)?;
    if frame.bytes.len() < frame.original {
        write!(out, " ({} captured)", frame.bytes.len())?;
    }
    if let Some(time) = time(frame) {
        write!(out, ", {time}")?;
    }
    writeln!(out)?;
    for layer in &judged.layers {
        write_layer(out, frame.bytes, layer, c)?;
    }
    let Some((encap, verdict)) = judged.encap.zip(judged.verdict.as_ref()) else {
        return writeln!(out, "└─ no encapsulation\n");
    };
    write!(out, "└─ {encap}")?;
    for (key, value) in &judged.ids {
        write!(out, " {key} {}", plain(value))?;
    }
    let colour = if matches!(verdict, Verdict::Drop(_)) { c.bad } else { c.good };
    write!(out, ": {colour}{}{}", verdict.name(), c.end)?;
    if let Some(reason) = reason(judged) {
        write!(out, " ({reason})")?;
    }
    if let Some(packet) = delivered(verdict) {
        let kind = format!("{:?}", packet.kind);
        write!(out, ", {} bytes of {kind} inside", packet.carried.len())?;
        if !packet.packets.is_empty() {
            write!(out, ", to be cut into {} packets", packet.packets.len())?;
        }
        if packet.delivered != packet.carried {
            write!(out, ", changed on the way out")?;
        }
    }
    writeln!(out, "\n")
}

fn write_layer(out: &mut String, bytes: &[u8], layer: &Layer, c: Colours) -> std::fmt::Result {
    let title = layer.description.map_or(layer.protocol, |it| it.title);
    let source = layer.description.map(|it| format!(", {}", it.source)).unwrap_or_default();
    let Layer { offset, length, .. } = layer;
    writeln!(
        out,
        "├─ {}{title}{}{} ({length} bytes at {offset}{source}){}",
        c.title, c.end, c.faint, c.end
    )?;
    if let Some(malformed) = &layer.malformed {
        writeln!(out, "│    {}malformed: {malformed}{}", c.bad, c.end)?;
    }
    for found in &layer.fields {
        let Found { field, value, .. } = found;
        // Bits without a name are reserved: told only where they are not as they should be.
        let is_zero = value.as_u64() == Some(0) || value.as_str().is_some_and(|it| it == "0x00");
        if field.key.is_empty() && is_zero {
            continue;
        }
        let key = if field.key.is_empty() { "reserved bits" } else { field.key };
        let name = named(found).map(|name| format!(" ({name})")).unwrap_or_default();
        let value = format!("{}{name}", plain(value));
        writeln!(out, "│    {key:<16} {value:<32} {}{}{}", c.faint, field.meaning, c.end)?;
    }
    for (key, value) in &layer.more {
        let colour = if value.as_str() == Some("bad") { c.bad } else { "" };
        let end = if colour.is_empty() { "" } else { c.end };
        match value {
            Value::Array(options) => {
                for option in options {
                    writeln!(out, "│    {key:<16} {option}")?;
                }
            }
            one => writeln!(out, "│    {key:<16} {colour}{}{end}", plain(one))?,
        }
    }
    let all = bytes.get(*offset..offset + length).unwrap_or_default();
    let shown = all.get(..MAX_DATA).unwrap_or(all);
    for (line, chunk) in shown.chunks(PER_LINE).enumerate() {
        write!(out, "│    {}{:04x} ", c.faint, offset + line * PER_LINE)?;
        for byte in chunk {
            write!(out, " {byte:02x}")?;
        }
        writeln!(out, "{}", c.end)?;
    }
    if shown.len() < all.len() {
        writeln!(out, "│    {}… and {} bytes more{}", c.faint, all.len() - shown.len(), c.end)?;
    }
    Ok(())
}

/// What a number means, where it has a name.
fn named(found: &Found) -> Option<&'static str> {
    match (found.field.show, &found.value) {
        (Show::EtherType, Value::String(text)) => {
            names::ethertype(u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()?)
        }
        (Show::Protocol, value) => names::protocol(value.as_u64()?),
        (_, value) if found.field.key == "next_protocol" => names::gpe(value.as_u64()?),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
