//! The virtual switch at a host's edge: ports, per-tenant forwarding tables, flooding, counters.
