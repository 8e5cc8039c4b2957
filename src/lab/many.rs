//! Entries that stand for many: tenants by `count`, and VMs spread over hosts.
//!
//! They are written out once the topology is known, before the rules look at the lab, so that nothing
//! behind this knows of them.

use serde::{Deserialize, Serialize};

use super::limits::LAB_VMS;
use super::model::{Lab, Tenant, Vm};
use super::read::{Sink, suggestion};
use crate::ids::IdError;

/// VMs `vm1` and up that are spread over hosts in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u32,
    /// The hosts; empty for all of the topology.
    pub on: Vec<String>,
}

/// Writes every entry out. The rules' paths name tenants by their place afterwards, and the sink
/// learns which entry each one came from.
pub(super) fn write_out(lab: &mut Lab, hosts: Option<&[String]>, sink: &Sink<'_>) {
    if lab.tenants.iter().all(|tenant| tenant.count.is_none() && tenant.spread.is_none()) {
        return;
    }
    let (mut tenants, mut origins) = (Vec::new(), Vec::new());
    let mut vms = 0;
    for (entry, mut tenant) in std::mem::take(&mut lab.tenants).into_iter().enumerate() {
        let path = format!("tenants[{entry}]");
        if let (Some(spread), Some(hosts)) = (&mut tenant.spread, hosts) {
            known(spread, hosts, &format!("{path}.vms.on"), sink);
        }
        let count = tenant.count.unwrap_or(1);
        let each = tenant.spread.as_ref().map_or(tenant.vms.len(), |spread| spread.count as usize);
        vms += u64::from(count) * each as u64;
        if vms > LAB_VMS {
            sink.rule(
                &path,
                format!("the lab has more than {LAB_VMS} VMs with these; each becomes a namespace"),
            );
            // Whoever speaks of the tenant is not to be told that there is none.
            tenants.push(Tenant { count: None, spread: None, ..tenant });
            origins.push(entry);
            continue;
        }
        for number in 0..count {
            match one(&tenant, number, hosts.unwrap_or_default()) {
                Ok(tenant) => tenants.push(tenant),
                Err((key, error)) => {
                    let message = format!("counts up beyond its range: {error}");
                    sink.rule(&format!("{path}.{key}"), message);
                    break;
                }
            }
            origins.push(entry);
        }
    }
    lab.tenants = tenants;
    sink.written_out(origins);
}

/// Takes out hosts that the topology has not.
fn known(spread: &mut Spread, hosts: &[String], path: &str, sink: &Sink<'_>) {
    let mut place = 0;
    spread.on.retain(|host| {
        let known = hosts.contains(host);
        if !known {
            let near = suggestion(host, hosts.iter().map(String::as_str));
            let message = format!("the topology has no host `{host}`{near}");
            sink.rule(&format!("{path}[{place}]"), message);
        }
        place += 1;
        known
    });
}

/// The tenant of a number, from 0, among those that an entry stands for.
fn one(entry: &Tenant, number: u32, hosts: &[String]) -> Result<Tenant, (&'static str, IdError)> {
    let mut tenant = Tenant { count: None, spread: None, ..entry.clone() };
    if entry.count.is_some() && !entry.name.is_empty() {
        tenant.name = format!("{}{}", entry.name, number + 1);
    }
    if let Some(spread) = &entry.spread {
        tenant.vms = vms(spread, number, hosts);
    }
    tenant.vid = next("vid", entry.vid, number)?;
    tenant.vni = next("vni", entry.vni, number)?;
    tenant.vsid = next("vsid", entry.vsid, number)?;
    tenant.key = next("key", entry.key, number)?;
    tenant.context = next("context", entry.context, number)?;
    Ok(tenant)
}

