//! The byte ledger as a table: hops that weigh the same share a row.

use super::number::{count, digits, plural};
use super::overlay::Sheet;
use crate::measure::result::{LedgerLayer, LedgerRow, RunResult, VariantResult};

/// Title of the table.
pub(super) const TITLE: &str = "Byte ledger";

/// Links of one pass that follow each other and say the same, or a VM's port that needs a row.
pub(super) struct Group<'r> {
    /// The variant's name.
    pub variant: &'r str,
    /// The rows, one for each hop; never empty.
    rows: Vec<&'r LedgerRow>,
    /// The VM's port before them and behind them, where there is nothing else to say of it.
    ports: [Option<&'r str>; 2],
}

impl<'r> Group<'r> {
    /// The first of the rows, which says what all of them say.
    pub fn row(&self) -> &'r LedgerRow {
        self.rows[0]
    }

    /// Where: the nodes that the links lead along, with the ports at their ends.
    fn place(&self) -> String {
        let mut along: Vec<&str> = Vec::new();
        let mut forks = false;
        let mut next = 0;
        for row in &self.rows {
            let beyond = row.place > next;
            next = row.place.saturating_add(1);
            match ends(row) {
                Some((from, to)) if along.last() == Some(&from) => along.push(to),
                Some((from, to)) if along.is_empty() => along.extend([from, to]),
                // Links between these were not watched.
                Some((from, to)) if beyond => along.extend(["…", from, to]),
                Some(_) => forks = true,
                None => return format!("port of {}", row.hop),
            }
        }
        let links = if forks { format!("{} links", self.rows.len()) } else { along.join(" → ") };
        let [first, last] = self.ports.map(Option::unwrap_or_default);
        let parts = [first, &links, last].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" · ")
    }
}

/// The two nodes of a link; nothing of a VM's port.
pub(super) fn ends(row: &LedgerRow) -> Option<(&str, &str)> {
    row.hop.split_once(" → ")
}

/// All rows of a variant, those that say the same together.
pub(super) fn groups(variant: &VariantResult) -> Vec<Group<'_>> {
    let passes = variant.ledger.chunk_by(|a, b| a.pass == b.pass);
    passes.flat_map(|rows| pass(&variant.name, rows)).collect()
}

fn pass<'r>(variant: &'r str, rows: &'r [LedgerRow]) -> Vec<Group<'r>> {
    let mut groups: Vec<Group<'r>> = Vec::new();
    let mut before = None;
    for row in rows {
        let quiet = ends(row).is_none() && row.adds_up() && row.lost_behind == 0;
        match groups.last_mut() {
            None if quiet => before = Some(row.hop.as_str()),
            Some(group) if quiet => group.ports[1] = Some(&row.hop),
            Some(group) if alike(group.row(), row) => group.rows.push(row),
            _ => groups.push(Group { variant, rows: vec![row], ports: [before.take(), None] }),
        }
    }
    groups
}

/// Whether two links differ in nothing but their place.
fn alike(a: &LedgerRow, b: &LedgerRow) -> bool {
    let figures =
        |row: &LedgerRow| LedgerRow { hop: String::new(), place: 0, handed: 0, ..row.clone() };
    ends(a).is_some() && ends(b).is_some() && figures(a) == figures(b)
}

/// The table of all variants; what does not add up stands first.
pub fn sheet(run: &RunResult) -> Sheet {
    let mut groups: Vec<Group<'_>> = run.variants.iter().flat_map(groups).collect();
    groups.sort_by_key(|group| group.row().adds_up());
    let rows = groups.iter().map(|group| {
        let row = group.row();
        vec![
            group.variant.to_owned(),
            sent(row),
            group.place(),
            sum(row),
            headers(row),
            verdict(row),
        ]
    });
    Sheet {
        title: TITLE,
        head: vec!["Variant", "Frames", "Where", "Inner + headers = on the wire", "Headers", ""],
        rows: rows.collect(),
    }
}

/// `2,000 datagrams`; `276 frames of a TCP burst, in 547 packets`.
fn sent(row: &LedgerRow) -> String {
    let what = match row.pass.as_str() {
        "burst" => "frames of a TCP burst",
        "stream" => "frames in a stream",
        other => other,
    };
    let frames = format!("{} {what}", count(row.frames));
    if row.packets == row.frames {
        frames
    } else {
        format!("{frames}, in {} packets", count(row.packets))
    }
}

fn sum(row: &LedgerRow) -> String {
    let sign = if row.headers() < 0 { "−" } else { "+" };
    format!(
        "{} {sign} {} = {} B",
        count(row.inner),
        count(row.headers().unsigned_abs()),
        count(row.outer)
    )
}

