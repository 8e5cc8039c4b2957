//! Spanning tree BPDUs (IEEE 802.1D-2004 clause 9.3).
//!
//! ```text
//! 01:80:c2:00:00:00 | source | length | 42 42 03 | protocol id (2) | version (1) | type (1)
//! Config and RSTP: flags (1) | root id (8) | root path cost (4) | bridge id (8) | port id (2)
//!                  | message age (2) | max age (2) | hello time (2) | forward delay (2) [| 0 (1)]
//! ```
//!
//! Times are in units of 1/256 s. Bytes behind the LLC length are padding.

use std::fmt;

use super::ethernet::{self, Mac, ethertype};
use super::{Malformed, be16, be32, be64, fixed};

/// Where bridges send BPDUs.
pub const GROUP: Mac = Mac([0x01, 0x80, 0xC2, 0, 0, 0]);
/// LLC header of BPDUs.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];

/// The kinds of BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Configuration, version 0.
    Config,
    /// Topology change notification.
    TopologyChange,
    /// Rapid spanning tree (version 2) or multiple spanning trees (3).
    Rapid,
}

/// A bridge's or a root's id: priority and MAC address; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BridgeId(pub u64);

impl BridgeId {
    /// The priority, its low 12 bits a VLAN id where the bridge runs one tree per VLAN.
    #[must_use]
    pub fn priority(self) -> u16 {
        let [high, low, ..] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// The bridge's address.
    #[must_use]
    pub fn mac(self) -> Mac {
        let [_, _, mac @ ..] = self.0.to_be_bytes();
        Mac(mac)
    }
}

/// What Config and RSTP BPDUs say; times in 1/256 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vector {
    /// Flags: topology change 0x01, its acknowledgment 0x80, and RSTP's roles and states.
    pub flags: u8,
    /// The root as the sender knows it.
    pub root: BridgeId,
    /// Cost of the sender's path to the root.
    pub cost: u32,
    /// The sender.
    pub bridge: BridgeId,
    /// The sender's port.
    pub port: u16,
    /// Age of this information.
    pub message_age: u16,
    /// Age at which it is forgotten.
    pub max_age: u16,
    /// Time between BPDUs.
    pub hello: u16,
    /// Time in listening and in learning.
    pub forward_delay: u16,
}

/// One BPDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bpdu {
    /// Protocol version.
    pub version: u8,
    /// Kind.
    pub kind: Kind,
    /// What it says; nothing in a topology change notification.
    pub vector: Option<Vector>,
}

impl Bpdu {
    /// Reads the BPDU in an untagged Ethernet frame.
    ///
    /// # Errors
    /// [`Malformed::Truncated`], [`Malformed::Length`] where the length field is wrong or too small
    /// for the type, [`Malformed::Value`] where LLC, protocol id or type are no BPDU's, or the
    /// message age has reached the max age (clause 9.3.4).
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let header = ethernet::Header::parse(frame)?;
        if header.ethertype >= ethertype::MIN {
            return Err(Malformed::Value);
        }
        let end = ethernet::LEN + usize::from(header.ethertype);
        let payload = frame.get(ethernet::LEN..end).ok_or(Malformed::Length)?;
        let bpdu = payload.strip_prefix(&LLC).ok_or(Malformed::Value)?;
        let [p0, p1, version, kind] = *fixed::<4>(bpdu).map_err(|_| Malformed::Length)?;
        if [p0, p1] != [0, 0] {
            return Err(Malformed::Value);
        }
        let (kind, needed) = match kind {
            0x00 => (Kind::Config, 35),
            0x80 => return Ok(Bpdu { version, kind: Kind::TopologyChange, vector: None }),
            0x02 => (Kind::Rapid, 36),
            _ => return Err(Malformed::Value),
        };
        let fields: &[u8; 35] = fixed(bpdu).map_err(|_| Malformed::Length)?;
        if bpdu.len() < needed {
            return Err(Malformed::Length);
        }
        let vector = Vector {
            flags: fields[4],
            root: BridgeId(be64(fields, 5)),
            cost: be32(fields, 13),
            bridge: BridgeId(be64(fields, 17)),
            port: be16(fields, 25),
            message_age: be16(fields, 27),
            max_age: be16(fields, 29),
            hello: be16(fields, 31),
            forward_delay: be16(fields, 33),
        };
        if vector.message_age >= vector.max_age {
            return Err(Malformed::Value);
        }
        Ok(Bpdu { version, kind, vector: Some(vector) })
    }
}

impl fmt::Display for Bpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(vector) = self.vector else { return f.write_str("STP topology change") };
        write!(
            f,
            "STP version {} root {}.{} cost {} bridge {}.{} port 0x{:04x} flags 0x{:02x}",
            self.version,
            vector.root.priority(),
            vector.root.mac(),
            vector.cost,
            vector.bridge.priority(),
            vector.bridge.mac(),
            vector.port,
            vector.flags
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    /// Sent by a Linux bridge.
    fn config() -> Vec<u8> {
        hex("0180c2000000 020000000a01 0026 424203 0000 00 00 00
             80000200 00000b01 00000000 80000200 00000b01 8001 0000 1400 0200 0f00")
    }

    #[test]
    fn a_configuration_bpdu() {
        let bpdu = Bpdu::parse(&config()).unwrap();
        assert_eq!(bpdu.kind, Kind::Config);
        assert_eq!(
            bpdu.to_string(),
            "STP version 0 root 32768.02:00:00:00:0b:01 cost 0 bridge 32768.02:00:00:00:0b:01 port 0x8001 flags 0x00"
        );
        let vector = bpdu.vector.unwrap();
        assert_eq!((vector.max_age, vector.hello, vector.forward_delay), (20 * 256, 512, 15 * 256));
        for short in 0..config().len() {
            assert!(Bpdu::parse(&config()[..short]).is_err());
        }
    }

    #[test]
    fn a_topology_change_notification() {
        let frame = hex("0180c2000000 020000000a01 0007 424203 0000 00 80");
        assert_eq!(Bpdu::parse(&frame).unwrap().to_string(), "STP topology change");
    }

    #[test]
    fn what_is_refused() {
        let with = |at: usize, value: u8| {
            let mut frame = config();
            frame[at] = value;
            Bpdu::parse(&frame).unwrap_err()
        };
        assert_eq!(with(13, 23), Malformed::Length);
        assert_eq!(with(13, 39), Malformed::Length);
        assert_eq!(with(18, 1), Malformed::Value);
        assert_eq!(with(20, 7), Malformed::Value);
        assert_eq!(with(44, 0x14), Malformed::Value);
        assert_eq!(with(12, 8), Malformed::Value);
    }

    #[test]
    fn the_smaller_id_is_better() {
        let (low, high) = (BridgeId(0x1000_FFFF_FFFF_FFFF), BridgeId(0x8000_0000_0000_0000));
        assert!(low < high);
    }
}
