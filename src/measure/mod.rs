//! Counters, histograms, statistics, capture, isolation evidence, and the result document.

mod place;
pub mod result;

pub use place::Place;
