//! The figure of a header in the manner of the RFCs: 32 bits to a line.

use super::field::{Description, Field};

/// Bits to a line.
const ROW: usize = 32;
/// Characters to a bit.
const CELL: usize = 2;

/// Draws a header: bit numbers, then its fields; 65 columns wide.
#[must_use]
pub fn figure(description: &Description) -> String {
    let total: usize = description.fields.iter().map(|f| f.bits).sum();
    let width = total.min(ROW);
    let mut lines = ruler(width);
    let cells: Vec<Cell> = cells(description.fields);
    let mut at = 0;
    let mut above = width;
    while at < total {
        let row = (total - at).min(ROW);
        lines.push(border(above.max(row), at, &cells));
        lines.push(line(at, row, &cells));
        above = row;
        at += row;
    }
    lines.push(full(above));
    if let Some(tail) = description.tail {
        let room = ROW * CELL - 1;
        lines.pop();
        lines.push(full(ROW));
        lines.push(format!("~{tail:^room$}~"));
        lines.push(full(ROW));
    }
    lines.join("\n")
}

/// A field with its first bit.
struct Cell {
    field: Field,
    at: usize,
}

fn cells(fields: &[Field]) -> Vec<Cell> {
    let place = |at: &mut usize, field: &Field| {
        let cell = Cell { field: *field, at: *at };
        *at += field.bits;
        Some(cell)
    };
    fields.iter().scan(0, place).collect()
}

/// The two lines of bit numbers.
fn ruler(width: usize) -> Vec<String> {
    let tens =
        (0..width).map(|bit| if bit % 10 == 0 { format!(" {}", bit / 10) } else { "  ".into() });
    let ones = (0..width).map(|bit| format!(" {}", bit % 10));
    vec![tens.collect::<String>().trim_end().to_owned(), ones.collect()]
}

fn full(bits: usize) -> String {
    format!("{}+", "+-".repeat(bits))
}

/// The border above a line: open where a field goes on from the line before.
fn border(width: usize, at: usize, cells: &[Cell]) -> String {
    let goes_on = |cell: &&Cell| cell.at < at && cell.at + cell.field.bits >= at + width.min(ROW);
    match cells.iter().find(goes_on) {
        Some(_) => format!("+{}+", " ".repeat(width * CELL - 1)),
        None => full(width),
    }
}

/// One line of fields, each with its name in its first or its widest part.
fn line(at: usize, row: usize, cells: &[Cell]) -> String {
    let mut text = String::from("|");
    for cell in cells {
        let end = cell.at + cell.field.bits;
        let (from, to) = (cell.at.max(at), end.min(at + row));
        if from >= to {
            continue;
        }
        let room = (to - from) * CELL - 1;
        let first = if cell.field.bits >= ROW { cell.at / ROW * ROW } else { widest(cell) };
        let label = if at == first { cell.field.label } else { "" };
        text.push_str(&format!("{label:^room$}|"));
    }
    text
}

/// The line that holds the most of a field.
fn widest(cell: &Cell) -> usize {
    let first = cell.at / ROW * ROW;
    let here = (first + ROW - cell.at).min(cell.field.bits);
    if here * 2 >= cell.field.bits { first } else { first + ROW }
}
