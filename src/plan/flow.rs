//! Flows with their ends resolved and labelled.

use super::name::Names;
use super::{PlanError, PlannedFlow, Variant};
use crate::lab::{Flow, Lab, Tool};

/// The flows of a lab in order, each with a unique label.
///
/// # Errors
/// An end that is no VM, or ends in two tenants.
pub(super) fn flows(lab: &Lab) -> Result<Vec<PlannedFlow>, PlanError> {
    let mut labels = Names::default();
    let mut flows = Vec::new();
    for flow in &lab.traffic {
        let label = match flow {
            Flow::Together(members) => {
                Some(labels.unique(&format!("{} flows together", members.len()), " #"))
            }
            _ => None,
        };
        let first = flows.len();
        for member in flow.members().iter().flat_map(Flow::each) {
            flows.extend(resolve(lab, &member, label.as_ref(), &mut labels)?);
        }
        // Their sum stands before them.
        if let (Some(label), Some(member)) = (label, flows.get(first)) {
            let sum = PlannedFlow { label, flow: flow.clone(), together: None, ..member.clone() };
            flows.insert(first, sum);
        }
    }
    Ok(flows)
}

fn resolve(
    lab: &Lab,
    flow: &Flow,
    together: Option<&String>,
    labels: &mut Names,
) -> Result<Option<PlannedFlow>, PlanError> {
    let Some((from, to, span)) = flow.ends() else { return Ok(None) };
    let wanted = format!("{} {from}→{to}", kind(flow));
    let end = |end: &str| {
        let known = end
            .split_once('/')
            .filter(|(tenant, vm)| lab.members(tenant).iter().any(|v| v.name == *vm));
        known
            .map(|(tenant, vm)| (tenant.to_owned(), vm.to_owned()))
            .ok_or_else(|| PlanError::FlowEnd { flow: wanted.clone(), end: end.to_owned() })
    };
    let (tenant, from) = end(from)?;
    let (other, to) = end(to)?;
    if tenant != other && !lab.joined(&tenant, &other) {
        return Err(PlanError::FlowAcross { flow: wanted });
    }
    let label = labels.unique(&wanted, " #");
    let to_tenant = (other != tenant).then_some(other);
    let (span, flow, together) = (span.0, flow.clone(), together.cloned());
    Ok(Some(PlannedFlow { label, tenant, from, to, to_tenant, span, flow, together }))
}

/// What tells this flow from others between the same ends, e.g. `tcp x4` or `udp 200M 1024 B`.
fn kind(flow: &Flow) -> String {
    let mut words = Vec::new();
    let tool = match flow {
        Flow::Tcp(tcp) => {
            words.push("tcp".to_owned());
            if tcp.streams != 1 {
                words.push(format!("x{}", tcp.streams));
            }
            tcp.tool
        }
        Flow::Udp(udp) => {
            words.push("udp".to_owned());
            words.extend(udp.rate.map(|rate| rate.to_string()));
            words.push(format!("{} B", udp.size.first()));
            udp.tool
        }
        Flow::Rr(rr) => {
            words.push(format!("rr {} B", rr.size));
            words.extend(rr.load.map(|streams| format!("beside tcp x{streams}")));
            Tool::Builtin
        }
        Flow::Together(_) => Tool::Builtin,
    };
    if tool == Tool::Iperf3 {
        words.push("iperf3".to_owned());
    }
    words.join(" ")
}

/// Bytes of TCP's header with timestamps (RFC 9293, RFC 7323), which Linux sends by default.
const TCP: u32 = 20 + 12;
/// Bytes of UDP's header (RFC 768).
const UDP: u32 = 8;

impl PlannedFlow {
    /// Payload bytes of one full packet of this flow in a variant, as a cable would carry it: a TCP segment's, or
    /// a datagram's share in each of its fragments (RFC 791 section 3.2, RFC 8200 section 4.5). `None` of
    /// requests and responses, of sums, and where the variant does not carry the flow.
    #[must_use]
    pub fn packet_payload(&self, variant: &Variant) -> Option<f64> {
        let [from, to] = self.ends(variant)?;
        let mtu = from.mtu.min(to.mtu);
        let six = to.address.addr().is_ipv6();
        let header = if six { 40 } else { 20 };
        match &self.flow {
            Flow::Tcp(_) => Some(f64::from(mtu.checked_sub(header + TCP)?)),
            Flow::Udp(udp) => {
                let size = u32::try_from(udp.size.first().0).ok()?;
                let room = mtu.checked_sub(header)?;
                // All fragments but the last hold a multiple of 8 bytes; IPv6 has a header for them.
                let part = room.checked_sub(if six { 8 } else { 0 })? / 8 * 8;
                let packets =
                    if size + UDP <= room { 1 } else { (size + UDP).div_ceil(part.max(8)) };
                Some(f64::from(size) / f64::from(packets))
            }
            Flow::Rr(_) | Flow::Together(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_of_sizes_is_a_flow_of_each() {
        let lab = "{ title: t, topology: { single-switch: { hosts: 2 } },
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
            traffic: [{ udp: { from: red/a, to: red/b, for: 1s, size: [64, 1K] } },
                      { udp: { from: red/a, to: red/b, for: 1s, size: 64 } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let found: Vec<_> =
            plan.flows.iter().map(|f| (f.label.as_str(), f.flow.size().unwrap().0)).collect();
        let expected = [
            ("udp 64 B red/a→red/b", 64),
            ("udp 1024 B red/a→red/b", 1024),
            ("udp 64 B red/a→red/b #2", 64),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn bulk_flows_inside_ssh_are_looked_at_longer() {
        let lab = "{ title: t, topology: { single-switch: { hosts: 2 } },
            compare: { encap: [vxlan, ssh] },
            tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }],
            traffic: [{ tcp: { from: red/a, to: red/b, for: 250ms } },
                      { tcp: { from: red/a, to: red/b, for: 5s } },
                      { rr: { from: red/a, to: red/b, for: 250ms } }] }";
        let loaded = crate::lab::read_str("lab", lab).unwrap();
        let plan = crate::plan::plan(&loaded.lab, &loaded.topology).unwrap();
        let windows = |name: &str| {
            let variant = plan.variants.iter().find(|v| v.name == name).unwrap();
            let each = plan.flows.iter().map(|f| f.window(variant).as_millis());
            each.collect::<Vec<_>>()
        };
        assert_eq!(windows("vxlan"), [250, 5000, 250]);
        assert_eq!(windows("ssh"), [2000, 5000, 250]);
    }
}
