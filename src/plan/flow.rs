//! Flows with their ends resolved and labelled.

use super::name::Names;
use super::{PlanError, PlannedFlow};
use crate::lab::{Flow, Lab, Tool};

/// The flows of a lab in order, each with a unique label.
///
/// # Errors
/// An end that is no VM, or ends in two tenants.
pub(super) fn flows(lab: &Lab) -> Result<Vec<PlannedFlow>, PlanError> {
    let mut labels = Names::default();
    lab.traffic.iter().map(|flow| resolve(lab, flow, &mut labels)).collect()
}

fn resolve(lab: &Lab, flow: &Flow, labels: &mut Names) -> Result<PlannedFlow, PlanError> {
    let (from, to, span) = match flow {
        Flow::Tcp(tcp) => (&tcp.from, &tcp.to, tcp.span),
        Flow::Udp(udp) => (&udp.from, &udp.to, udp.span),
        Flow::Rr(rr) => (&rr.from, &rr.to, rr.span),
    };
    let wanted = format!("{} {from}→{to}", kind(flow));
    let end = |end: &str| {
        let known = end.split_once('/').filter(|(tenant, vm)| {
            lab.tenants.iter().any(|t| t.name == *tenant && t.vms.iter().any(|v| v.name == *vm))
        });
        known
            .map(|(tenant, vm)| (tenant.to_owned(), vm.to_owned()))
            .ok_or_else(|| PlanError::FlowEnd { flow: wanted.clone(), end: end.to_owned() })
    };
    let (tenant, from) = end(from)?;
    let (other, to) = end(to)?;
    if tenant != other {
        return Err(PlanError::FlowAcross { flow: wanted });
    }
    let label = labels.unique(&wanted, " #");
    Ok(PlannedFlow { label, tenant, from, to, span: span.0, flow: flow.clone() })
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
            words.push(format!("{} B", udp.size));
            udp.tool
        }
        Flow::Rr(rr) => {
            words.push(format!("rr {} B", rr.size));
            Tool::Builtin
        }
    };
    if tool == Tool::Iperf3 {
        words.push("iperf3".to_owned());
    }
    words.join(" ")
}
