//! A plain table for a terminal: columns as wide as they must be, the widest ones wrapped first; as a list
//! where words would have to be cut.

use super::overlay::Sheet;
use super::terminal::{plain, wrap};

/// Rows that are shown; the others are in the files.
const ROWS: usize = 10;
/// Between two columns.
const GAP: usize = 2;
/// No column is narrower.
const NARROWEST: usize = 4;

/// The first rows of a table in `width` columns, and how many more there are.
#[must_use]
pub fn columns(sheet: &Sheet, width: usize) -> String {
    let head: Vec<String> = sheet.head.iter().map(|name| plain(name)).collect();
    let shown = sheet.rows.iter().take(ROWS);
    let shown = shown.map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(shown).collect();
    let fits = words(&rows).iter().sum::<usize>() <= room(sheet.head.len(), width);
    let mut out = if fits { grid(&rows, width) } else { list(&rows, width) };
    let more = sheet.rows.len().saturating_sub(ROWS);
    if more > 0 {
        out.push(format!("… {more} more in report.html"));
    }
    out.join("\n")
}

/// A line for each row with the columns' names before its cells.
fn list(rows: &[Vec<String>], width: usize) -> Vec<String> {
    let Some((head, rows)) = rows.split_first() else { return Vec::new() };
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(head).skip(1).filter(|(cell, _)| !cell.is_empty());
        let cells: Vec<String> = cells.map(|(cell, name)| format!("{name} {cell}")).collect();
        let first = row.first().map_or("", String::as_str);
        let text = format!("{first}: {}", cells.join("; "));
        format!("· {}", wrap(&text, width.saturating_sub(2), "  ", str::to_owned))
    };
    rows.iter().map(line).collect()
}

/// Letters that are left for so many columns.
fn room(count: usize, width: usize) -> usize {
    width.saturating_sub(GAP * count.saturating_sub(1))
}

/// The longest word of each column.
fn words(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let word = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let words = cells.flat_map(|cell| cell.split(' ')).map(|word| word.chars().count());
        words.max().unwrap_or(0)
    };
    (0..count).map(word).collect()
}

/// Rows of cells as lines of at most `width` columns; the texts are plain.
pub(super) fn grid(rows: &[Vec<String>], width: usize) -> Vec<String> {
    let widths = widths(rows, width);
    let mut out: Vec<String> = Vec::new();
    for row in rows {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &w)| wrap(cell, w, "", str::to_owned).lines().map(str::to_owned).collect())
            .collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let parts = cells.iter().zip(&widths).map(|(cell, &w)| {
                let text = cell.get(line).map_or("", String::as_str);
                format!("{text:<w$}")
            });
            let joined = parts.collect::<Vec<_>>().join(&" ".repeat(GAP));
            out.push(joined.trim_end().to_owned());
        }
    }
    out
}

/// The width of each column: what its longest cell needs, less where all of them would not fit.
fn widths(rows: &[Vec<String>], width: usize) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..count).map(longest).collect();
    let room = room(count, width);
    // Between words first, and within them only where that is not enough.
    for least in [words(rows), vec![NARROWEST; count]] {
        while widths.iter().sum::<usize>() > room {
            let wide = widths.iter_mut().zip(&least).filter(|(w, least)| **w > **least);
            let Some((widest, _)) = wide.max_by_key(|(w, _)| **w) else { break };
            *widest -= 1;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way_and_words_stay_whole() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let sheet = Sheet {
            title: "x",
            head: vec!["Variant", "What was seen of it"],
            rows: (0..12).map(|_| row("vxlan", "one two three four five six seven")).collect(),
        };
        let text = columns(&sheet, 30);
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.starts_with("Variant  What was seen of it\n"), "{text}");
        assert!(text.contains("vxlan    one two three four\n         five six seven\n"), "{text}");
        assert!(text.ends_with("… 2 more in report.html"), "{text}");
        let none = Sheet { title: "x", head: Vec::new(), rows: Vec::new() };
        assert_eq!(columns(&none, 80), "");
    }

    #[test]
    fn a_table_too_wide_for_its_words_is_a_list() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let sheet = Sheet {
            title: "x",
            head: vec!["Variant", "Event", "Datagrams lost", "Note"],
            rows: vec![row(["vxlan-multicast", "link is cut", "5 of 9", ""])],
        };
        let text = columns(&sheet, 34);
        assert_eq!(text, "· vxlan-multicast: Event link is\n  cut; Datagrams lost 5 of 9");
    }
}
