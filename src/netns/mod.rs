//! Namespaces, netlink verbs, privileges and teardown.