fn next<T>(
    key: &'static str,
    first: Option<T>,
    number: u32,
) -> Result<Option<T>, (&'static str, IdError)>
where
    T: TryFrom<u64, Error = IdError> + Into<u64>,
{
    let Some(first) = first else { return Ok(None) };
    // Past 64 bits it is past every range as well, but for the widest, which ends there.
    let id = first.into().saturating_add(number.into());
    T::try_from(id).map(Some).map_err(|error| (key, error))
}

/// Tenants begin where the one before them ended, so that all hosts get as many VMs.
fn vms(spread: &Spread, tenant: u32, hosts: &[String]) -> Vec<Vm> {
    let hosts = if spread.on.is_empty() { hosts } else { &spread.on };
    if hosts.is_empty() {
        return Vec::new();
    }
    let first = tenant as usize * spread.count as usize;
    let vm = |number: usize| Vm {
        name: format!("vm{}", number + 1),
        host: hosts[(first + number) % hosts.len()].clone(),
        ip: None,
        mac: None,
        mtu: None,
    };
    (0..spread.count as usize).map(vm).collect()
}

#[cfg(test)]
mod tests {
    use crate::lab::{Lab, read_str};

    fn read(tenant: &str) -> Result<Lab, String> {
        let text = format!("title: t\ntopology: two-racks\ntenants:\n  - {tenant}\n");
        read_str("t.yaml", &text).map(|loaded| loaded.lab).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_counted_tenant_is_many_with_ids_counting_up() {
        let lab = read(
            "{ name: t, count: 3, vni: 7, context: 18446744073709551613, subnet: 10.0.0.0/24, vms: { a: h1 } }",
        );
        let tenants = lab.unwrap().tenants;
        let names: Vec<_> = tenants.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["t1", "t2", "t3"]);
        let vnis: Vec<u64> = tenants.iter().map(|t| t.vni.unwrap().into()).collect();
        assert_eq!(vnis, [7, 8, 9]);
        assert_eq!(u64::from(tenants[2].context.unwrap()), u64::MAX);
        assert_eq!((tenants[0].vid, tenants[2].vms.len()), (None, 1));
        assert_eq!(tenants[0].subnet, tenants[2].subnet);
    }

    #[test]
    fn vms_are_spread_in_turn() {
        let lab = read("{ name: t, count: 2, subnet: 10.0.0.0/24, vms: { count: 3, on: all } }");
        let tenants = lab.unwrap().tenants;
        let hosts = |n: usize| tenants[n].vms.iter().map(|v| v.host.clone()).collect::<Vec<_>>();
        assert_eq!(hosts(0), ["h1", "h2", "h3"]);
        assert_eq!(hosts(1), ["h4", "h1", "h2"]);
        let some = read("{ name: t, subnet: 10.0.0.0/24, vms: { count: 3, on: [h4, h2] } }");
        let some = some.unwrap().tenants;
        assert_eq!((some[0].name.as_str(), some[0].vms[2].host.as_str()), ("t", "h4"));
        // VMs of these names are still VMs.
        let named = read("{ name: t, subnet: 10.0.0.0/24, vms: { count: h1, up: h2 } }").unwrap();
        assert_eq!(named.tenants[0].vms[0].name, "count");
    }

    #[test]
    fn faults_are_told_once_and_where_they_were_written() {
        let fault = |tenant: &str| read(tenant).unwrap_err();
        let beyond = fault("{ name: t, count: 5000, vid: 1, subnet: 10.0.0.0/24, vms: { a: h1 } }");
        assert!(beyond.contains("tenants[0].vid: counts up beyond") && beyond.contains("1 fault"));
        let host = fault("{ name: t, count: 9, subnet: 10.0.0.0/24, vms: { count: 2, on: [h9] } }");
        assert!(host.contains("no host `h9`") && host.contains("1 fault"), "{host}");
        let many =
            fault("{ name: t, count: 9000, subnet: 10.0.0.0/16, vms: { count: 90, on: all } }");
        assert!(many.contains("more than") && many.contains("1 fault"), "{many}");
        let wrap = fault(
            "{ name: t, count: 2, context: 18446744073709551615, subnet: 10.0.0.0/24, vms: { a: h1 } }",
        );
        assert!(wrap.contains("1 fault"), "{wrap}");
    }
}
