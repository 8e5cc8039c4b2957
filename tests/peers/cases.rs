//! The table of encapsulations and peers, and what each pair has to do: ICMP, datagrams of the
//! sizes around the MTU and bulk TCP, begun from either side, with the packets on the underlay
//! read by tshark.

use std::path::Path;
use std::sync::Arc;

use overlab::encap::ecn::Dscp;
use overlab::encap::{
    Delivery, Engine, Extras, Geneve, Gre, IpInIp, Nvgre, Qinq, Sequence, Ttl, Vlan, Vxlan,
    overhead,
};

use crate::bench::{Bench, Overlay, PEER_VM, Underlay, VM};
use crate::ovs::{self, Ovs};
use crate::tshark::{self, Packet};
use crate::{Case, scratch, uml};

/// Bytes sent by TCP in each direction, twice: once begun from either side.
const BULK: usize = 4 << 20;
const UNDERLAY_MTU: u32 = 1500;

/// Who is on the other side, and how its tunnel is made.
#[derive(Clone, Copy)]
enum Far {
    /// A device `tun0` of user-mode Linux, by this `ip link add` line. `{us}` and `{peer}` are the
    /// underlay addresses.
    Linux(&'static str),
    /// A tunnel port of Open vSwitch, and flows in place of plain switching.
    OpenVSwitch(&'static str, &'static [&'static str]),
}

/// One encapsulation with its settings against one peer.
struct Row {
    name: &'static str,
    engine: fn() -> Arc<dyn Engine>,
    network: u64,
    extras: Extras,
    delivery: Delivery,
    underlay6: bool,
    overlay6: bool,
    far: Far,
    /// What finds the tunnel's packets in a capture, and what all of them must show.
    filter: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

const PLAIN: Extras = Extras {
    key: false,
    checksum: false,
    sequence: false,
    geneve_options: 0,
    bare_ip: false,
    encap_limit: false,
    inner_tag: false,
};
const KEY: Extras = Extras { key: true, ..PLAIN };
const ALL: Extras = Extras { checksum: true, sequence: true, ..KEY };

fn gre(ethernet: bool, extras: &Extras) -> Arc<dyn Engine> {
    let sequence = extras.sequence.then(Sequence::default);
    let (keyed, checksum) = (extras.key, extras.checksum);
    Arc::new(Gre { ethernet, keyed, checksum, sequence, strict: false })
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let four = |name, engine, network, extras, far, filter, fields| {
        let delivery = Delivery::default();
        Row { name, engine, network, extras, delivery, underlay6: false, overlay6: false, far, filter, fields }
    };
    let six = |row: Row| Row { underlay6: true, ..row };
    let inner6 = |row: Row| Row { overlay6: true, ..row };
    let outer = |row: Row, delivery: Delivery| Row { delivery, ..row };
    let usual = Delivery::default();
    let vxlan: &[_] = &[("vxlan.flags", "0x0800"), ("vxlan.vni", "42"), ("vxlan.reserved8", "0"), ("udp.dstport", "4789*")];
    let geneve: &[_] = &[("geneve.version", "0"), ("geneve.flags", "0x00"), ("geneve.proto_type", "0x6558"), ("geneve.vni", "0x00002a"), ("udp.dstport", "6081*")];
    let all: &[_] = &[("gre.flags_and_version", "0xb000"), ("gre.key", "0x000001c8"), ("gre.checksum.status", "1")];
    vec![
        four("uml::vlan", || Arc::new(Vlan::default()), 100, PLAIN,
            Far::Linux("link vec0 name tun0 type vlan id 100"), "vlan",
            &[("vlan.id", "100"), ("vlan.priority", "0")]),
        four("uml::qinq", || Arc::new(Qinq { service: 5, pcp: 0 }), 100, PLAIN,
            Far::Linux("link vec0 name s type vlan proto 802.1ad id 5; ip link set s up; ip link add link s name tun0 type vlan id 100"), "ieee8021ad",
            &[("ieee8021ad.id", "5"), ("vlan.id", "100")]),
        four("uml::ipip", || Arc::new(IpInIp::V4), 0, PLAIN,
            Far::Linux("name tun0 type ipip local {peer} remote {us} ttl 64"), "ip.proto == 4", &[("ip.proto", "4*")]),
        inner6(four("uml::6in4", || Arc::new(IpInIp::V6), 0, PLAIN,
            Far::Linux("name tun0 type sit local {peer} remote {us} ttl 64"), "ip.proto == 41", &[("ip.proto", "41")])),
        four("uml::gre", || gre(false, &PLAIN), 0, PLAIN,
            Far::Linux("name tun0 type gre local {peer} remote {us} ttl 64"), "gre",
            &[("gre.flags_and_version", "0x0000"), ("gre.proto", "0x0800")]),
        four("uml::gre_key", || gre(false, &KEY), 456, KEY,
            Far::Linux("name tun0 type gre local {peer} remote {us} ttl 64 key 456"), "gre",
            &[("gre.flags_and_version", "0x2000"), ("gre.key", "0x000001c8")]),
        four("uml::gre_key_csum_seq", || gre(false, &ALL), 456, ALL,
            Far::Linux("name tun0 type gre local {peer} remote {us} ttl 64 key 456 csum seq"), "gre", all),
        four("uml::gretap", || gre(true, &PLAIN), 0, PLAIN,
            Far::Linux("name tun0 type gretap local {peer} remote {us} ttl 64"), "gre",
            &[("gre.flags_and_version", "0x0000"), ("gre.proto", "0x6558")]),
        four("uml::gretap_key", || gre(true, &KEY), 456, KEY,
            Far::Linux("name tun0 type gretap local {peer} remote {us} ttl 64 key 456"), "gre",
            &[("gre.flags_and_version", "0x2000"), ("gre.key", "0x000001c8")]),
        four("uml::gretap_key_csum_seq", || gre(true, &ALL), 456, ALL,
            Far::Linux("name tun0 type gretap local {peer} remote {us} ttl 64 key 456 csum seq"), "gre", all),
        four("uml::vxlan", || Arc::new(Vxlan::default()), 42, PLAIN,
            Far::Linux("name tun0 type vxlan id 42 local {peer} remote {us} dstport 4789"), "vxlan", vxlan),
        six(four("uml::vxlan_over_ipv6", || Arc::new(Vxlan::default()), 42, PLAIN,
            Far::Linux("name tun0 type vxlan id 42 local {peer} remote {us} dstport 4789"), "vxlan", vxlan)),
        four("uml::geneve", || Arc::new(Geneve::default()), 42, PLAIN,
            Far::Linux("name tun0 type geneve id 42 remote {us}"), "geneve", geneve),
        six(four("uml::geneve_over_ipv6", || Arc::new(Geneve::default()), 42, PLAIN,
            Far::Linux("name tun0 type geneve id 42 remote {us}"), "geneve", geneve)),
        six(four("uml::4in6", || Arc::new(IpInIp::V4), 0, PLAIN,
            Far::Linux("name tun0 type ip6tnl mode ipip6 local {peer} remote {us} hoplimit 64 encaplimit none"), "ipv6.nxt == 4", &[("ipv6.nxt", "4")])),
        six(inner6(four("uml::6in6", || Arc::new(IpInIp::V6), 0, PLAIN,
            Far::Linux("name tun0 type ip6tnl mode ip6ip6 local {peer} remote {us} hoplimit 64 encaplimit none"), "ipv6.nxt == 41 && !(icmpv6.type < 128)", &[("ipv6.nxt", "41*")]))),
        six(four("uml::ip6gre_key_csum_seq", || gre(false, &ALL), 456, ALL,
            Far::Linux("name tun0 type ip6gre local {peer} remote {us} hoplimit 64 encaplimit none key 456 csum seq"), "gre", all)),
        six(four("uml::ip6gretap_key", || gre(true, &KEY), 456, KEY,
            Far::Linux("name tun0 type ip6gretap local {peer} remote {us} hoplimit 64 encaplimit none key 456"), "gre",
            &[("gre.flags_and_version", "0x2000"), ("gre.key", "0x000001c8")])),
        // What either side says of the outer headers, and the other takes.
        outer(four("uml::vxlan_outer_headers", || Arc::new(Vxlan::default()), 42, PLAIN,
            Far::Linux("name tun0 type vxlan id 42 local {peer} remote {us} dstport 4789 ttl 7 tos 0xb8 noudpcsum"), "vxlan",
            &[("udp.checksum", "0x0000*"), ("ip.ttl", "7*"), ("ip.dsfield.dscp", "46*")]),
            Delivery { ttl: Ttl::Fixed(7), dscp: Dscp::Pipe(46), udp_csum: false, ..usual }),
        outer(four("uml::gre_inherits", || gre(false, &KEY), 456, KEY,
            Far::Linux("name tun0 type gre local {peer} remote {us} ttl inherit tos inherit key 456"), "gre",
            &[("gre.flags_and_version", "0x2000"), ("gre.key", "0x000001c8")]),
            Delivery { ttl: Ttl::Inherit, dscp: Dscp::Uniform, ..usual }),
        six(outer(four("uml::vxlan_over_ipv6_without_checksums", || Arc::new(Vxlan::default()), 42, PLAIN,
            Far::Linux("name tun0 type vxlan id 42 local {peer} remote {us} dstport 4789 udp6zerocsumtx udp6zerocsumrx"), "vxlan",
            &[("udp.checksum", "0x0000*"), ("ipv6.hlim", "64*")]),
            Delivery { udp_csum: false, udp6_zero: true, ..usual })),
        four("ovs::vxlan", || Arc::new(Vxlan::default()), 42, PLAIN,
            Far::OpenVSwitch("type=vxlan options:key=42", &[]), "vxlan", vxlan),
        four("ovs::geneve", || Arc::new(Geneve::default()), 42, PLAIN,
            Far::OpenVSwitch("type=geneve options:key=42", &[]), "geneve", geneve),
        four("ovs::gretap", || gre(true, &PLAIN), 0, PLAIN,
            Far::OpenVSwitch("type=gre", &[]), "gre",
            &[("gre.flags_and_version", "0x0000"), ("gre.proto", "0x6558")]),
        four("ovs::gretap_key", || gre(true, &KEY), 456, KEY,
            Far::OpenVSwitch("type=gre options:key=456", &[]), "gre",
            &[("gre.flags_and_version", "0x2000"), ("gre.key", "0x000001c8")]),
        four("ovs::nvgre", || Arc::new(Nvgre::default()), 0x12_3456, PLAIN,
            Far::OpenVSwitch("type=gre options:key=flow", &[
                "in_port=pvm,actions=set_field:0x1234565a->tun_id,output:tunnel",
                "in_port=tunnel,tun_id=0x12345600/0xffffff00,actions=output:pvm",
            ]), "gre", &[("gre.flags_and_version", "0x2000"), ("gre.proto", "0x6558")]),
    ]
}

pub fn all() -> Vec<Case> {
    let case = |(number, row): (usize, Row)| Case {
        name: row.name.to_owned(),
        programs: match row.far {
            Far::Linux(_) => uml::PROGRAMS,
            Far::OpenVSwitch(..) => ovs::PROGRAMS,
        },
        root: true,
        run: Box::new(move || meet(&rows()[number])),
    };
    rows().into_iter().enumerate().map(case).collect()
}

fn meet(row: &Row) {
    let folder = scratch();
    let engine = (row.engine)();
    let (underlay, overlay) = (Underlay::new(row.underlay6), Overlay::new(row.overlay6));
    // Tags need no room in the IP packet; the cable must take them.
    let tag = engine.encap().is_tag();
    let overhead = overhead(engine.encap(), row.underlay6, &row.extras);
    let (inner_mtu, cable) = if tag {
        (UNDERLAY_MTU, UNDERLAY_MTU + overhead)
    } else {
        (UNDERLAY_MTU - overhead, UNDERLAY_MTU)
    };
    let mut bench = Bench::new(underlay, overlay, inner_mtu, cable);
    let file = folder.path().join("underlay.pcapng");
    let capture = bench.capture(&file);
    // Whoever it is, `far` is a console with the overlay's other address.
    let (_switch, mut far) = match row.far {
        Far::Linux(line) => {
            let mut guest = uml::boot(&bench, folder.path(), cable, tag);
            if !row.overlay6 {
                // Router solicitations would be one more protocol in the tunnel.
                guest.ask("sh echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
            }
            let line = line.replace("{us}", &underlay.us.to_string());
            let line = line.replace("{peer}", &underlay.peer.to_string());
            guest.ask(&format!("sh ip link add {line}"));
            guest.ask(&format!("sh ip link set tun0 mtu {inner_mtu} up"));
            let nodad = if row.overlay6 { "nodad" } else { "" };
            guest.ask(&format!(
                "sh ip addr add {}/{} dev tun0 {nodad}",
                overlay.peer,
                overlay.prefix()
            ));
            (None, guest)
        }
        Far::OpenVSwitch(tunnel, flows) => {
            let ovs = Ovs::start(&bench, folder.path(), tunnel, flows);
            (Some(ovs), bench.console(PEER_VM))
        }
    };
    bench.start(engine, row.delivery, row.network);
    let mut near = bench.console(VM);
    assert!(bench.ping(), "no answer to ICMP; our engine dropped {}", bench.drops());
    near.ask(&format!("serve {}", overlay.vm));
    far.ask(&format!("serve {}", overlay.peer));
    // IP and UDP headers; at the MTU, one byte below it, and one above, which the sender fragments.
    let most = inner_mtu as usize - if row.overlay6 { 48 } else { 28 };
    let mut rates = Vec::new();
    for (from, to) in [(&mut near, overlay.peer), (&mut far, overlay.vm)] {
        for bytes in [1, 18, most - 1, most, most + 1, 4000] {
            from.ask(&format!("udp {to} {bytes}"));
        }
        rates.push(from.ask(&format!("tcp {to} {BULK}")));
    }
    drop((near, far));
    let drops = bench.drops();
    let summary = capture.stop().expect("complete the capture");
    drop(bench);
    assert_eq!(summary.omitted, 0);
    let looked = std::panic::catch_unwind(|| look(row, &file, tag));
    if let Err(why) = looked {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(row.name.replace("::", "-"));
        let kept = kept.with_extension("pcapng");
        std::fs::copy(&file, &kept).expect("keep the capture");
        println!("the capture is kept as {}", kept.display());
        std::panic::resume_unwind(why);
    }
    println!("{}; dropped {drops}; {} packets", rates.join(", "), summary.packets);
}

/// What tshark says of the packets on the underlay.
fn look(row: &Row, file: &Path, tag: bool) {
    let own: Vec<&str> = row.fields.iter().map(|(field, _)| *field).collect();
    let common = [
        "frame.number",
        "eth.src",
        "ip.src",
        "ipv6.src",
        "ip.len",
        "ipv6.plen",
        "ip.checksum.status",
        "udp.checksum",
        "udp.checksum.status",
        "tcp.checksum.status",
        "tcp.checksum",
        "arp.opcode",
        "_ws.malformed",
    ];
    let packets = tshark::packets(file, row.filter, &[], &[&common[..], &own].concat());
    assert!(packets.len() > 1000, "only {} packets of the tunnel", packets.len());
    let underlay = Underlay::new(row.underlay6);
    let source = if row.underlay6 { "ipv6.src" } else { "ip.src" };
    let sent_by = |packet: &Packet, who: std::net::IpAddr| {
        packet[source].first().is_some_and(|ip| *ip == who.to_string())
    };
    for packet in &packets {
        for (field, wanted) in row.fields {
            let value = packet[*field].join(";");
            // Inner occurrences may follow.
            let fits = wanted
                .strip_suffix('*')
                .map_or(value == **wanted, |start| value.starts_with(start));
            assert!(fits, "{field} is {value}, not {wanted}, in {packet:#?}");
        }
        // 1 is good, 3 not present (outer UDP without one); of fragments nothing is known.
        let zero = packet["udp.checksum"].first().is_some_and(|sum| sum == "0x0000");
        for field in ["ip.checksum.status", "udp.checksum.status", "tcp.checksum.status"] {
            // Over IPv6 tshark takes a zero for wrong, whatever the receiver was told (RFC 6935).
            let mut statuses = packet[field].iter();
            if zero && row.delivery.udp6_zero && field == "udp.checksum.status" {
                statuses.next();
            }
            let good = statuses.all(|status| status == "1" || status == "3");
            // Linux writes 0xffff where a TCP checksum is 0 (`skb_checksum_help`), once in 65536
            // packets. Both sum to the same; tshark wants the 0.
            let same = field == "tcp.checksum.status" && packet["tcp.checksum"] == ["0xffff"];
            assert!(good || same, "{field} in {packet:#?}");
        }
        assert!(packet["_ws.malformed"].is_empty(), "{packet:#?}");
    }
    let arp = |operation: &str| packets.iter().any(|packet| packet["arp.opcode"] == [operation]);
    let asks = (row.engine)().encap().carries_ethernet();
    assert_eq!((arp("1"), arp("2")), (asks, asks), "ARP requests and replies in the tunnel");
    if tag {
        return;
    }
    for who in [underlay.us, underlay.peer] {
        let own: Vec<&Packet> = packets.iter().filter(|packet| sent_by(packet, who)).collect();
        let length = |packet: &&Packet| -> u32 {
            let (field, header) = if row.underlay6 { ("ipv6.plen", 40) } else { ("ip.len", 0) };
            packet[field][0].parse::<u32>().expect("a length") + header
        };
        // The packets at the MTU fill the underlay's to the byte.
        assert_eq!(own.iter().map(length).max(), Some(UNDERLAY_MTU), "longest from {who}");
    }
}
