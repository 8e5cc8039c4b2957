//! How bulk transfers went on: bytes that had arrived over time.

use maud::Markup;

use super::super::number::real;
use super::chart::variant;
use super::charts::figure;
use super::colors;
use super::lines::{Line, lines};
use crate::measure::result::{RunResult, Spread};

/// The chart; none where no variant tried a transfer, or nothing arrived in any.
pub fn charts(run: &RunResult) -> Option<Markup> {
    let tried = run.variants.iter().zip(colors(run));
    let tried = tried.filter_map(|(v, color)| Some((v, color, v.transfer.as_ref()?)));
    let series: Vec<Line> = tried
        .map(|(v, color, transfer)| {
            let exact = |bytes: u64| {
                let megabytes = real(bytes) / 1e6;
                Spread { min: megabytes, median: megabytes, max: megabytes }
            };
            let points = transfer.arrived.iter().map(|(at, bytes)| (*at, exact(*bytes)));
            Line { name: v.name.clone(), points: points.collect(), color: variant(color) }
        })
        .collect();
    let title = "A bulk transfer over time";
    let axes = ["seconds after the connection", "arrived, MB"];
    figure(title, "TCP between two VMs; a flat line stands still", lines(title, axes, &series))
}
