//! What packets that fit, or do not, did to a bulk transfer: a table and a sentence for each variant.

use super::number::{NONE, Unit, bytes, count, plural, real, seconds};
use super::overlay::Sheet;
use super::table::{Cell, Tone};
use crate::measure::result::{RunResult, TransferResult, VariantResult};

/// Title of the table.
pub(super) const TITLE: &str = "A bulk transfer";

/// The table, a row for each variant in which a transfer was tried.
pub fn sheet(run: &RunResult) -> Sheet {
    let tried = run.variants.iter().filter_map(|v| Some((v, v.transfer.as_ref()?)));
    let rows = tried.map(|(v, t)| {
        vec![
            v.name.clone(),
            end(t).to_owned(),
            format!("{} in {}", bytes(t.delivered), seconds(t.seconds)),
            Unit::bits(rate(t)).show(rate(t)),
            if t.silence > 0.0 { seconds(t.silence) } else { NONE.to_owned() },
            told(t).unwrap_or_else(|| "nothing".to_owned()),
            segments(t).unwrap_or_else(|| NONE.to_owned()),
            count(t.again),
            count(t.sends.packets),
        ]
    });
    Sheet {
        title: TITLE,
        head: vec![
            "Variant",
            "It",
            "Arrived",
            "Rate",
            "Longest silence",
            "The sender was told",
            "Segments",
            "Sent again",
            "Packets from the host",
        ],
        rows: rows.collect(),
    }
}

const fn end(t: &TransferResult) -> &'static str {
    match (t.connected, t.delivered) {
        (false, _) => "✗ does not begin",
        (true, delivered) if delivered >= t.bytes => "✓ passes",
        (true, 0) => "✗ stalls",
        (true, _) => "✗ is not done in time",
    }
}

/// Bits per second that arrived.
fn rate(t: &TransferResult) -> f64 {
    if t.seconds > 0.0 { real(t.delivered) * 8.0 / t.seconds } else { 0.0 }
}

/// `1,448 B`, or `1,448 B, then 1,406 B`.
fn segments(t: &TransferResult) -> Option<String> {
    let [first, last] = t.segments?;
    let size = |bytes: u32| format!("{} B", count(bytes));
    Some(if first == last { size(first) } else { format!("{}, then {}", size(first), size(last)) })
}

