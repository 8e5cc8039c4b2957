//! Names that must be unique, and those that Linux limits.

use std::collections::HashSet;

/// Longest interface name in bytes (`IFNAMSIZ` is 16 with its closing zero).
pub(super) const INTERFACE_MAX: usize = 15;

/// Names already given in one place.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// `wanted`, or where it is taken `wanted`, `joint` and a number from 2 up.
    pub(super) fn unique(&mut self, wanted: &str, joint: &str) -> String {
        self.first(numbered(wanted, joint))
    }

    /// `wanted`, or `wanted-2` and so on where it is taken, or `short1` and so on where an
    /// interface name may not be as long as that.
    pub(super) fn interface(&mut self, wanted: &str, short: &str) -> String {
        let fitting = numbered(wanted, "-").take_while(|name| name.len() <= INTERFACE_MAX);
        self.first(fitting.chain((1..).map(|n| format!("{short}{n}"))))
    }

    fn first(&mut self, mut candidates: impl Iterator<Item = String>) -> String {
        // The candidates never end, so one of them is free.
        candidates.find(|name| self.0.insert(name.clone())).unwrap_or_default()
    }
}

fn numbered(name: &str, joint: &str) -> impl Iterator<Item = String> {
    (1..).map(move |n: usize| if n == 1 { name.to_owned() } else { format!("{name}{joint}{n}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_is_numbered_and_a_long_one_replaced() {
        let mut names = Names::default();
        assert_eq!(names.interface("to-leaf1", "port"), "to-leaf1");
        assert_eq!(names.interface("to-leaf1", "port"), "to-leaf1-2");
        assert_eq!(names.interface("to-123456789012", "port"), "to-123456789012");
        assert_eq!(names.interface("to-123456789012", "port"), "port1");
        assert_eq!(names.interface("to-1234567890123", "port"), "port2");
        assert_eq!(names.unique("a-very-long-name", " #"), "a-very-long-name");
        assert_eq!(names.unique("a-very-long-name", " #"), "a-very-long-name #2");
    }
}
