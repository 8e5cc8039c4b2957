//! Reads a capture back, and sums checksums in a way that shares nothing with the writer.

/// One packet of a capture.
pub struct Packet<'a> {
    pub interface: u32,
    pub bytes: &'a [u8],
}

/// The enhanced packet blocks (type 6) of a little-endian pcapng file.
pub fn packets(file: &[u8]) -> Vec<Packet<'_>> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut found) = (0, Vec::new());
    while at < file.len() {
        let length = word(at + 4) as usize;
        if word(at) == 6 {
            let captured = word(at + 20) as usize;
            found.push(Packet {
                interface: word(at + 8),
                bytes: &file[at + 28..at + 28 + captured],
            });
        }
        at += length;
    }
    found
}

/// Whether this is TCP in IPv4 in Ethernet in VXLAN in UDP in IPv4; panics where it is and a
/// checksum in it is wrong.
pub fn vxlan_tcp_checksums_hold(frame: &[u8]) -> bool {
    let is = frame.len() >= 104
        && frame[12..14] == [8, 0]
        && frame[23] == 17
        && frame[36..38] == 4789_u16.to_be_bytes()
        && frame[62..64] == [8, 0]
        && frame[73] == 6;
    if is {
        assert_eq!(ones(&frame[14..34]), 0xFFFF, "outer IPv4 header");
        assert_eq!(ones(&frame[64..84]), 0xFFFF, "inner IPv4 header");
        let inner = usize::from(u16::from_be_bytes([frame[66], frame[67]]));
        assert_eq!(frame.len(), 64 + inner, "inner length");
        let mut checked = frame[76..84].to_vec();
        checked.extend([0, 6]);
        checked.extend(u16::try_from(inner - 20).unwrap().to_be_bytes());
        checked.extend(&frame[84..]);
        assert_eq!(ones(&checked), 0xFFFF, "inner TCP");
    }
    is
}

/// The ones' complement sum of 16-bit words, carried end around at each step.
fn ones(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum, pair| {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
