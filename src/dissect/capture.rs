//! Frames of capture files: classic pcap of both byte orders with micro- or nanoseconds, and pcapng.

use pcap_parser::nom;
use pcap_parser::pcapng::Block;
use pcap_parser::{
    PcapError, PcapHeader, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_header,
};

/// One captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Link type (registry of tcpdump.org), e.g. 1 for Ethernet.
    pub link: u32,
    /// Nanoseconds since 1970, where the file says.
    pub time: Option<i128>,
    /// The bytes captured.
    pub bytes: &'a [u8],
    /// Bytes the frame had on the wire.
    pub original: usize,
}

/// Where a file is no valid capture, and why. Frames before it are valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct Damage {
    /// Byte of the file, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub what: String,
}

/// Walks the frames of a capture file's bytes; the first damage ends the walk.
#[derive(Debug)]
pub struct Capture<'a> {
    whole: usize,
    rest: &'a [u8],
    format: Format,
}

#[derive(Debug)]
enum Format {
    Unknown,
    Classic { link: u32, big: bool, nanoseconds: bool },
    Next { big: bool, interfaces: Vec<Interface> },
    Ended,
}

/// An interface of a pcapng section.
#[derive(Debug)]
struct Interface {
    link: u32,
    snaplen: u32,
    /// Units of time per second; `None` where the file names an impossible one.
    resolution: Option<u64>,
    /// Seconds to add.
    offset: i64,
}

const NANO: i128 = 1_000_000_000;
/// Section header block of pcapng; the same in both byte orders.
const SECTION: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

impl<'a> Capture<'a> {
    /// Starts at the front of a file's bytes.
    #[must_use]
    pub const fn new(file: &'a [u8]) -> Self {
        Capture { whole: file.len(), rest: file, format: Format::Unknown }
    }

    fn damage(&self, what: impl Into<String>) -> Damage {
        Damage { offset: self.whole - self.rest.len(), what: what.into() }
    }

    fn begin(&mut self) -> Result<(), Damage> {
        if self.rest.starts_with(&SECTION) {
            self.format = Format::Next { big: false, interfaces: Vec::new() };
            return Ok(());
        }
        let no_capture = "this is no pcap or pcapng file (its first bytes are none of their magic \
                          numbers)";
        let (rest, header): (&[u8], PcapHeader) = match parse_pcap_header(self.rest) {
            Ok(parsed) => parsed,
            Err(nom::Err::Incomplete(_)) => {
                return Err(
                    self.damage("the file ends within the header of a pcap file (24 bytes)")
                );
            }
            Err(_) => return Err(self.damage(no_capture)),
        };
        if header.is_modified_format() {
            return Err(self.damage("the modified pcap format of old kernels is not supported"));
        }
        // The high bits say whether and how long an FCS is; frames here are taken as they are.
        let link = header.network.0 as u32 & 0x03FF_FFFF;
        let nanoseconds = header.is_nanosecond_precision();
        self.format = Format::Classic { link, big: header.is_bigendian(), nanoseconds };
        self.rest = rest;
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Frame<'a>>, Damage> {
        if matches!(self.format, Format::Unknown) {
            self.begin()?;
        }
        loop {
            if self.rest.is_empty() {
                self.format = Format::Ended;
            }
            match self.format {
                Format::Ended | Format::Unknown => return Ok(None),
                Format::Classic { link, big, nanoseconds } => {
                    return self.record(link, big, nanoseconds).map(Some);
                }
                Format::Next { .. } => {
                    if let Some(frame) = self.block()? {
                        return Ok(Some(frame));
                    }
                }
            }
        }
    }

