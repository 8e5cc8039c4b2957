//! What happens while traffic is watched, and between whom.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PlanError;
use crate::lab::{DETECTION, Event, Flow, Lab, watched_pair};

/// How long traffic is watched after the last event where the lab does not say.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// Events and the traffic that is watched meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// What happens, in the order of time.
    pub events: Vec<Event>,
    /// Between whom traffic is watched.
    pub watched: Vec<Pair>,
    /// How long.
    pub span: Duration,
    /// How long routers take until they act on a link that changed.
    pub detection: Duration,
}

/// Two VMs of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Their tenant.
    pub tenant: String,
    /// The one that the TCP connection's data come from.
    pub from: String,
    /// The other one.
    pub to: String,
}

impl Pair {
    /// `tenant/vm→tenant/vm`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{0}/{1}→{0}/{2}", self.tenant, self.from, self.to)
    }
}

/// The schedule of a lab; `None` where nothing happens.
///
/// # Errors
/// A watched pair that is none.
pub(super) fn schedule(lab: &Lab) -> Result<Option<Schedule>, PlanError> {
    let Some(last) = lab.events.last() else { return Ok(None) };
    let first = lab.traffic.iter().flat_map(Flow::members).find_map(Flow::ends);
    let pairs: Vec<Option<(&str, &str)>> = if lab.watch.ends.is_empty() {
        vec![first.map(|(from, to, _)| (from, to))]
    } else {
        lab.watch.ends.iter().map(|pair| watched_pair(pair)).collect()
    };
    let pair = |ends: Option<(&str, &str)>| {
        let (from, to) = ends.ok_or(PlanError::NothingWatched)?;
        let vm = |end: &str| {
            let (tenant, vm) = end.split_once('/')?;
            let known = lab.tenants.iter().find(|t| t.name == tenant)?;
            known.vms.iter().find(|v| v.name == vm)?;
            Some((tenant.to_owned(), vm.to_owned()))
        };
        let (tenant, from) = vm(from).ok_or(PlanError::NothingWatched)?;
        let (_, to) = vm(to).ok_or(PlanError::NothingWatched)?;
        Ok(Pair { tenant, from, to })
    };
    Ok(Some(Schedule {
        events: lab.events.clone(),
        watched: pairs.into_iter().map(pair).collect::<Result<_, _>>()?,
        span: lab.watch.span.map_or(last.at.0 + AFTERWARDS, |span| span.0),
        detection: lab.detection.map_or(DETECTION, |span| span.0),
    }))
}
