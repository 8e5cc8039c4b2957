//! What a probe frame carries so that it is known wherever it turns up.

/// First bytes of every token.
const MAGIC: [u8; 8] = *b"\xF0overlab";
/// Bytes of a token.
pub const LENGTH: usize = MAGIC.len() + 16 + 2 + 4;

/// The mark of one probe: nobody else can have sent it, for the secret is of one run and tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// 16 bytes of the system's random generator, per run and tenant.
    pub secret: [u8; 16],
    /// The sending tenant's place in the variant.
    pub tenant: u16,
    /// The probe's number in the run.
    pub number: u32,
}

impl Token {
    /// As it stands in a frame.
    #[must_use]
    pub fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..24].copy_from_slice(&self.secret);
        bytes[24..26].copy_from_slice(&self.tenant.to_be_bytes());
        bytes[26..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The first token in `frame`, wherever it is.
    #[must_use]
    pub fn find(frame: &[u8]) -> Option<Token> {
        let at = frame.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        let raw: &[u8; LENGTH] = frame.get(at..)?.first_chunk()?;
        Some(Token {
            secret: *raw[8..].first_chunk()?,
            tenant: u16::from_be_bytes(*raw[24..].first_chunk()?),
            number: u32::from_be_bytes(*raw[26..].first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_wherever_it_stands_and_only_whole() {
        let token = Token { secret: [9; 16], tenant: 3, number: 77 };
        let mut frame = vec![0xF0; 61];
        frame.extend(token.bytes());
        assert_eq!(Token::find(&frame), Some(token));
        assert_eq!(Token::find(&frame[..frame.len() - 1]), None);
        frame.extend([0; 9]);
        assert_eq!(Token::find(&frame), Some(token));
    }
}