    /// One record of a classic file.
    fn record(&mut self, link: u32, big: bool, nanoseconds: bool) -> Result<Frame<'a>, Damage> {
        let parse = if big { parse_pcap_frame_be } else { parse_pcap_frame };
        let (rest, record) =
            parse(self.rest).map_err(|error| self.damage(what(&error, "record")))?;
        let unit = if nanoseconds { 1 } else { 1000 };
        let time = i128::from(record.ts_sec) * NANO + i128::from(record.ts_usec) * unit;
        let original = usize::try_from(record.origlen).unwrap_or(usize::MAX);
        let frame = Frame { link, time: Some(time), bytes: record.data, original };
        self.rest = rest;
        Ok(frame)
    }

    /// One block of a pcapng file; `None` where it holds no frame.
    fn block(&mut self) -> Result<Option<Frame<'a>>, Damage> {
        let rest = self.rest;
        let damage = |what: String| Damage { offset: self.whole - rest.len(), what };
        let Format::Next { big, interfaces } = &mut self.format else { return Ok(None) };
        // Each section says its own byte order, in its first block.
        if rest.starts_with(&SECTION) {
            *big = rest.get(8..12) == Some(&[0x1A, 0x2B, 0x3C, 0x4D]);
            interfaces.clear();
        }
        let parse = if *big { parse_block_be } else { parse_block_le };
        let (behind, block) = parse(rest).map_err(|error| damage(what(&error, "block")))?;
        let frame = match &block {
            Block::InterfaceDescription(it) => {
                interfaces.push(Interface {
                    link: it.linktype.0 as u32,
                    snaplen: it.snaplen,
                    resolution: it.ts_resolution(),
                    offset: it.if_tsoffset,
                });
                None
            }
            Block::EnhancedPacket(it) => {
                let index = usize::try_from(it.if_id).unwrap_or(usize::MAX);
                let Some(interface) = interfaces.get(index) else {
                    let count = interfaces.len();
                    return Err(damage(format!(
                        "a packet of interface {}, but the section has {count} so far",
                        it.if_id
                    )));
                };
                let bytes = it.data;
                let captured = usize::try_from(it.caplen).unwrap_or(usize::MAX);
                let Some(bytes) = bytes.get(..captured) else {
                    let there = bytes.len();
                    return Err(damage(format!(
                        "a packet of {captured} bytes in a block that holds {there}"
                    )));
                };
                let ticks = i128::from(it.ts_high) << 32 | i128::from(it.ts_low);
                let time = interface.resolution.filter(|r| *r > 0).map(|resolution| {
                    ticks * NANO / i128::from(resolution) + i128::from(interface.offset) * NANO
                });
                let original = usize::try_from(it.origlen).unwrap_or(usize::MAX);
                Some(Frame { link: interface.link, time, bytes, original })
            }
            Block::SimplePacket(it) => {
                let Some(interface) = interfaces.first() else {
                    return Err(damage("a packet before any interface".into()));
                };
                let original = usize::try_from(it.origlen).unwrap_or(usize::MAX);
                let most = match interface.snaplen {
                    0 => original,
                    most => usize::try_from(most).unwrap_or(usize::MAX),
                };
                let bytes = it.data.get(..original.min(most)).unwrap_or(it.data);
                Some(Frame { link: interface.link, time: None, bytes, original })
            }
            _ => None,
        };
        self.rest = behind;
        Ok(frame)
    }
}

impl<'a> Iterator for Capture<'a> {
    type Item = Result<Frame<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.format = Format::Ended;
            self.rest = &[];
        }
        step.transpose()
    }
}

