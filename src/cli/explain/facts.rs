//! What is to be known of each encapsulation beside its header.

use super::PLAIN;
use crate::dissect::field::Description;
use crate::dissect::headers::{
    DESTINATION_OPTIONS, GENEVE, GENEVE_OPTION, GRE, NVGRE, SSH_DATA, STT, STT_SEGMENT, VLAN,
    VXLAN, VXLAN_GPE,
};
use crate::encap::Extras;
use crate::ids::Encap;

/// What is said of one encapsulation.
pub struct Facts {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub title: &'static str,
    /// One line.
    pub summary: &'static str,
    pub source: &'static str,
    /// Order of the headers.
    pub layout: &'static str,
    pub headers: &'static [&'static Description],
    /// What its overhead is counted for.
    pub encap: Option<(Encap, Extras)>,
    /// The terms of the overhead behind the outer IP header.
    pub terms: &'static str,
    /// Settings that cost more.
    pub options: &'static [(&'static str, Extras)],
    pub carries: &'static str,
    pub ids: &'static str,
    pub entropy: &'static str,
    pub checksum: &'static str,
    pub multicast: &'static str,
    pub limits: &'static str,
    /// What engines here were told beyond the standard, and what they can be told.
    pub here: &'static str,
    pub traps: &'static [&'static str],
}

const KEY: Extras = Extras { key: true, ..PLAIN };
const KEY_CHECKSUM: Extras = Extras { checksum: true, ..KEY };
const ALL_GRE: Extras = Extras { sequence: true, ..KEY_CHECKSUM };
const LIMIT: Extras = Extras { encap_limit: true, ..PLAIN };
const TAG: Extras = Extras { inner_tag: true, ..PLAIN };
const BARE: Extras = Extras { bare_ip: true, ..PLAIN };
const OPTIONS_252: Extras = Extras { geneve_options: 252, ..PLAIN };

const NO_PORTS: &str = "None in IPv4: there are no ports, so routers hash the two addresses and one \
                        pair of endpoints is one path. Over IPv6 the flow label (RFC 6438).";

