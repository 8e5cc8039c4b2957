//! Names: which are allowed, and which one was probably meant.

use crate::lab::limits::{NODE_NAME, TENANT_NAME};

/// What a name names and how long it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// In words, e.g. `host`.
    pub what: &'static str,
    /// Largest length in bytes.
    pub max: usize,
    /// Why it ends there.
    pub because: &'static str,
}

/// Hosts and switches.
pub(crate) const NODES: Names = Names {
    what: "node",
    max: NODE_NAME,
    because: "the interfaces that lead to it carry its name",
};
/// Tenants.
pub(crate) const TENANTS: Names = Names {
    what: "tenant",
    max: TENANT_NAME,
    because: "it becomes part of the names of namespaces",
};
/// VLAN segments.
pub(crate) const SEGMENTS: Names =
    Names { what: "segment", max: TENANT_NAME, because: "it heads a row of tables" };
/// VMs.
pub(crate) const PROBES: Names =
    Names { what: "probe", max: TENANT_NAME, because: "it heads a row of tables" };
pub(crate) const VMS: Names =
    Names { what: "VM", max: TENANT_NAME, because: "it becomes part of the names of namespaces" };

impl Names {
    /// Why a name cannot be used; `None` where it can.
    pub fn objection(self, name: &str) -> Option<String> {
        let Names { what, max, because } = self;
        if name.is_empty() {
            return Some(format!("a {what} needs a name; write e.g. `red1`"));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some(wrong) = name.chars().find(|c| !allowed(*c)) {
            let lower: String =
                name.to_lowercase().chars().map(|c| if allowed(c) { c } else { '-' }).collect();
            let lower = lower.trim_matches('-');
            let hint = if lower.is_empty() { String::new() } else { format!(", e.g. `{lower}`") };
            return Some(format!(
                "`{name}` cannot name a {what}: {wrong:?} is not allowed; \
                 use a to z, 0 to 9 and `-`{hint}"
            ));
        }
        if name.starts_with('-') || name.ends_with('-') {
            return Some(format!(
                "`{name}` cannot name a {what}: it must begin and end with a letter or digit"
            ));
        }
        (name.len() > max).then(|| {
            format!("`{name}` is {} bytes long; {max} is the limit, since {because}", name.len())
        })
    }
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter_map(|k| Some((distance(name, k)?, k)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, k)| k)
}

/// How many slips of the pen lie between two names; `None` where there are too many to confuse them.
pub(crate) fn distance(name: &str, known: &str) -> Option<usize> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let distance = strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    (distance <= limit).then_some(distance)
}

/// `; did you mean ..?`, or the known names where none is near.
pub(crate) fn suggestion<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(near) = nearest(name, known.clone()) {
        return format!("; did you mean `{near}`?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.as_slice() {
        [] => String::new(),
        [only] => format!("; the only one is `{only}`"),
        all if all.len() > 16 => {
            format!("; known are {} and {} more", all[..8].join(", "), all.len() - 8)
        }
        all => format!("; known are {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("tennants", ["title", "tenants"]), Some("tenants"));
        assert_eq!(nearest("VNI", ["vid", "vni"]), Some("vni"));
        assert_eq!(nearest("xyzzy", ["title", "tenants"]), None);
    }

    #[test]
    fn names_that_cannot_be_used_say_why() {
        assert_eq!(NODES.objection("leaf-1"), None);
        let text = NODES.objection("Leaf 1").unwrap();
        assert!(text.contains("`leaf-1`"), "{text}");
        assert!(NODES.objection("a-host-of-16-byt").unwrap().contains("16 bytes"));
        assert!(NODES.objection("-a").is_some());
        assert!(NODES.objection("").is_some());
    }
}
