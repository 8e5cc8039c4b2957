//! What the flows came to.

use super::finding::Finding;
use crate::measure::result::VariantResult;

/// The first TCP flow has at least this part of the plain path's throughput.
pub(super) fn throughput(at_least: f64, found: &VariantResult) -> Finding {
    let flow = found.flows.iter().find(|f| f.kind == "tcp");
    match flow.and_then(|f| f.ratio) {
        Some(ratio) => Finding::new(
            ratio.median >= at_least,
            format!("of the plain path; rounds {:.2} to {:.2}", ratio.min, ratio.max),
        )
        .figures(format!("≥ {at_least}"), format!("{:.2}", ratio.median)),
        None => Finding::unknown("no TCP flow was compared with a plain path"),
    }
}
