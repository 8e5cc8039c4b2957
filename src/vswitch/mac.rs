//! MAC addresses.

use std::fmt;
use std::str::FromStr;

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// A text that is no MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no MAC address; write six hexadecimal bytes as `02:00:c0:a8:00:01`")]
pub struct MacError(String);

impl Mac {
    /// Whether it addresses a group (broadcast included): the lowest bit of the first byte.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether a frame may come from it: neither a group nor all zero.
    #[must_use]
    pub const fn is_source(self) -> bool {
        !self.is_group() && u64::from_be_bytes(self.widened()) != 0
    }

    /// Whether bridges keep frames to it to themselves: 01:80:C2:00:00:00 to ..0F (IEEE 802.1Q table 8-1).
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        matches!(self.0, [0x01, 0x80, 0xC2, 0x00, 0x00, 0x00..=0x0F])
    }

    const fn widened(self) -> [u8; 8] {
        let [a, b, c, d, e, f] = self.0;
        [0, 0, a, b, c, d, e, f]
    }
}

impl FromStr for Mac {
    type Err = MacError;
    fn from_str(text: &str) -> Result<Self, MacError> {
        let wrong = || MacError(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_rubbish_is_refused() {
        let mac: Mac = "02:00:c0:a8:00:01".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:c0:a8:00:01");
        for wrong in ["", "02:00", "02:00:c0:a8:00:01:02", "2:0:c0:a8:0:1", "02:00:c0:a8:00:zz"] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn groups_and_zero_are_no_sources() {
        assert!(!Mac([0; 6]).is_source());
        assert!(!Mac([0xFF; 6]).is_source());
        assert!(Mac([2, 0, 0, 0, 0, 1]).is_source());
        assert!(Mac([1, 0x80, 0xC2, 0, 0, 0]).is_link_local());
        assert!(!Mac([1, 0x80, 0xC2, 0, 0, 0x10]).is_link_local());
    }
}