/// The headers of one frame: `Ethernet 14 + IPv4 20 + UDP 8 + VXLAN 8`.
pub(super) fn headers(row: &LedgerRow) -> String {
    let mut text = String::new();
    for layer in &row.layers {
        let sign = if layer.bytes < 0 { "−" } else { "+" };
        match (text.is_empty(), layer.bytes < 0) {
            (true, false) => {}
            (true, true) => text.push('−'),
            (false, _) => text.push_str(&format!(" {sign} ")),
        }
        text.push_str(&header(layer, row.frames));
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// One kind of header: its bytes, and how many a frame has where that is not one.
fn header(layer: &LedgerLayer, frames: u64) -> String {
    let (bytes, all) = (layer.bytes.unsigned_abs(), layer.count.max(1));
    let each =
        if bytes % all == 0 { count(bytes / all) } else { digits(bytes as f64 / all as f64) };
    let mut text = format!("{} {each}", layer.name);
    if layer.count != frames {
        text = match layer.count.checked_rem(frames) {
            Some(0) => format!("{} × {text}", layer.count / frames),
            _ => format!("{} × {text}", count(layer.count)),
        };
    }
    if layer.computed {
        text.push_str(" (computed)");
    }
    text
}

/// Whether it adds up, and what is wrong or was lost.
pub(super) fn verdict(row: &LedgerRow) -> String {
    let mark = if row.adds_up() { "✓" } else { "✗" };
    let mut said = Vec::new();
    if row.difference() != 0 {
        said.push(format!("{:+} B", row.difference()));
    }
    for (number, thing, what) in [
        (row.odd, "frame", "off"),
        (row.unread, "packet", "unreadable"),
        (row.doubled, "frame", "twice"),
        (row.missed, "packet", "missed"),
        (row.lost, "frame", "lost on the link"),
        (row.lost_behind, "frame", "lost in the node behind it"),
    ] {
        if number > 0 {
            said.push(format!("{} {what}", plural(number, thing)));
        }
    }
    let mut text = format!("{mark} {}", said.join(", "));
    if let Some(wrong) = &row.wrong {
        text.push_str(&format!(" ({wrong})"));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pass: &str, hop: &str, place: u32, layers: &[(&str, i64)]) -> LedgerRow {
        let layers: Vec<LedgerLayer> = layers
            .iter()
            .map(|(name, bytes)| LedgerLayer {
                name: (*name).into(),
                count: 2,
                bytes: 2 * bytes,
                computed: false,
            })
            .collect();
        let mut row = LedgerRow {
            pass: pass.into(),
            hop: hop.into(),
            place,
            frames: 2,
            packets: 2,
            inner: 2028,
            layers,
            ..LedgerRow::default()
        };
        row.outer = (2028 + row.headers()).unsigned_abs();
        row
    }

    fn run(ledger: Vec<LedgerRow>) -> RunResult {
        let mut run: RunResult =
            super::super::read(include_str!("../../tests/fixtures/result.json")).unwrap();
        run.variants.truncate(1);
        run.variants[0].ledger = ledger;
        run
    }

    fn way() -> Vec<LedgerRow> {
        let vxlan = [("Ethernet", 14), ("IPv4", 20), ("UDP", 8), ("VXLAN", 8)];
        vec![
            row("datagrams", "red/vm1", 0, &[]),
            row("datagrams", "h1 → leaf1", 1, &vxlan),
            row("datagrams", "leaf1 → h2", 2, &vxlan),
            row("datagrams", "red/vm2", 3, &[]),
        ]
    }

    #[test]
    fn hops_that_say_the_same_share_a_row() {
        let rows = sheet(&run(way())).rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0][2], "red/vm1 · h1 → leaf1 → h2 · red/vm2");
        assert_eq!(rows[0][3], "2,028 + 100 = 2,128 B");
        assert_eq!(rows[0][4], "Ethernet 14 + IPv4 20 + UDP 8 + VXLAN 8");
        assert_eq!(rows[0][5], "✓");
    }

    #[test]
    fn a_hop_that_does_not_add_up_stands_alone_and_first() {
        let mut ledger = way();
        ledger[2].outer += 6;
        ledger[2].odd = 1;
        ledger[2].wrong = Some("why".into());
        ledger[1].lost = 3;
        let rows = sheet(&run(ledger)).rows;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][2], "leaf1 → h2 · red/vm2");
        assert_eq!(rows[0][5], "✗ +6 B, 1 frame off (why)");
        assert_eq!(rows[1][2], "red/vm1 · h1 → leaf1");
        assert_eq!(rows[1][5], "✓ 3 frames lost on the link");
    }

    #[test]
    fn a_port_with_something_to_say_has_a_row_of_its_own() {
        let mut ledger = way();
        ledger[0].lost_behind = 1;
        ledger[3].doubled = 1;
        let rows = sheet(&run(ledger)).rows;
        let told: Vec<_> = rows.iter().map(|row| [row[2].as_str(), row[5].as_str()]).collect();
        let expected = [
            ["port of red/vm2", "✗ 1 frame twice"],
            ["port of red/vm1", "✓ 1 frame lost in the node behind it"],
            ["h1 → leaf1 → h2", "✓"],
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn links_beside_each_other_are_counted() {
        let vxlan = [("Ethernet", 14)];
        let ledger = vec![row("burst", "a → b", 1, &vxlan), row("burst", "a → c", 1, &vxlan)];
        assert_eq!(sheet(&run(ledger)).rows[0][2], "2 links");
        let ledger = vec![row("burst", "a → b", 1, &vxlan), row("burst", "y → z", 4, &vxlan)];
        assert_eq!(sheet(&run(ledger)).rows[0][2], "a → b → … → y → z", "not all were watched");
    }

    #[test]
    fn what_is_left_out_and_what_is_repeated_shows() {
        let mut one = row("full datagrams", "h1 → h2", 1, &[("Ethernet", 14), ("IPv4", 20)]);
        one.layers[0].count = 4;
        one.layers[0].bytes = 56;
        one.layers[1].count = 3;
        one.layers[1].bytes = 60;
        one.layers.push(LedgerLayer {
            name: "inner Ethernet".into(),
            count: 2,
            bytes: -28,
            computed: false,
        });
        one.packets = 4;
        assert_eq!(headers(&one), "2 × Ethernet 14 + 3 × IPv4 20 − inner Ethernet 14");
        assert_eq!(sent(&one), "2 full datagrams, in 4 packets");
        assert_eq!(headers(&row("x", "h1 → h2", 1, &[])), "none");
        assert_eq!(
            headers(&row("x", "h1 → h2", 1, &[("inner Ethernet", -14)])),
            "−inner Ethernet 14"
        );
    }
}
