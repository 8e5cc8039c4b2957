//! `tenants`: ids, subnets and VMs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::At;
use super::names::{TENANTS as TENANTS_NAMED, VMS};
use super::tree::Kind;
use crate::lab::Spread;
use crate::lab::limits::{PREFIX, PREFIX6, SPREAD, TENANT_NAME, TENANTS, UNDERLAY_MAC, VM_MTU};
use crate::lab::model::{Tenant, Vm};

pub(super) fn tenants(at: &At<'_>) -> Vec<Tenant> {
    let Some(items) = at.list("a list of tenants") else { return Vec::new() };
    if items.is_empty() {
        at.wrong("is empty; a lab needs at least one tenant");
    }
    items.iter().map(tenant).collect()
}

fn tenant(at: &At<'_>) -> Tenant {
    let keys = [
        "name", "count", "vid", "vni", "vsid", "key", "context", "group", "subnet", "subnet6",
        "id_on", "vms",
    ];
    let example = "`{ name: red, subnet: 192.168.0.0/24, vms: { vm1: h1, vm2: h2 } }`";
    let fields = at.fields(&format!("a tenant, e.g. {example}"), &keys);
    let get = |key| fields.as_ref().and_then(|f| f.get(key));
    let need = |key, wanted| fields.as_ref().and_then(|f| f.need(key, wanted));
    let count = get("count").and_then(|at| at.number("number of tenants", &TENANTS));
    let many = get("count").is_some();
    for key in ["group", "id_on"].into_iter().filter(|_| many) {
        if let Some(at) = get(key) {
            at.wrong(
                "would be the same for all tenants that `count` makes; leave one of the two out",
            );
        }
    }
    let name = need("name", "the tenant's name, e.g. `red`");
    let name = name.and_then(|at| {
        let name = at.name(TENANTS_NAMED)?;
        let length = name.len() + count.map_or(0, |count| count.to_string().len());
        if length > TENANT_NAME {
            at.wrong(format!("is too long with a number behind it: at most {TENANT_NAME} bytes"));
        }
        if name == "all" {
            at.wrong("stands for all tenants in expectations; take another name");
        }
        Some(name)
    });
    let net = need("subnet", "the tenant's IPv4 subnet, e.g. `192.168.0.0/24`");
    let net = net.and_then(|at| subnet(&at)).unwrap_or_default();
    // Those that `count` makes may be nothing but ids yet.
    let homes = if many {
        get("vms")
    } else {
        need("vms", "its VMs and the host of each, e.g. `{ vm1: h1, vm2: h2 }`")
    };
    let spread = homes.as_ref().and_then(spread);
    Tenant {
        count,
        name: name.unwrap_or_default(),
        vid: get("vid").and_then(|at| at.id("VLAN id")),
        vni: get("vni").and_then(|at| at.id("VNI")),
        vsid: get("vsid").and_then(|at| at.id("NVGRE VSID")),
        key: get("key").and_then(|at| at.id("GRE key")),
        context: get("context").and_then(|at| at.id("STT context id")),
        group: get("group").and_then(|at| group(&at)),
        subnet: net,
        subnet6: get("subnet6").and_then(|at| subnet6(&at)),
        id_on: get("id_on").map(|at| id_on(&at)).unwrap_or_default(),
        vms: homes.filter(|_| spread.is_none()).map(|at| vms(&at)).unwrap_or_default(),
        spread,
    }
}

/// A subnet in which VMs can have addresses; at most /30, so that there are two.
fn subnet(at: &At<'_>) -> Option<Ipv4Net> {
    let text = at.text("an IPv4 subnet, e.g. `192.168.0.0/24`")?;
    let objection = match text.parse::<Ipv4Net>() {
        Err(_) if text.contains(':') => {
            format!("`{text}` is no IPv4 subnet; tenants have IPv4 subnets in this version")
        }
        Err(_) => {
            format!("`{text}` is no IPv4 subnet; write address and length, e.g. `192.168.0.0/24`")
        }
        Ok(net) if net.network() != net.addr() => {
            format!("`{text}` has bits beyond its length set; the subnet is `{}`", net.trunc())
        }
        Ok(net) if !PREFIX.contains(&net.prefix_len()) => {
            format!(
                "a subnet of a tenant is between /{} and /{} long, not /{}",
                PREFIX.start(),
                PREFIX.end(),
                net.prefix_len()
            )
        }
        Ok(net) if !for_hosts(net.addr()) => {
            format!("hosts have no addresses in `{text}`; take e.g. `192.168.0.0/24`")
        }
        Ok(net) => return Some(net),
    };
    at.wrong(objection);
    None
}

