//! `expect`: entries of MAC tables, and frames that stray.

use super::At;
use super::at::Fields;
use super::expect::bounded;
use crate::lab::limits::{COUNT, VMS};
use crate::lab::model::{Expected, StrayExpected, TableExpected};

pub(super) fn tables(at: &At<'_>) -> Option<Expected> {
    let keys = ["node", "vms", "at-least", "at-most"];
    let fields = at.fields("a map, e.g. `{ node: leaf1, at-most: 4 }`", &keys)?;
    let node = fields.need("node", "the name of a switch or host")?;
    let (at_least, at_most) = bounds(&fields, "number of entries");
    bounded(at, at_least.is_some() || at_most.is_some())?;
    Some(Expected::Tables(TableExpected {
        node: node.text("the name of a switch or host")?,
        vms: fields.get("vms").and_then(|at| at.number("number of VMs", &VMS)),
        at_least,
        at_most,
    }))
}

pub(super) fn stray(at: &At<'_>) -> Option<Expected> {
    let keys = ["within", "at-least", "at-most"];
    let fields = at.fields("a map, e.g. `{ within: red, at-most: 0 }`", &keys)?;
    let within = fields.need("within", "a tenant's name")?;
    let (at_least, at_most) = bounds(&fields, "number of frames");
    bounded(at, at_least.is_some() || at_most.is_some())?;
    let within = within.text("a tenant's name")?;
    Some(Expected::Stray(StrayExpected { within, at_least, at_most }))
}

fn bounds(fields: &Fields<'_>, what: &str) -> (Option<u32>, Option<u32>) {
    let bound = |key| fields.get(key).and_then(|at| at.number(what, &COUNT));
    (bound("at-least"), bound("at-most"))
}
