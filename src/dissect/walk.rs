//! The layers of a frame, nested tunnels included.
//!
//! The walk reads whatever is there and judges nothing: a header that ends early or contradicts
//! itself is shown as far as it goes, marked as malformed, and ends the walk.

mod network;
mod tunnel;

use serde_json::{Value, json};

use super::field::{Description, Found};
use super::headers::{BPDU, ETHERNET, VLAN};
use crate::wire::{ethernet, stp, vlan};

/// Layers of one frame; a frame with more is nonsense.
const MAX_LAYERS: usize = 64;
/// Tunnels within tunnels.
const MAX_TUNNELS: usize = 8;

/// One layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What it is.
    pub protocol: &'static str,
    /// Its header's description, where it has one.
    pub description: Option<&'static Description>,
    /// Its first byte in the frame.
    pub offset: usize,
    /// Its bytes.
    pub length: usize,
    /// Its fields with their places.
    pub fields: Vec<Found>,
    /// What else is told of it: numbers of several fields, states of checksums.
    pub more: Vec<(&'static str, Value)>,
    /// What is wrong with it.
    pub malformed: Option<String>,
}

impl Layer {
    /// The value of a field or of what else is told.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        let field = self.fields.iter().find(|f| f.field.key == key).map(|f| &f.value);
        field.or_else(|| self.more.iter().find(|(name, _)| *name == key).map(|(_, value)| value))
    }
}

/// What is told to the walk because the bytes do not say it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints {
    /// UDP or TCP destination port of the tunnel, where it is not the registered one.
    pub port: Option<(u16, Tunnel)>,
    /// Whether GRE with a key and Ethernet is NVGRE; where nothing is said, keys that are a tenant's
    /// VSID are taken for it.
    pub nvgre: Option<bool>,
}

/// The tunnels known by their port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// VXLAN.
    Vxlan,
    /// VXLAN-GPE.
    VxlanGpe,
    /// Geneve.
    Geneve,
    /// STT.
    Stt,
}

/// What comes next, and where.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Ethernet,
    /// A network packet by its `EtherType`.
    Type(u16),
    /// An upper layer by its protocol number; what it covers ends where the walk does.
    Upper(u8),
    Tunnel(Tunnel),
    Ssh,
    Data,
    End,
}

/// What a captured frame starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// An Ethernet header.
    Ethernet,
    /// A network packet of this `EtherType` behind so many bytes of another link header.
    Packet {
        /// Bytes of the link header.
        at: usize,
        /// `EtherType`.
        ethertype: u16,
    },
    /// A decrypted SSH channel message.
    Ssh,
    /// Something unknown.
    Unknown,
}

/// Takes a frame apart.
#[must_use]
pub fn walk(bytes: &[u8], start: Start, hints: Hints) -> Vec<Layer> {
    let mut walk = Walk {
        bytes,
        at: 0,
        end: bytes.len(),
        layers: Vec::new(),
        tunnels: 0,
        hints,
        pseudo: None,
    };
    let mut next = match start {
        Start::Ethernet => Next::Ethernet,
        Start::Packet { at, ethertype } => {
            if at > 0 {
                walk.plain("link", at);
            }
            Next::Type(ethertype)
        }
        Start::Ssh => Next::Ssh,
        Start::Unknown => Next::Data,
    };
    while walk.layers.len() < MAX_LAYERS {
        next = match next {
            Next::Ethernet => walk.ethernet(),
            Next::Type(ethertype) => walk.network(ethertype),
            Next::Upper(protocol) => walk.upper(protocol),
            Next::Tunnel(_) | Next::Ssh if walk.tunnels >= MAX_TUNNELS => Next::Data,
            Next::Tunnel(tunnel) => walk.tunnel(tunnel),
            Next::Ssh => walk.ssh(),
            Next::Data => {
                walk.rest("data");
                Next::End
            }
            Next::End => break,
        };
    }
    if walk.end < bytes.len() {
        (walk.at, walk.end) = (walk.end, bytes.len());
        walk.rest("padding");
    }
    walk.layers
}

pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the innermost packet that says its length ends.
    end: usize,
    layers: Vec<Layer>,
    tunnels: usize,
    hints: Hints,
    /// Partial checksum of the addresses around, without length; none where a piece is missing.
    pseudo: Option<network::Addresses>,
}