fn what(error: &nom::Err<PcapError<&[u8]>>, of: &str) -> String {
    match error {
        nom::Err::Incomplete(nom::Needed::Size(more)) => {
            format!("the file ends within a {of}: {more} more bytes are announced")
        }
        nom::Err::Incomplete(nom::Needed::Unknown) => format!("the file ends within a {of}"),
        nom::Err::Error(_) | nom::Err::Failure(_) => {
            format!("this is no valid {of} (its lengths contradict each other)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A classic file with frames, in any of its four variants.
    fn classic(big: bool, nanoseconds: bool, frames: &[&[u8]]) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let magic = if nanoseconds { 0xA1B2_3C4D } else { 0xA1B2_C3D4 };
        let mut file = word(magic).to_vec();
        file.extend([half(2), half(4)].concat());
        file.extend([word(0), word(0), word(65_535), word(1)].concat());
        for frame in frames {
            let len = word(u32::try_from(frame.len()).unwrap());
            file.extend([word(1_700_000_000), word(5), len, len].concat());
            file.extend(*frame);
        }
        file
    }

    /// A pcapng file in one byte order, its interface in units of 10^-9 s.
    fn next(big: bool, frames: &[&[u8]]) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let block = |kind: u32, body: Vec<u8>| {
            let len = word(u32::try_from(body.len() + 12).unwrap());
            [&word(kind)[..], &len, &body, &len].concat()
        };
        let section = [&word(0x1A2B_3C4D)[..], &half(1), &half(0), &[0xFF; 8]].concat();
        let mut file = block(0x0A0D_0D0A, section);
        let resolution = [&half(9)[..], &half(1), &[9, 0, 0, 0], &half(0), &half(0)].concat();
        file.extend(block(1, [&half(1)[..], &half(0), &word(0), &resolution].concat()));
        for frame in frames {
            let len = word(u32::try_from(frame.len()).unwrap());
            let ticks = 1_700_000_000_000_000_005u64;
            let (high, low) = (word((ticks >> 32) as u32), word(ticks as u32));
            let mut data = frame.to_vec();
            data.resize(frame.len().next_multiple_of(4), 0);
            file.extend(block(6, [&word(0)[..], &high, &low, &len, &len, &data].concat()));
        }
        file
    }

    const FRAMES: [&[u8]; 2] = [b"first frame", b"2nd"];

    #[test]
    fn every_variant_gives_the_same_frames() {
        let files = [
            (classic(false, false, &FRAMES), 5000),
            (classic(true, false, &FRAMES), 5000),
            (classic(false, true, &FRAMES), 5),
            (classic(true, true, &FRAMES), 5),
            (next(false, &FRAMES), 5),
            (next(true, &FRAMES), 5),
        ];
        for (index, (file, nanoseconds)) in files.iter().enumerate() {
            let frames: Vec<_> = Capture::new(file).map(Result::unwrap).collect();
            assert_eq!(frames.len(), 2, "file {index}");
            for (frame, expected) in frames.iter().zip(FRAMES) {
                let time = Some(1_700_000_000 * NANO + nanoseconds);
                let original = expected.len();
                assert_eq!(*frame, Frame { link: 1, time, bytes: expected, original }, "{index}");
            }
        }
    }

    #[test]
    fn every_truncation_keeps_the_frames_before_and_says_where() {
        for file in [classic(true, false, &FRAMES), next(false, &FRAMES)] {
            let mut seen = [false; 3];
            for len in 0..file.len() {
                let all: Vec<_> = Capture::new(&file[..len]).collect();
                let frames = all.iter().filter(|f| f.is_ok()).count();
                seen[frames] = true;
                if let Some(Err(damage)) = all.last() {
                    assert!(damage.offset <= len, "{damage}");
                }
            }
            assert_eq!(seen, [true, true, false]);
        }
        let file = classic(false, false, &FRAMES);
        let damaged = Capture::new(&file[..60]).last();
        let text = damaged.unwrap().unwrap_err().to_string();
        assert_eq!(text, "at byte 51: the file ends within a record: 7 more bytes are announced");
    }

    #[test]
    fn what_is_no_capture_is_told() {
        let error =
            Capture::new(b"hello, this is text and no capture").next().unwrap().unwrap_err();
        assert_eq!(error.offset, 0);
        assert!(error.what.contains("no pcap or pcapng file"), "{error}");
    }

    #[test]
    fn any_flipped_byte_is_survived() {
        for file in [classic(false, true, &FRAMES), next(true, &FRAMES)] {
            for at in 0..file.len() {
                for value in [0, 1, 0x7F, 0xFF] {
                    let mut damaged = file.clone();
                    damaged[at] = value;
                    assert!(Capture::new(&damaged).count() <= 16);
                }
            }
        }
    }
}
