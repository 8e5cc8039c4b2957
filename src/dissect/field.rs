//! One description per header: its fields in the order of the wire.
//!
//! Everything that is said of a header comes from its description: the figure that `explain`
//! draws, the fields that `dissect` reads, and their meaning. The tests hold each description
//! against what [`crate::wire`] emits.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::names;
use crate::wire::ethernet::Mac;

/// How a field's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// As a decimal number.
    Number,
    /// As a decimal number of bytes, where the field counts units of so many.
    Units(u8),
    /// As a hexadecimal number of all its digits.
    Hex,
    /// As hexadecimal bytes without a prefix.
    Bytes,
    /// As an `EtherType`.
    EtherType,
    /// As an IP protocol number.
    Protocol,
    /// As a MAC address.
    Mac,
    /// As an IP address of the field's width.
    Address,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in JSON; empty for bits that are told only where they are set though they should not be.
    pub key: &'static str,
    /// Name in the figure.
    pub label: &'static str,
    /// Width.
    pub bits: usize,
    /// How its value is shown.
    pub show: Show,
    /// What it means.
    pub meaning: &'static str,
    /// The one-bit field that says whether this one is there.
    pub when: Option<&'static str>,
}

/// A field that is always there.
#[must_use]
pub const fn field(
    key: &'static str,
    label: &'static str,
    bits: usize,
    show: Show,
    meaning: &'static str,
) -> Field {
    Field { key, label, bits, show, meaning, when: None }
}

impl Field {
    /// The same, there only where a bit says so.
    #[must_use]
    pub const fn when(self, bit: &'static str) -> Field {
        Field { when: Some(bit), ..self }
    }
}

/// Neighbouring fields that are usually told as one number.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Name in JSON.
    pub key: &'static str,
    /// First bit, counted from the start of the header.
    pub at: usize,
    /// Width.
    pub bits: usize,
    /// How it is shown.
    pub show: Show,
}

/// One header.
#[derive(Debug)]
pub struct Description {
    /// Name of the layer.
    pub protocol: &'static str,
    /// Name in words.
    pub title: &'static str,
    /// Where it is defined.
    pub source: &'static str,
    /// Its fields in the order of the wire.
    pub fields: &'static [Field],
    /// Fields told as one number besides.
    pub groups: &'static [Group],
    /// What of variable length follows, in the figure.
    pub tail: Option<&'static str>,
}

/// A field with its place and value in some bytes.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which.
    pub field: Field,
    /// First bit, counted from the start of the header.
    pub at: usize,
    /// Its value as it is shown.
    pub value: Value,
}

/// What a description finds in some bytes.
#[derive(Debug, Clone)]
pub struct Read {
    /// The fields that lie in the bytes as a whole.
    pub fields: Vec<Found>,
    /// Bytes of the header, whether they are there or not.
    pub len: usize,
}

impl Read {
    /// The value of a field.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        self.fields.iter().find(|f| f.field.key == key)?.value.as_u64()
    }
}

impl Description {
    /// Reads the fields from the start of `bytes`.
    #[must_use]
    pub fn read(&self, bytes: &[u8]) -> Read {
        let mut fields: Vec<Found> = Vec::with_capacity(self.fields.len());
        let mut at = 0;
        for field in self.fields {
            let is_set = |key: &str| {
                fields.iter().any(|f| f.field.key == key && f.value.as_u64() == Some(1))
            };
            if field.when.is_some_and(|bit| !is_set(bit)) {
                continue;
            }
            if let Some(value) = show(bytes, at, field.bits, field.show) {
                fields.push(Found { field: *field, at, value });
            }
            at += field.bits;
        }
        Read { fields, len: at.div_ceil(8) }
    }

    /// The groups as they stand in `bytes`.
    pub fn groups<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (&'static str, Value)> {
        self.groups.iter().filter_map(|g| Some((g.key, show(bytes, g.at, g.bits, g.show)?)))
    }

    /// Bytes of the header with all fields that may be there.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.fields.iter().map(|f| f.bits).sum::<usize>().div_ceil(8)
    }
}

/// Up to 64 bits from bit `at` on; `None` where `bytes` end before.
#[must_use]
pub fn bits(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let end = at.checked_add(count)?;
    let covered = bytes.get(at / 8..end.div_ceil(8))?;
    if count > 64 {
        return None;
    }
    let whole = covered.iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
    let behind = covered.len() * 8 - at % 8 - count;
    let mask = (1u128 << count) - 1;
    u64::try_from(whole >> behind & mask).ok()
}

fn show(bytes: &[u8], at: usize, count: usize, how: Show) -> Option<Value> {
    let slice = || bytes.get(at / 8..(at + count) / 8);
    let number = || bits(bytes, at, count);
    Some(match how {
        Show::Number | Show::Protocol => json!(number()?),
        Show::Units(unit) => json!(number()? * u64::from(unit)),
        Show::Hex => json!(format!("0x{:0width$x}", number()?, width = count.div_ceil(4))),
        Show::EtherType => json!(format!("0x{:04x}", number()?)),
        Show::Bytes => json!(names::hex(slice()?)),
        Show::Mac => json!(Mac(slice()?.try_into().ok()?).to_string()),
        Show::Address => match count {
            32 => json!(Ipv4Addr::from(<[u8; 4]>::try_from(slice()?).ok()?).to_string()),
            _ => json!(Ipv6Addr::from(<[u8; 16]>::try_from(slice()?).ok()?).to_string()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_across_bytes() {
        let bytes = [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x11];
        assert_eq!(bits(&bytes, 0, 4), Some(1));
        assert_eq!(bits(&bytes, 4, 12), Some(0x234));
        assert_eq!(bits(&bytes, 4, 64), Some(0x2345_6789_ABCD_EF01));
        assert_eq!(bits(&bytes, 71, 1), Some(1));
        assert_eq!(bits(&bytes, 71, 2), None);
        assert_eq!(bits(&bytes, 0, 65), None);
        assert_eq!(bits(&[], 0, 1), None);
    }
}