/// An IPv6 subnet in which VMs can have addresses.
fn subnet6(at: &At<'_>) -> Option<Ipv6Net> {
    let text = at.text("an IPv6 subnet, e.g. `fd00::/64`")?;
    let objection = match text.parse::<Ipv6Net>() {
        Err(_) => {
            format!("`{text}` is no IPv6 subnet; write address and length, e.g. `fd00::/64`")
        }
        Ok(net) if net.network() != net.addr() => {
            format!("`{text}` has bits beyond its length set; the subnet is `{}`", net.trunc())
        }
        Ok(net) if !PREFIX6.contains(&net.prefix_len()) => format!(
            "an IPv6 subnet of a tenant is between /{} and /{} long, not /{}",
            PREFIX6.start(),
            PREFIX6.end(),
            net.prefix_len()
        ),
        Ok(net) if net.addr().is_multicast() || net.addr().is_unicast_link_local() => {
            format!("hosts have no addresses of their own in `{text}`; take e.g. `fd00::/64`")
        }
        Ok(net) => return Some(net),
    };
    at.wrong(objection);
    None
}

/// A group that crosses routers: no address of one link or one machine (RFC 5771 section 4, RFC
/// 4291 section 2.7).
fn group(at: &At<'_>) -> Option<IpAddr> {
    let text = at.text("an IP multicast group, e.g. `239.0.3.96`")?;
    let objection = match text.parse::<IpAddr>() {
        Err(_) => format!("`{text}` is no IP address; write a group, e.g. `239.0.3.96`"),
        Ok(ip) if !ip.is_multicast() => {
            format!(
                "{ip} is no multicast group; those are 224.0.1.0 to 239.255.255.255, and ff00::/8"
            )
        }
        Ok(IpAddr::V4(ip)) if ip.octets()[..3] == [224, 0, 0] => {
            format!("{ip} never leaves its link (224.0.0.0/24); take e.g. 239.0.3.96")
        }
        Ok(IpAddr::V6(ip)) if ip.segments()[0] & 0xF < 3 => {
            format!("{ip} never leaves its link; take e.g. ff18::360")
        }
        Ok(ip) => return Some(ip),
    };
    at.wrong(objection);
    None
}

fn id_on(at: &At<'_>) -> BTreeMap<String, u64> {
    let wanted = "a map from hosts to ids, e.g. `{ h2: 9999 }`";
    let id = |at: &At<'_>| match at.node.kind {
        Kind::Int(value, _) if u64::try_from(value).is_ok() => u64::try_from(value).ok(),
        _ => {
            at.wrong("an id is a whole number, e.g. `9999`");
            None
        }
    };
    let entries = at.entries(wanted).unwrap_or_default();
    entries.into_iter().filter_map(|(host, at)| Some((host, id(&at)?))).collect()
}

/// Whether addresses like this one can be given to hosts (RFC 6890: not 0/8, 127/8, 224/4, 240/4).
fn for_hosts(ip: Ipv4Addr) -> bool {
    !(ip.octets()[0] == 0 || ip.is_loopback() || ip.octets()[0] >= 224)
}

