//! The rows of the lesson on tunnels that labs prove: what it says, and theory's figure.
//!
//! A lab names a row with `claim:`. What was measured stands in results, never here; where the
//! measurement goes against a row, the expectation that found it says so (`contradicts:`).

/// One row of the lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Its name, e.g. `C10`.
    pub id: &'static str,
    /// What the lesson says.
    pub says: &'static str,
    /// Theory's figure, or what theory expects.
    pub theory: &'static str,
    /// What standards or later practice say otherwise; empty where they agree.
    pub note: &'static str,
}

const fn row(id: &'static str, says: &'static str, theory: &'static str) -> Claim {
    Claim { id, says, theory, note: "" }
}

const fn noted(claim: Claim, note: &'static str) -> Claim {
    Claim { note, ..claim }
}

/// All rows, in the lesson's order.
pub const CLAIMS: [Claim; 32] = [
    row(
        "A1",
        "A VLAN id has 12 bits, so there are at most 4,094 tenant networks.",
        "4,094 ids (0 and 4095 are reserved), against 2^24 of VXLAN and NVGRE and 2^64 of STT",
    ),
    noted(
        row(
            "A2",
            "Spanning tree blocks redundant links, so a bridged fabric wastes bandwidth.",
            "one path used on a bridged fabric, all equal-cost paths on a routed one",
        ),
        "It is said of one tree for all VLANs. Several trees (802.1Q clause 13), shortest path bridging (802.1aq) and \
         link aggregation over two switches came later, and use more links of a bridged fabric.",
    ),
    row(
        "A3",
        "A top-of-rack switch learns every VM's MAC address, and its table overflows.",
        "entries grow with VMs under VLAN and with hosts under an overlay; past the bound, flooding",
    ),
    row(
        "B1",
        "A tunnel carries one protocol's packets in another's; both ends must understand it.",
        "a peer without the engine answers that the protocol or port is unreachable, or drops",
    ),
    row(
        "B2",
        "SSH can carry IP packets inside its own protocol.",
        "it works between unchanged SSH programs; TCP over TCP suffers from loss",
    ),
    row("B3", "IP in IP joins two private networks through two routers.", "20 bytes a packet"),
    row("B4", "The same way IPv6 crosses an IPv4 network.", "20 bytes a packet, protocol 41"),
    row(
        "B5",
        "GRE also carries broadcast, multicast and protocols other than IP.",
        "delivered over GRE, not over IP in IP; 24 bytes a packet without options",
    ),
    row(
        "B6",
        "Both ends of a GRE tunnel must agree on the key.",
        "equal keys pass; others are dropped and counted",
    ),
    row(
        "B7",
        "GRE's checksum and sequence number are optional.",
        "4 bytes each; a wrong checksum or an old number is dropped",
    ),
    row(
        "B8",
        "GRE is point to point: a full mesh needs many tunnels.",
        "n(n-1)/2 tunnels for n hosts, against n endpoints of VXLAN",
    ),
    row(
        "B9",
        "GRE does not encrypt; something else must.",
        "payload readable on the underlay, hidden where the underlay is encrypted",
    ),
    row(
        "C1",
        "Tenants may use the same addresses.",
        "equal IP and MAC addresses side by side, 0 leaks",
    ),
    row(
        "C2",
        "A tenant's network does not depend on the physical one.",
        "one tenant, unchanged, on any fabric",
    ),
    row(
        "C3",
        "A VM moves without regard to the physical network.",
        "its TCP connections survive the move into another rack's subnet",
    ),
    row(
        "C4",
        "Overlays have room for practically any number of networks.",
        "ids of 24, 32 and 64 bits, against 12",
    ),
    row(
        "C5",
        "An overlay gives an Ethernet service over a routed network.",
        "ARP, broadcast and frames that are not IP pass between hosts in different subnets",
    ),
    row(
        "C6",
        "The physical network never sees tenants' addresses.",
        "0 MAC addresses of VMs in switches' tables",
    ),
    row(
        "C7",
        "Tunnels between virtual switches are hidden from VMs.",
        "VMs set up alike with and without, but for the MTU; one hop between them",
    ),
    row(
        "C8",
        "VXLAN learns by flooding to a multicast group, then sends to one host.",
        "one packet to the group for an ARP request, none flooded afterwards",
    ),
    row(
        "C9",
        "VXLAN's source port spreads flows over equal-cost paths.",
        "all links used with many source ports, one with a single port",
    ),
    noted(
        row(
            "C10",
            "VXLAN sends a zero UDP checksum; one that is there is verified, a wrong one dropped.",
            "zero and right delivered, wrong dropped",
        ),
        "RFC 7348 section 5 is softer: zero SHOULD be sent over IPv4, a receiver MAY verify, and \
         only a packet that failed a check MUST be dropped.",
    ),
    row("C11", "Networks with different ids cannot talk to each other.", "0 leaks"),
    row(
        "C12",
        "A gateway joins a VXLAN network to a VLAN.",
        "traffic passes both ways between the two",
    ),
    row(
        "C13",
        "ECMP sees no ports in NVGRE, so hosts take several addresses.",
        "one path with one address, several with several",
    ),
    noted(
        row(
            "C14",
            "NVGRE's inner frame carries no VLAN tag.",
            "frames with a tag are refused and counted",
        ),
        "RFC 7637 section 3.3 has the sender strip the tag; refusing the frame is the lesson's \
         reading, and what the engine here does.",
    ),
    row(
        "C15",
        "NVGRE finds the path's MTU rather than fragment.",
        "packets that are too big are answered with the size that fits",
    ),
    row(
        "C16",
        "STT looks like TCP so that the network card cuts it; it opens no connection.",
        "frames of up to 64 KB leave in one send, 0 handshakes",
    ),
    row("C17", "STT's context id has 64 bits.", "an id above 2^32 arrives whole"),
    row(
        "C18",
        "STT costs less CPU and reaches far more than GRE without offloads.",
        "published in 2012: bridge 9.3, switch 9.4, STT 9.5, GRE 2.3 Gbit/s",
    ),
    row(
        "C19",
        "Encapsulation makes packets larger; past the underlay's MTU they break.",
        "overhead by format; what does not fit is fragmented, refused or lost",
    ),
    row(
        "C20",
        "Broadcast goes by IP multicast or by repeated unicast.",
        "1 packet to a group, or one to each of n hosts (1.5 Mbit times 3 is 4.5 Mbit)",
    ),
];

/// The row of a name.
#[must_use]
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_complete_and_in_order() {
        let groups = [("A", 3), ("B", 9), ("C", 20)];
        let names = groups.iter().flat_map(|(g, n)| (1..=*n).map(move |row| format!("{g}{row}")));
        assert_eq!(names.collect::<Vec<_>>(), CLAIMS.map(|claim| claim.id));
        for claim in CLAIMS {
            assert!(claim.says.ends_with('.') && !claim.theory.is_empty(), "{}", claim.id);
        }
        assert_eq!(claim("C10").map(|c| c.id), Some("C10"));
        assert!(
            ["A0", "A4", "B10", "C21", "D1", "C01", "c1", ""].iter().all(|id| claim(id).is_none())
        );
    }
}