/// All of them, in the order of the lesson.
pub const FACTS: [Facts; 12] = [
    Facts {
        name: "vlan",
        aliases: &["802.1q", "dot1q"],
        title: "802.1Q VLAN",
        summary: "a 12-bit network id in the Ethernet header",
        source: "IEEE 802.1Q",
        layout: "Ethernet MACs | tag | EtherType | payload",
        headers: &[&VLAN],
        encap: Some((Encap::Vlan, PLAIN)),
        terms: "tag 4",
        options: &[],
        carries: "Ethernet frames, inside one L2 domain; nothing leaves it over a router.",
        ids: "VID 1 to 4094: 4094 networks. 0 is a priority tag (the port's own VLAN), 4095 is \
              reserved and dropped.",
        entropy: "None: spanning tree leaves one path between two bridges. Link aggregation may \
                  hash the headers behind the tag.",
        checksum: "None of its own; the frame's FCS.",
        multicast: "Broadcast, unknown unicast and multicast flood the whole VLAN, on every trunk \
                    that carries it.",
        limits: "Every switch learns every MAC address of every tenant (8 K to 128 K entries), and \
                 every trunk must list the VLANs. Frames grow to 1522 bytes with FCS.",
        here: "VMs' ports are access ports: tagged frames from VMs are dropped, unless inner_tags is \
               set. Needs `fabric: l2`.",
        traps: &[
            "Double tags: an attacker in the native VLAN puts a second tag behind the first, and \
             the second switch honours it. Take no tagged frames on access ports.",
            "Comparing the whole TCI with the VID: priority bits make it differ.",
            "Linux takes the tag out of the frame on receipt; a packet socket must read it from \
             its auxiliary data.",
            "After the tag is taken off, frames must be padded to 60 bytes again.",
        ],
    },
    Facts {
        name: "qinq",
        aliases: &["802.1ad"],
        title: "802.1ad QinQ",
        summary: "a provider's tag around the customer's",
        source: "IEEE 802.1ad (in 802.1Q since 2011)",
        layout: "Ethernet MACs | S-tag 0x88a8 | C-tag 0x8100 | EtherType | payload",
        headers: &[&VLAN],
        encap: Some((Encap::Qinq, PLAIN)),
        terms: "S-tag 4 + C-tag 4",
        options: &[],
        carries: "Ethernet frames with the customers' own tags, inside one L2 domain.",
        ids: "Two VIDs of 1 to 4094: the provider's names the customer, the inner one the \
              customer's VLAN; 16 million pairs.",
        entropy: "None, as for 802.1Q.",
        checksum: "None of its own; the frame's FCS.",
        multicast: "Floods the provider's VLAN.",
        limits: "MAC addresses of all customers in the provider's switches. Frames grow to 1526 \
                 bytes with FCS.",
        here: "All tenants share the S-tag of the setting service (100), and their vid is the \
               C-tag; the fabric learns by the S-tag, so a MAC lives in one place. The lab's \
               links take frames 8 bytes longer; an endpoint's device has an MTU 8 smaller.",
        traps: &[
            "Old equipment stacks 0x8100 or 0x9100 instead of 0x88a8: read tags in a loop.",
            "The S-tag is outermost; a switch that does not know 0x88a8 takes it for a payload.",
        ],
    },
    Facts {
        name: "ipip",
        aliases: &["ip-in-ip", "4in4", "4in6"],
        title: "IP in IP",
        summary: "an IPv4 packet as the payload of an IP packet, protocol 4",
        source: "RFC 2003; over IPv6 RFC 2473",
        layout: "outer IP (protocol 4) | inner IPv4",
        headers: &[&DESTINATION_OPTIONS],
        encap: Some((Encap::Ipip, PLAIN)),
        terms: "(the outer IP header is all)",
        options: &[("with a tunnel encapsulation limit (IPv6 only)", LIMIT)],
        carries: "IPv4 packets, unicast and multicast; no Ethernet, no ARP, no broadcast domain.",
        ids: "None: the pair of outer addresses is the tunnel, so tenants need address pairs.",
        entropy: NO_PORTS,
        checksum: "The IPv4 header's only. Decapsulation must find the inner one right.",
        multicast: "The outer destination may be a group; usually it is one remote.",
        limits: "Point to point. Needs the underlay to carry protocol 4; firewalls and NATs often \
                 do not. The options header above is for IPv6 underlays only.",
        here: "Settings: ttl, dscp (the inner class is copied out unless told otherwise), ecn. DF \
               is set unless mtu_mode is fragment. No encapsulation limit is sent, one received \
               is skipped. Labs route: the inner TTL is decremented once, going in.",
        traps: &[
            "Inner DF set means outer DF set (RFC 2003 section 3.1), and then ICMP \"too big\" of \
             the underlay must be told to the inner sender.",
            "The inner length comes from the inner header, not from the outer total length.",
            "A packet to the tunnel's own far end, routed into the tunnel, loops: refuse it.",
            "Anyone who can send protocol 4 to the endpoint injects packets: check the source.",
        ],
    },
    Facts {
        name: "6in4",
        aliases: &["sit", "6in6", "ip6tnl"],
        title: "6in4 (SIT)",
        summary: "an IPv6 packet as the payload of an IP packet, protocol 41",
        source: "RFC 4213; 6in6 RFC 2473",
        layout: "outer IP (protocol 41) | inner IPv6",
        headers: &[&DESTINATION_OPTIONS],
        encap: Some((Encap::SixInFour, PLAIN)),
        terms: "(the outer IP header is all)",
        options: &[("with a tunnel encapsulation limit (IPv6 only)", LIMIT)],
        carries: "IPv6 packets; no Ethernet.",
        ids: "None: the pair of outer addresses is the tunnel.",
        entropy: NO_PORTS,
        checksum: "None over the payload; the outer IPv4 header's.",
        multicast: "One remote; IPv6 multicast travels to it like any packet.",
        limits: "Point to point. With a static MTU it is 1280 to 1480 and outer DF must be clear \
                 (section 3.2.1).",
        here: "Settings: ttl, dscp (0), ecn. DF is set and the inner MTU lowered, as in RFC \
               4213's dynamic mode, unless mtu_mode is fragment. No encapsulation limit is sent, \
               one received is skipped. Labs route: the inner hop limit is decremented once, \
               going in.",
        traps: &[
            "The outer source must be the configured remote, others are dropped without an answer \
             (section 3.6).",
            "Inner sources that are multicast, ::1, IPv4-compatible or IPv4-mapped are dropped.",
            "The inner length comes from the IPv6 payload length; the IPv4 packet may be padded.",
            "The options header above is for IPv6 underlays: Linux adds it by default, which costs \
             8 bytes.",
        ],
    },
    Facts {
        name: "gre",
        aliases: &["gre-l3"],
        title: "GRE",
        summary: "generic routing encapsulation of IP packets, protocol 47",
        source: "RFC 2784, RFC 2890; over IPv6 RFC 7676",
        layout: "outer IP (protocol 47) | GRE | inner IP",
        headers: &[&GRE],
        encap: Some((Encap::Gre, PLAIN)),
        terms: "+ GRE 4",
        options: &[
            ("with key", KEY),
            ("with key and checksum", KEY_CHECKSUM),
            ("with all three", ALL_GRE),
        ],
        carries: "IPv4 and IPv6 packets.",
        ids: "A 32-bit key where both ends agree on one. No key and key 0 are different tunnels.",
        entropy: NO_PORTS,
        checksum: "Optional (C), over GRE header and payload; a wrong one is dropped. Over IPv6 it \
                   should be off.",
        multicast: "Point to point; Linux can send to a group and has a multipoint segment then.",
        limits: "Full meshes need n(n-1)/2 tunnels. The key is no secret.",
        here: "Settings: strict (drop reserved bits, and checksums that were not agreed on), \
               csum, seq (enforced modulo 2^32), ttl, dscp (0), ecn. In labs every tenant has a \
               key. Labs route: the inner TTL is decremented once, going in.",
        traps: &[
            "The sequence number must be in place before the checksum is computed: Open vSwitch \
             3.1 does it the other way round.",
            "Bits 1, 4 and 5 must be 0; bits 6 to 12 must be ignored, yet Linux and Open vSwitch \
             drop them.",
            "Numbers wrap: last and new sequence number are compared modulo 2^32.",
            "Keepalives have protocol type 0 and the way back inside: send the inner packet on, \
             deliver nothing.",
        ],
    },
    Facts {
        name: "gretap",
        aliases: &["gre-l2", "eogre"],
        title: "Ethernet in GRE",
        summary: "Ethernet frames in GRE, protocol type 0x6558",
        source: "RFC 2784, RFC 2890; over IPv6 RFC 7676",
        layout: "outer IP (protocol 47) | GRE | inner Ethernet frame",
        headers: &[&GRE],
        encap: Some((Encap::Gretap, PLAIN)),
        terms: "+ GRE 4 + inner Ethernet 14",
        options: &[("with key", KEY), ("with all three", ALL_GRE)],
        carries: "Ethernet frames without FCS, tagged or not.",
        ids: "A 32-bit key where both ends agree on one.",
        entropy: NO_PORTS,
        checksum: "Optional (C), over GRE header and the whole frame.",
        multicast: "BUM goes to the one remote of the tunnel, or a copy to each of several.",
        limits: "A bridge over a full mesh of tunnels needs split horizon, or it loops.",
        here: "Settings: strict (drop reserved bits, and checksums that were not agreed on), \
               csum, seq, ttl, dscp (0), ecn. In labs every tenant has a key. Tagged frames are \
               carried.",
        traps: &[
            "NVGRE looks the same but for the meaning of the key.",
            "Linux matches the whole key, present or absent, exactly.",
            "Linux drops a checksum it was not configured for; RFC 2784 wants it processed.",
        ],
    },
    Facts {
        name: "vxlan",
        aliases: &[],
        title: "VXLAN",
        summary: "Ethernet frames in UDP port 4789 with a 24-bit VNI",
        source: "RFC 7348",
        layout: "outer IP | UDP 4789 | VXLAN | inner Ethernet frame",
        headers: &[&VXLAN],
        encap: Some((Encap::Vxlan, PLAIN)),
        terms: "+ UDP 8 + VXLAN 8 + inner Ethernet 14",
        options: &[("inner frame keeps a tag", TAG)],
        carries: "Ethernet frames without FCS. An inner tag should be stripped, and a tagged frame \
                  dropped unless configured (section 6.1).",
        ids: "VNI of 24 bits: 16 million networks on the wire; switches still have about 4096 \
              bridging domains each.",
        entropy: "UDP source port from a hash of the inner flow, 49152 to 65535 recommended \
                  (section 5): flows spread over equal-cost paths.",
        checksum: "UDP: should be 0 over IPv4, and 0 must be taken; a computed one may be verified, \
                   and a wrong one is dropped then. Over IPv6 it is needed unless zero is allowed \
                   for the port (RFC 6935).",
        multicast: "BUM to the group of the VNI (IGMP or MLD joins, PIM between racks), or a copy \
                    to each VTEP: head-end replication.",
        limits: "A VTEP must not fragment (section 4.3): the underlay needs an MTU of 1550 for an \
                 inner 1500.",
        here: "Settings: strict (drop reserved bits), inner_tags, ttl, dscp (0), ecn, udp_csum \
               (on, which is faster: segmentation offload needs it), udp6_zero (take zero over \
               IPv6). 16 source ports per endpoint. Packets from other than configured VTEPs are \
               dropped.",
        traps: &[
            "The VNI is the upper 24 bits of the second word.",
            "Linux uses port 8472 unless told 4789.",
            "Reserved bits are to be ignored, but Linux and Open vSwitch drop the packet.",
            "Outer addresses are learned from data: a forged outer source poisons the table.",
            "What came from the overlay never goes back into it (split horizon).",
        ],
    },
    Facts {
        name: "vxlan-gpe",
        aliases: &["gpe"],
        title: "VXLAN-GPE",
        summary: "VXLAN that says what follows, in UDP port 4790",
        source: "draft-ietf-nvo3-vxlan-gpe-12 (expired)",
        layout: "outer IP | UDP 4790 | VXLAN-GPE | inner packet",
        headers: &[&VXLAN_GPE],
        encap: Some((Encap::Vxlan, BARE)),
        terms: "+ UDP 8 + VXLAN-GPE 8",
        options: &[("carrying Ethernet frames", PLAIN)],
        carries: "IPv4, IPv6, Ethernet, NSH: by its next protocol. (The overhead is for IP.)",
        ids: "VNI of 24 bits.",
        entropy: "UDP source port, as for VXLAN.",
        checksum: "As for VXLAN.",
        multicast: "As for VXLAN; the B bit marks replicated copies.",
        limits: "No RFC; Geneve took its place. Dissected here, not offered as a carrier.",
        here: "Dissected only; no settings.",
        traps: &[
            "Without the P bit the payload is Ethernet, whatever the last byte says.",
            "Linux has it without Ethernet only, Open vSwitch with Ethernet.",
        ],
    },
    Facts {
        name: "nvgre",
        aliases: &[],
        title: "NVGRE",
        summary: "Ethernet frames in GRE whose key is VSID and FlowID",
        source: "RFC 7637",
        layout: "outer IP (protocol 47) | GRE with key | inner Ethernet frame",
        headers: &[&NVGRE],
        encap: Some((Encap::Nvgre, PLAIN)),
        terms: "+ NVGRE 8 + inner Ethernet 14",
        options: &[],
        carries: "Ethernet frames without FCS and without a tag: the sender must strip it, the \
                  receiver must drop a tagged frame (section 3.3).",
        ids: "VSID of 24 bits: 0x1000 to 0xfffffe for tenants.",
        entropy: "FlowID of 8 bits, for routers that hash the key. Others see one pair of \
                  addresses, which is why an endpoint may have several.",
        checksum: "None: C must be 0.",
        multicast: "Groups of the provider per VSID, or a copy to each endpoint (section 4.2). \
                    Learning from data is left to others.",
        limits: "No fragmentation by the sender; the receiver may drop fragments (section 4.4).",
        here: "Settings: strict (on; false takes small keys of a GRETAP peer), ttl, dscp (0), \
               ecn. The FlowID is 8 bits of the flow's hash. A tagged frame is dropped on both \
               ways.",
        traps: &[
            "FlowID is the low byte of the key, VSID the upper 24 bits.",
            "Linux gretap matches all 32 bits of the key: it understands a peer whose FlowID is \
             constant only.",
            "VSIDs below 0x1000 and 0xffffff are reserved and dropped.",
        ],
    },
    Facts {
        name: "stt",
        aliases: &[],
        title: "STT",
        summary: "Ethernet frames in segments that network cards take for TCP",
        source: "draft-davie-stt-08 (expired)",
        layout: "outer IP | TCP-like segment header | STT header (first segment) | inner frame",
        headers: &[&STT_SEGMENT, &STT],
        encap: Some((Encap::Stt, PLAIN)),
        terms: "+ segment 20 + STT 18 + inner Ethernet 14",
        options: &[],
        carries: "Untagged Ethernet frames of up to 64 KiB; the tag travels in the header.",
        ids: "Context id of 64 bits.",
        entropy: "Source port from a hash of the inner flow; the same in all segments of a frame.",
        checksum: "TCP's on each segment. The inner checksum may be left to the far end (P), or \
                   declared verified (C).",
        multicast: "Head-end replication; groups are allowed.",
        limits: "A large frame pays 18 + 14 once and the IP and segment headers per segment. One lost segment \
                 is the whole frame lost. There are no handshakes, no acknowledgments, no \
                 retransmissions.",
        here: "Settings: strict (on: drop frames both verified and partial), ttl, dscp (0), ecn. \
               Over IPv4 and IPv6. A frame waits 30 s for its segments, in 4 MiB for all and 1 \
               MiB for each source. Tagged frames are dropped.",
        traps: &[
            "Flags count from the least significant bit (C is 0x01), whatever the draft's figure \
             suggests.",
            "The length field includes the 18 bytes of the header.",
            "Stateful firewalls drop it, as there was no SYN; the host's own TCP must not answer \
             with RST.",
            "Reassembly needs limits on memory and time per source, and random frame ids: nothing \
             else protects it.",
            "A partial UDP checksum that comes to 0 is finished as 0xffff.",
        ],
    },
    Facts {
        name: "geneve",
        aliases: &[],
        title: "Geneve",
        summary: "Ethernet frames in UDP port 6081 with a VNI and options",
        source: "RFC 8926",
        layout: "outer IP | UDP 6081 | Geneve | options | inner packet",
        headers: &[&GENEVE, &GENEVE_OPTION],
        encap: Some((Encap::Geneve, PLAIN)),
        terms: "+ UDP 8 + Geneve 8 + inner Ethernet 14",
        options: &[("with all 252 bytes of options", OPTIONS_252), ("carrying IP", BARE)],
        carries: "Ethernet frames (0x6558), or IP packets by their EtherType. Inner tags are \
                  optional.",
        ids: "VNI of 24 bits, and what the options say.",
        entropy: "UDP source port from a hash of the inner flow, all 16 bits allowed.",
        checksum: "UDP: should be computed, also over IPv4; a wrong one must be dropped. Zero over \
                   IPv6 only where the port allows it.",
        multicast: "Groups or head-end replication, as for VXLAN.",
        limits: "63 words of options: up to 252 bytes. The MTU must assume the longest.",
        here: "Settings: options (on every packet, known on receipt), strict (drop a C flag \
               without a critical option), ttl, dscp (0), ecn, udp_csum (on), udp6_zero (take \
               zero over IPv6). Tagged frames are carried. Control packets are dropped.",
        traps: &[
            "Opt Len and an option's Length count words of 4 bytes, the option's without its \
             header; the sums must match exactly.",
            "An unknown option with the critical bit drops the packet, one without is ignored.",
            "O marks a control packet: its payload never reaches a tenant.",
            "ECN must follow RFC 6040: an outer CE on an inner packet that cannot say so is \
             dropped.",
        ],
    },
    Facts {
        name: "ssh",
        aliases: &["ssh-tun", "tun@openssh.com"],
        title: "SSH tunnel",
        summary: "packets or frames as messages of an encrypted SSH connection",
        source: "OpenSSH PROTOCOL section 2.3, RFC 4254",
        layout: "outer IP | TCP | SSH packet (encrypted): channel data | inner packet",
        headers: &[&SSH_DATA],
        encap: Some((Encap::Ssh, PLAIN)),
        terms: "A stream, so no fixed place per packet: with chacha20-poly1305 an IP packet of 1500 \
                bytes becomes 1540 bytes of stream (13 of message, 7 or more of SSH packet, 16 of \
                tag, padding), plus TCP and IP headers of the segments. Inner MTU 1500, or any.",
        options: &[],
        carries: "IP packets (mode 1) or Ethernet frames (mode 2).",
        ids: "None: one channel is one network.",
        entropy: "None: one TCP connection is one flow.",
        checksum: "The cipher's: the only encapsulation here that encrypts and authenticates.",
        multicast: "One peer.",
        limits: "TCP over TCP: one lost segment stalls every inner flow, and two retransmission \
                 timers work against each other.",
        here: "Labs and endpoints drive OpenSSH's own programs, so its configuration is the \
               setting.",
        traps: &[
            "The address family of IPv6 is 24 on every system, Linux's own 10 must be translated.",
            "The \"packet length\" of the specification is the SSH string's length; there is no \
             second one.",
            "OpenSSH charges 4 bytes more per packet to the window than the packet has.",
            "The server needs PermitTunnel, off by default.",
        ],
    },
];
