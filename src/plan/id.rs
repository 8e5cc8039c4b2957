//! The id of each tenant on the wire.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::{PlanError, Refusal};
use crate::ids::{ContextId, Encap, GreKey, VlanId, Vni, Vsid};
use crate::lab::Tenant;

/// Ids of all tenants in an encapsulation, in their order; 0 where it has none. Tenants without
/// an id of their own are numbered in order, from 101 for VLANs and from 5001 for the rest,
/// around the ids that are written; past the
/// largest counting goes on from the smallest.
///
/// # Errors
/// The same id written twice, or none left.
pub(super) fn ids(encap: Encap, tenants: &[Tenant]) -> Result<Vec<u64>, PlanError> {
    let Some((first, min, max)) = range(encap) else {
        return Ok(vec![0; tenants.len()]);
    };
    let mut taken = HashSet::new();
    for (index, tenant) in tenants.iter().enumerate() {
        if let Some(id) = written(encap, tenant)
            && !taken.insert(id)
        {
            let other = tenants[..index].iter().find(|t| written(encap, t) == Some(id));
            return Err(PlanError::IdTaken {
                first: other.unwrap_or(tenant).name.clone(),
                second: tenant.name.clone(),
                encap,
                id,
            });
        }
    }
    let mut free = (first..=max).chain(min..first).filter(|id| !taken.contains(id));
    tenants
        .iter()
        .map(|tenant| {
            written(encap, tenant).or_else(|| free.next()).ok_or_else(|| PlanError::IdsExhausted {
                tenant: tenant.name.clone(),
                encap,
                min,
                max,
            })
        })
        .collect()
}

/// The first tenant that no id is left for.
pub(super) fn refused(encap: Encap, tenants: &[Tenant]) -> Option<Refusal> {
    let error = ids(encap, tenants).err()?;
    let PlanError::IdsExhausted { tenant, .. } = &error else { return None };
    let place = tenants.iter().position(|t| t.name == *tenant)?;
    Some(Refusal { number: place + 1, message: error.to_string() })
}

/// How many tenant networks an encapsulation tells apart; `None` where packets name none.
pub(super) fn available(encap: Encap) -> Option<u128> {
    range(encap).map(|(_, min, max)| u128::from(max) - u128::from(min) + 1)
}

/// Bits of the field that names a tenant, and how many names there are; `None` where packets name none.
#[must_use]
pub fn id_space(encap: Encap) -> Option<(u32, u128)> {
    let bits = |max: u64| u64::BITS - max.leading_zeros();
    Some((range(encap).map(|(_, _, max)| bits(max))?, available(encap)?))
}

/// The ids that may name a tenant; `None` where packets name none.
#[must_use]
pub fn id_range(encap: Encap) -> Option<RangeInclusive<u64>> {
    range(encap).map(|(_, min, max)| min..=max)
}

/// The number that counting starts from, the smallest id and the largest.
fn range(encap: Encap) -> Option<(u64, u64, u64)> {
    match encap {
        Encap::None | Encap::Ipip | Encap::SixInFour | Encap::Ssh => None,
        Encap::Vlan | Encap::Qinq => Some((101, VlanId::MIN, VlanId::MAX)),
        Encap::Vxlan | Encap::Geneve => Some((5001, Vni::MIN, Vni::MAX)),
        Encap::Nvgre => Some((5001, Vsid::MIN, Vsid::MAX)),
        Encap::Gre | Encap::Gretap => Some((5001, GreKey::MIN, GreKey::MAX)),
        Encap::Stt => Some((5001, ContextId::MIN, ContextId::MAX)),
    }
}

fn written(encap: Encap, tenant: &Tenant) -> Option<u64> {
    match encap {
        Encap::None | Encap::Ipip | Encap::SixInFour | Encap::Ssh => None,
        Encap::Vlan | Encap::Qinq => tenant.vid.map(u64::from),
        Encap::Vxlan | Encap::Geneve => tenant.vni.map(u64::from),
        Encap::Nvgre => tenant.vsid.map(u64::from),
        Encap::Gre | Encap::Gretap => tenant.key.map(u64::from),
        Encap::Stt => tenant.context.map(u64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, more: &str) -> Tenant {
        serde_yaml::from_str(&format!("{{ name: {name}, subnet: 10.0.0.0/24, vms: [] {more} }}"))
            .unwrap()
    }

    #[test]
    fn tenants_are_numbered_around_the_ids_that_are_written() {
        let tenants = [tenant("a", ""), tenant("b", ", vni: 5001, vid: 4094"), tenant("c", "")];
        assert_eq!(ids(Encap::Vlan, &tenants).unwrap(), [101, 4094, 102]);
        assert_eq!(ids(Encap::Vxlan, &tenants).unwrap(), [5002, 5001, 5003]);
        assert_eq!(ids(Encap::None, &tenants).unwrap(), [0, 0, 0]);
    }

    #[test]
    fn an_id_space_is_that_of_the_field() {
        let of = |encap| id_space(encap).unwrap();
        assert_eq!([of(Encap::Vlan), of(Encap::Qinq)], [(12, 4094); 2]);
        assert_eq!((of(Encap::Vxlan), of(Encap::Gre)), ((24, 1 << 24), (32, 1 << 32)));
        assert_eq!((of(Encap::Nvgre).0, of(Encap::Stt)), (24, (64, 1 << 64)));
        assert!(id_space(Encap::None).is_none() && id_space(Encap::Ssh).is_none());
    }

    #[test]
    fn an_id_is_given_once_and_vlans_run_out() {
        let error = ids(Encap::Vxlan, &[tenant("a", ", vni: 7"), tenant("b", ", vni: 7")]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "tenants `a` and `b` both have vxlan id 7; give one another id"
        );
        let many: Vec<_> = (0..4095).map(|n| tenant(&format!("t{n}"), "")).collect();
        assert!(ids(Encap::Vxlan, &many).is_ok());
        let all = ids(Encap::Vlan, &many[..4094]).unwrap();
        assert_eq!((all[0], all[3993], all[3994], all[4093]), (101, 4094, 1, 100));
        assert!(ids(Encap::Vlan, &many).unwrap_err().to_string().contains("from 1 to 4094"));
    }
}
