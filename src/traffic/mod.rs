//! Traffic generators and sinks.