impl<'a> Walk<'a> {
    /// What is left of the innermost packet.
    fn left(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// Reads a header where the walk is; `true` where all of it is there.
    fn header(&mut self, description: &'static Description) -> bool {
        let left = self.left();
        let read = description.read(left);
        let whole = read.len <= left.len();
        let malformed = (!whole).then(|| {
            format!("truncated: {} bytes are needed and {} are there", read.len, left.len())
        });
        let length = read.len.min(left.len());
        self.layers.push(Layer {
            protocol: description.protocol,
            description: Some(description),
            offset: self.at,
            length,
            fields: read.fields,
            more: description.groups(left).collect(),
            malformed,
        });
        self.at += length;
        whole
    }

    /// The last layer.
    fn last(&mut self) -> Option<&mut Layer> {
        self.layers.last_mut()
    }

    /// A field of the last layer.
    fn number(&self, key: &str) -> u64 {
        let value = self.layers.last().and_then(|layer| layer.value(key));
        match value {
            Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
            Some(Value::String(text)) => {
                u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn note(&mut self, key: &'static str, value: Value) {
        if let Some(layer) = self.last() {
            layer.more.push((key, value));
        }
    }

    fn malformed(&mut self, what: impl Into<String>) {
        if let Some(layer) = self.last() {
            layer.malformed.get_or_insert(what.into());
        }
    }

    /// Makes the last header longer by what is there of `more` bytes; `true` where all are.
    fn extend(&mut self, more: usize, what: &str) -> bool {
        let there = more.min(self.left().len());
        self.at += there;
        if let Some(layer) = self.last() {
            layer.length += there;
        }
        if there < more {
            self.malformed(format!("truncated: {what} needs {more} bytes and {there} are there"));
        }
        there == more
    }

    /// Ends the innermost packet after `length` bytes, by its own word.
    fn limit(&mut self, length: usize) -> bool {
        let end = self.at.saturating_add(length);
        if end > self.end {
            let there = self.end - self.at;
            self.malformed(format!("its length says {length} bytes follow, and {there} are there"));
            return false;
        }
        self.end = end;
        true
    }

    fn plain(&mut self, protocol: &'static str, length: usize) {
        let length = length.min(self.left().len());
        self.layers.push(Layer {
            protocol,
            description: None,
            offset: self.at,
            length,
            fields: Vec::new(),
            more: Vec::new(),
            malformed: None,
        });
        self.at += length;
    }

    /// What is left, as one layer.
    fn rest(&mut self, protocol: &'static str) {
        let length = self.left().len();
        if length > 0 {
            self.plain(protocol, length);
        }
    }

    fn ethernet(&mut self) -> Next {
        if !self.header(&ETHERNET) {
            return Next::End;
        }
        let ethertype = u16::try_from(self.number("ethertype")).unwrap_or(0);
        if vlan::is_tpid(ethertype) {
            return self.tags();
        }
        if ethertype < ethernet::ethertype::MIN {
            let limited = self.limit(usize::from(ethertype));
            let group = self.layers.last().and_then(|l| l.value("dst")?.as_str());
            let bridges = group == Some(&stp::GROUP.to_string());
            return if limited && bridges { self.bpdu() } else { Next::Data };
        }
        Next::Type(ethertype)
    }

    /// The tags behind the MAC addresses, and the `EtherType` behind them.
    fn tags(&mut self) -> Next {
        let ethernet = self.layers.len() - 1;
        // The tags start where the EtherType would stand.
        self.at -= 2;
        if let Some(layer) = self.last() {
            layer.length -= 2;
        }
        let ethertype = |left: &[u8]| left.first_chunk().map(|two| u16::from_be_bytes(*two));
        while self.layers.len() < MAX_LAYERS && ethertype(self.left()).is_some_and(vlan::is_tpid) {
            if !self.header(&VLAN) {
                return Next::End;
            }
        }
        let Some(found) = ethertype(self.left()) else {
            self.malformed("truncated: the EtherType behind the tag is missing");
            return Next::End;
        };
        let text = json!(format!("0x{found:04x}"));
        self.extend(2, "the EtherType behind the tag");
        self.note("ethertype", text.clone());
        if let Some(layer) = self.layers.get_mut(ethernet) {
            for field in &mut layer.fields {
                if field.field.key == "ethertype" {
                    field.value = text.clone();
                }
            }
        }
        Next::Type(found)
    }

    fn bpdu(&mut self) -> Next {
        if !self.left().starts_with(&[0x42, 0x42, 0x03]) {
            return Next::Data;
        }
        self.plain("llc", 3);
        // A topology change notification ends after its type.
        if self.left().len() == 4 {
            let read = BPDU.read(self.left());
            let fields = read.fields;
            self.plain("stp", 4);
            if let Some(layer) = self.last() {
                (layer.description, layer.fields) = (Some(&BPDU), fields);
            }
            return Next::End;
        }
        self.header(&BPDU);
        Next::Data
    }
}
