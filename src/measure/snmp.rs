//! What a host's IP and UDP counted (`/proc/net/snmp` and `snmp6`, proc(5)).

use super::Place;
use super::error::{MeasureError, within};

/// Counters of one namespace, both IP versions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Datagrams whose UDP checksum was wrong (RFC 4113 has no such counter; Linux does).
    pub udp_bad_checksums: u64,
    /// Fragments made (RFC 4293 `ipSystemStatsOutFragCreates`).
    pub fragments: u64,
}

/// The counters of `namespace` since it was made.
///
/// # Errors
/// The namespace cannot be entered, or `/proc` is not mounted.
pub fn counted(place: &impl Place, namespace: &str) -> Result<Counted, MeasureError> {
    // `self` is the process's first thread; only `thread-self` follows this thread's namespace.
    let read = |name: &str| {
        let path = format!("/proc/thread-self/net/{name}");
        within(place, namespace, "read IP counters", || std::fs::read_to_string(&path))
    };
    let four = read("snmp")?;
    // A kernel without IPv6 has no such file.
    let six = read("snmp6").unwrap_or_default();
    Ok(Counted {
        udp_bad_checksums: table(&four, "Udp", "InCsumErrors") + line(&six, "Udp6InCsumErrors"),
        fragments: table(&four, "Ip", "FragCreates") + line(&six, "Ip6FragCreates"),
    })
}

/// A figure of `snmp`: a line of names and a line of figures for each protocol.
fn table(text: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let (Some(names), Some(figures)) = (lines.next(), lines.next()) else { return 0 };
    let at = names.split_whitespace().position(|found| found == name);
    at.and_then(|at| figures.split_whitespace().nth(at)?.parse().ok()).unwrap_or_default()
}

/// A figure of `snmp6`: a name and a figure on each line.
fn line(text: &str, name: &str) -> u64 {
    let figure = |line: &str| {
        let (found, figure) = line.split_once(char::is_whitespace)?;
        (found == name).then(|| figure.trim().parse().ok())?
    };
    text.lines().find_map(figure).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_names() {
        let text = "Ip: Forwarding FragOKs FragCreates\nIp: 1 2 34\nUdp: InDatagrams InCsumErrors\n\
                    Udp: 9 5\nUdpLite: InDatagrams InCsumErrors\nUdpLite: 1 8\n";
        assert_eq!(table(text, "Udp", "InCsumErrors"), 5);
        assert_eq!(table(text, "Ip", "FragCreates"), 34);
        assert_eq!(table(text, "Ip", "Missing"), 0);
        assert_eq!(line("Udp6InCsumErrors \t7\nIp6FragCreates  3\n", "Ip6FragCreates"), 3);
    }
}
