//! Writing capture files: just the blocks needed of pcapng (draft-ietf-opsawg-pcapng).
//!
//! One section header, one interface description per watched interface, then enhanced packets.
//! All in little-endian order, which the section header's magic tells readers.

use std::io::{self, Write};
use std::time::Duration;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// `LINKTYPE_ETHERNET`.
const ETHERNET: u16 = 1;

const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const EPB_FLAGS: u16 = 2;
const ISB_IFDROP: u16 = 5;

/// Writes blocks to `to`, through one reused buffer.
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    block: Vec<u8>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Starts a section: the program that writes it, the system it runs on, and what a reader should
    /// know of all of it.
    pub fn new(to: W, program: &str, system: &str, comment: &str) -> io::Result<Writer<W>> {
        let mut writer = Writer { to, block: Vec::new(), written: 0 };
        writer.begin(SECTION);
        writer.put(&0x1A2B_3C4D_u32.to_le_bytes());
        writer.put(&1_u16.to_le_bytes());
        writer.put(&0_u16.to_le_bytes());
        writer.put(&u64::MAX.to_le_bytes()); // the section's length is not told
        writer.option(COMMENT, comment.as_bytes());
        writer.option(SHB_OS, system.as_bytes());
        writer.option(SHB_USERAPPL, program.as_bytes());
        writer.end()?;
        Ok(writer)
    }

    /// Describes the next interface; packets name it by its place.
    pub fn interface(&mut self, name: &str, comment: &str) -> io::Result<()> {
        self.begin(INTERFACE);
        self.put(&ETHERNET.to_le_bytes());
        self.put(&[0; 2]);
        self.put(&0_u32.to_le_bytes()); // packets are held whole
        self.option(COMMENT, comment.as_bytes());
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_DESCRIPTION, comment.as_bytes());
        self.option(IF_TSRESOL, &[9]); // nanoseconds
        self.end()
    }

    /// One packet, held whole. `outgoing` is the direction at the interface.
    pub fn packet(
        &mut self,
        interface: u32,
        time: Duration,
        outgoing: bool,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.begin(PACKET);
        self.put(&interface.to_le_bytes());
        self.time(time);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.put(&length);
        self.put(&length);
        self.padded(bytes);
        self.option(EPB_FLAGS, &(if outgoing { 2_u32 } else { 1 }).to_le_bytes());
        self.end()
    }

    /// How many packets of an interface are missing in the file.
    pub fn missed(&mut self, interface: u32, time: Duration, packets: u64) -> io::Result<()> {
        self.begin(STATISTICS);
        self.put(&interface.to_le_bytes());
        self.time(time);
        self.option(ISB_IFDROP, &packets.to_le_bytes());
        self.end()
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Hands everything to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn time(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).to_le_bytes();
        // The high half first, each half in file order.
        self.put(&nanoseconds[4..]);
        self.put(&nanoseconds[..4]);
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.put(&kind.to_le_bytes());
        self.put(&[0; 4]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.put(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.put(&code.to_le_bytes());
        self.put(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.padded(value);
    }

    /// Ends the options, sets the block's length at both its ends, and writes it.
    fn end(&mut self) -> io::Result<()> {
        self.put(&[0; 4]);
        let length = u32::try_from(self.block.len() + 4).unwrap_or(u32::MAX).to_le_bytes();
        self.put(&length);
        self.block[4..8].copy_from_slice(&length);
        self.written += self.block.len() as u64;
        self.to.write_all(&self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_each_other_by_both_their_lengths() {
        let mut writer = Writer::new(Vec::new(), "overlab", "Linux", "a lab").unwrap();
        writer.interface("h1:eth0", "a comment").unwrap();
        writer.packet(0, Duration::new(1, 5), true, &[1, 2, 3, 4, 5]).unwrap();
        writer.missed(0, Duration::ZERO, 3).unwrap();
        let (written, file) = (writer.written(), writer.to);
        assert_eq!(written, file.len() as u64);
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let (mut at, mut kinds) = (0, Vec::new());
        while at < file.len() {
            let length = word(at + 4) as usize;
            assert_eq!((length % 4, word(at + length - 4) as usize), (0, length));
            kinds.push(word(at));
            if word(at) == PACKET {
                assert_eq!((word(at + 12), word(at + 16)), (0, 1_000_000_005));
                assert_eq!((word(at + 20), word(at + 24)), (5, 5));
                assert_eq!(file[at + 28..at + 36], [1, 2, 3, 4, 5, 0, 0, 0]);
            }
            at += length;
        }
        assert_eq!(kinds, [SECTION, INTERFACE, PACKET, STATISTICS]);
    }
}
