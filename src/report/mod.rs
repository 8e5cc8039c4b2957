//! Tables and files drawn from a result.