/// VMs that are only counted: `{ count: 10, on: all }`, or on a list of hosts.
fn spread(at: &At<'_>) -> Option<Spread> {
    let Kind::Map(entries) = &at.node.kind else { return None };
    let value = |key: &str| entries.iter().find(|entry| entry.key == key);
    let counted = value("count").is_some_and(|entry| matches!(entry.value.kind, Kind::Int(..)));
    if !counted || value("on").is_none() {
        return None;
    }
    let fields =
        at.fields("VMs that are spread, e.g. `{ count: 10, on: all }`", &["count", "on"])?;
    let count = fields.get("count").and_then(|at| at.number("number of VMs", &SPREAD));
    let on = fields.get("on").and_then(|at| {
        if matches!(at.node.kind, Kind::List(_)) {
            let hosts = at.list("a list of hosts")?;
            if hosts.is_empty() {
                at.wrong("is empty; write hosts, or `all`");
            }
            return Some(hosts.iter().filter_map(|at| at.text("a host's name")).collect());
        }
        at.choice("place to spread VMs over", &[("all", ())]).map(|()| Vec::new())
    });
    Some(Spread { count: count.unwrap_or_default(), on: on.unwrap_or_default() })
}

fn vms(at: &At<'_>) -> Vec<Vm> {
    let wanted = "a map from names to hosts, e.g. `{ vm1: h1, vm2: h2 }`";
    let Some(entries) = at.entries(wanted) else { return Vec::new() };
    if entries.is_empty() {
        at.wrong("is empty; a tenant needs at least one VM");
    }
    entries.into_iter().map(|(name, at)| vm(name, &at)).collect()
}

fn vm(name: String, at: &At<'_>) -> Vm {
    if let Some(objection) = VMS.objection(&name) {
        at.wrong(objection);
    }
    let wanted = "the host it lives on";
    if !matches!(at.node.kind, Kind::Map(_)) {
        let host = at.text("the host it lives on, or `{ host: h1, ip: .., mac: .., mtu: .. }`");
        return Vm { name, host: host.unwrap_or_default(), ip: None, mac: None, mtu: None };
    }
    let fields = at.fields("a VM", &["host", "ip", "mac", "mtu"]);
    let get = |key| fields.as_ref().and_then(|f| f.get(key));
    Vm {
        name,
        host: fields
            .as_ref()
            .and_then(|f| f.need("host", wanted))
            .and_then(|at| at.text(wanted))
            .unwrap_or_default(),
        ip: get("ip").and_then(|at| address(&at)),
        mac: get("mac").and_then(|at| mac(&at)),
        mtu: get("mtu").and_then(|at| at.number("MTU of a VM", &VM_MTU)),
    }
}

pub(super) fn address(at: &At<'_>) -> Option<IpAddr> {
    let text = at.text("an IPv4 address, e.g. `192.168.0.10`")?;
    match text.parse::<Ipv4Addr>() {
        Ok(ip) => return Some(ip.into()),
        Err(_) if text.contains('/') => {
            at.wrong(format!("`{text}` is no address; leave out the length, it is the subnet's"));
        }
        Err(_) => at.wrong(format!("`{text}` is no IPv4 address; write e.g. `192.168.0.10`")),
    }
    None
}

/// A MAC that a VM can have, in lower case: no group's (lowest bit of the first byte, IEEE 802),
/// not zero, and none of the underlay's.
pub(super) fn mac(at: &At<'_>) -> Option<String> {
    let text = at.text("a MAC, e.g. `06:00:00:00:00:01`")?;
    let Some(bytes) = mac_bytes(&text) else {
        at.wrong(format!("`{text}` is no MAC; write six bytes, e.g. `06:00:00:00:00:01`"));
        return None;
    };
    if bytes[0] & 1 == 1 {
        let single = format!("{:02x}", bytes[0] & !1);
        at.wrong(format!(
            "`{text}` is a group's MAC (the lowest bit of the first byte is set); \
             a VM needs one of its own, e.g. `{single}{}`",
            text.get(2..).unwrap_or_default()
        ));
        return None;
    }
    if bytes == [0; 6] {
        at.wrong(format!("`{text}` is nobody's MAC; write e.g. `06:00:00:00:00:01`"));
        return None;
    }
    if bytes.starts_with(&UNDERLAY_MAC) {
        at.wrong(format!(
            "`{text}` is kept for the underlay, whose MACs begin with 02:00; take e.g. `06:00{}`",
            text.get(5..).unwrap_or_default()
        ));
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn mac_bytes(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part =
            parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
        *byte = u8::from_str_radix(part?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}
