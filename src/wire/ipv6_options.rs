//! IPv6 destination options with the tunnel encapsulation limit (RFC 2473 sections 4.1.1 and 5.1).
//!
//! ```text
//! |  Next Header  |Hdr Ext Len = 0| Opt Type = 4  |Opt Data Len=1 |
//! | Tun Encap Lim |PadN Opt Type=1|Opt Data Len=1 |       0       |
//! ```

use super::{Malformed, fixed, put};

/// Bytes of a destination options header with the limit alone.
pub const LEN: usize = 8;
/// Option type of the tunnel encapsulation limit.
pub const ENCAP_LIMIT: u8 = 4;

/// Writes a destination options header with the limit before `next_header`; returns [`LEN`].
///
/// # Errors
/// [`Malformed::NoRoom`] where `out` is shorter.
pub fn emit_encap_limit(next_header: u8, limit: u8, out: &mut [u8]) -> Result<usize, Malformed> {
    put([next_header, 0, ENCAP_LIMIT, 1, limit, 1, 1, 0], out)
}

/// The tunnel encapsulation limit in the options header at the start of `bytes`, where there is one.
///
/// # Errors
/// [`Malformed::Truncated`] where the header runs past `bytes`, [`Malformed::Length`] where an option runs past it.
pub fn encap_limit(bytes: &[u8]) -> Result<Option<u8>, Malformed> {
    let [_, words] = *fixed::<2>(bytes)?;
    let mut rest = bytes.get(2..8 + usize::from(words) * 8).ok_or(Malformed::Truncated)?;
    while let Some((kind, behind)) = rest.split_first() {
        // Pad1 is the one option without a length.
        if *kind == 0 {
            rest = behind;
            continue;
        }
        let (len, behind) = behind.split_first().ok_or(Malformed::Length)?;
        let (data, behind) = behind.split_at_checked(usize::from(*len)).ok_or(Malformed::Length)?;
        if let (ENCAP_LIMIT, [limit]) = (*kind, data) {
            return Ok(Some(*limit));
        }
        rest = behind;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{emitted, hex};
    use super::*;

    #[test]
    fn linux_sends_this_header() {
        let bytes = hex("2900 0401 04 010100");
        assert_eq!(emitted(LEN, |out| emit_encap_limit(41, 4, out)), bytes);
        assert_eq!(encap_limit(&bytes), Ok(Some(4)));
        for short in 0..LEN {
            assert_eq!(encap_limit(&bytes[..short]), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn padding_is_skipped_and_overruns_are_refused() {
        assert_eq!(encap_limit(&hex("2900 00 00 0401 03 00")), Ok(Some(3)));
        assert_eq!(encap_limit(&hex("2900 0104 00000000")), Ok(None));
        assert_eq!(encap_limit(&hex("2900 0105 00000000")), Err(Malformed::Length));
        assert_eq!(encap_limit(&hex("2900 0103 000000 04")), Err(Malformed::Length));
    }
}