/// `1,458 B fit (2 ICMP messages)`.
fn told(t: &TransferResult) -> Option<String> {
    let each = t.told.iter();
    let each =
        each.map(|(mtu, n)| format!("{} B fit ({})", count(*mtu), plural(*n, "ICMP message")));
    let each: Vec<_> = each.collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// The cells of the comparison: whether it passes and how fast, and what its sender was told.
pub fn cells(variant: &VariantResult) -> [Cell; 2] {
    let Some(t) = &variant.transfer else { return [Cell::none(), Cell::none()] };
    let passes = t.delivered >= t.bytes;
    let silence = (t.silence > 0.0).then(|| format!("longest silence {}", seconds(t.silence)));
    let went = Cell {
        main: if passes { Unit::bits(rate(t)).show(rate(t)) } else { end(t).to_owned() },
        note: silence,
        tone: if passes { Tone::Plain } else { Tone::Bad },
        ..Cell::default()
    };
    let told = Cell {
        main: told(t).unwrap_or_else(|| "nothing".to_owned()),
        note: segments(t).map(|sizes| format!("sends {sizes}")),
        ..Cell::default()
    };
    [went, told]
}

/// What a transfer came to in one variant; `None` where none was tried.
pub fn sentence(variant: &VariantResult) -> Option<String> {
    let t = variant.transfer.as_ref()?;
    let name = &variant.name;
    if !t.connected {
        return Some(format!("{name}: no TCP connection was made for a bulk transfer."));
    }
    let mut line = if t.delivered == 0 {
        format!("{name}: the handshake of a bulk transfer passed, and then nothing did")
    } else {
        let rate = Unit::bits(rate(t)).show(rate(t));
        format!(
            "{name}: {} of a bulk transfer of {} arrived in {}, {rate}",
            bytes(t.delivered),
            bytes(t.bytes),
            seconds(t.seconds)
        )
    };
    if let Some([first, last]) = t.segments {
        line += &match (told(t), first == last) {
            (None, true) if t.delivered == 0 => format!(
                ": segments of {} bytes did not fit, and nobody told the sender",
                count(first)
            ),
            (None, true) => format!(", in segments of {} bytes", count(first)),
            (Some(told), _) => format!(
                "; it began with segments of {} bytes, was told that {told}, and went on with {}",
                count(first),
                count(last)
            ),
            (None, false) => {
                format!(
                    ", in segments of {} bytes at first and {} at last",
                    count(first),
                    count(last)
                )
            }
        };
    }
    if t.delivered == 0 && !t.tries.is_empty() {
        let moments: Vec<_> = t.tries.iter().map(|at| format!("{at:.2}")).collect();
        line += &format!("; it tried again after {} s", moments.join(", "));
    } else if t.again > 0 {
        line += &format!("; {} sent again", plural(t.again, "segment"));
    }
    if t.silence > 0.0 {
        line += &format!("; the longest silence was {}", seconds(t.silence));
    }
    if let Some(pieces) = pieces(variant) {
        line += &format!("; a full packet crossed the underlay in {pieces} pieces");
    }
    if t.sends.frames > 0 {
        line += &format!(
            "; the host sent {}, the largest of {} bytes, which are {} on a cable",
            plural(t.sends.frames, "frame"),
            count(t.sends.largest),
            plural(t.sends.packets, "packet")
        );
    }
    Some(line + ".")
}

/// Packets that a datagram which fills the VM's MTU came in, where it was fragmented.
fn pieces(variant: &VariantResult) -> Option<u64> {
    let row = variant.ledger.iter().find(|row| row.pass == "full datagrams" && row.place == 1)?;
    row.packets.checked_div(row.frames).filter(|pieces| *pieces > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::LedgerRow;

    fn told_of(transfer: TransferResult) -> String {
        let variant = VariantResult {
            name: "x".into(),
            transfer: Some(transfer),
            ..VariantResult::default()
        };
        sentence(&variant).unwrap()
    }

    fn passed() -> TransferResult {
        TransferResult {
            connected: true,
            bytes: 16_000_000,
            delivered: 16_000_000,
            seconds: 2.0,
            silence: 0.0035,
            segments: Some([1448; 2]),
            ..TransferResult::default()
        }
    }

    #[test]
    fn a_transfer_that_passes_is_told_by_its_rate() {
        assert_eq!(
            told_of(passed()),
            "x: 16.0 MB of a bulk transfer of 16.0 MB arrived in 2.00 s, 64.0 Mbit/s, in segments of 1,448 bytes; the longest silence was 3.50 ms."
        );
    }

    #[test]
    fn a_sender_that_is_told_goes_on_with_smaller_segments() {
        let told = TransferResult {
            segments: Some([1448, 1406]),
            told: vec![(1458, 2)],
            again: 10,
            tries: vec![0.0005],
            ..passed()
        };
        let line = told_of(told);
        assert!(
            line.contains("began with segments of 1,448 bytes, was told that 1,458 B fit (2 ICMP messages), and went on with 1,406; 10 segments sent again"),
            "{line}"
        );
    }

    #[test]
    fn a_black_hole_is_silence_and_tries() {
        let lost = TransferResult {
            delivered: 0,
            seconds: 1.5,
            silence: 1.5,
            again: 3,
            tries: vec![0.204, 0.612, 1.42],
            ..passed()
        };
        assert_eq!(
            told_of(lost.clone()),
            "x: the handshake of a bulk transfer passed, and then nothing did: segments of 1,448 bytes did not fit, and nobody told the sender; it tried again after 0.20, 0.61, 1.42 s; the longest silence was 1.50 s."
        );
        assert_eq!(end(&lost), "✗ stalls");
        assert_eq!(end(&passed()), "✓ passes");
    }

    #[test]
    fn pieces_are_those_that_were_counted() {
        let row = LedgerRow {
            pass: "full datagrams".into(),
            place: 1,
            frames: 200,
            packets: 400,
            ..LedgerRow::default()
        };
        let mut variant = VariantResult { ledger: vec![row], ..VariantResult::default() };
        assert_eq!(pieces(&variant), Some(2));
        variant.ledger[0].packets = 200;
        assert_eq!(pieces(&variant), None);
    }
}
