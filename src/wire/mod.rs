//! Packet formats, one file per protocol: pure, no input or output, no allocation.
