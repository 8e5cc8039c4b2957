//! What happens during a run: links that are cut, switches that die, VMs that move; and the traffic
//! that is watched meanwhile.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Span;

/// How long routers take by default until they act on a link that changed.
pub const DETECTION: Duration = Duration::from_millis(50);

/// One thing that happens while traffic is watched; exactly one of its kinds is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Time from the beginning of the watched traffic.
    pub at: Span,
    /// A name for expectations, where its number in the list is not to be used.
    #[serde(default)]
    pub name: Option<String>,
    /// A link whose both ends lose carrier.
    #[serde(default)]
    pub cut: Option<String>,
    /// A link that was cut and is mended.
    #[serde(default)]
    pub restore: Option<String>,
    /// A switch or router that dies: all its ports go down.
    #[serde(default)]
    pub kill: Option<String>,
    /// A switch or router that died and comes back.
    #[serde(default)]
    pub revive: Option<String>,
    /// A VM, `tenant/vm`, that moves to another host.
    #[serde(default, rename = "move")]
    pub moved: Option<String>,
    /// The host that it moves to.
    #[serde(default)]
    pub to: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening<'a> {
    /// A link goes down at both ends.
    Cut(&'a str),
    /// It comes up again.
    Restore(&'a str),
    /// All ports of a switch go down.
    Kill(&'a str),
    /// They come up again.
    Revive(&'a str),
    /// A VM goes to another host.
    Move {
        /// `tenant/vm`.
        vm: &'a str,
        /// Host name.
        to: &'a str,
    },
}

impl Event {
    /// What happens; `None` where nothing was given, or no host for a VM.
    #[must_use]
    pub fn happening(&self) -> Option<Happening<'_>> {
        let link = self.cut.as_deref().map(Happening::Cut);
        let link = link.or_else(|| self.restore.as_deref().map(Happening::Restore));
        let node = self.kill.as_deref().map(Happening::Kill);
        let node = node.or_else(|| self.revive.as_deref().map(Happening::Revive));
        let moved = self.moved.as_deref().zip(self.to.as_deref());
        link.or(node).or_else(|| moved.map(|(vm, to)| Happening::Move { vm, to }))
    }

    /// What happens, in words: `link leaf1-spine1 is cut`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.happening() {
            Some(Happening::Cut(link)) => format!("link {link} is cut"),
            Some(Happening::Restore(link)) => format!("link {link} is restored"),
            Some(Happening::Kill(node)) => format!("{node} dies"),
            Some(Happening::Revive(node)) => format!("{node} comes back"),
            Some(Happening::Move { vm, to }) => format!("{vm} moves to {to}"),
            None => String::new(),
        }
    }
}

/// The traffic that is watched while events happen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// Pairs of VMs, each `tenant/vm -> tenant/vm`; the ends of the first flow where absent.
    pub ends: Vec<String>,
    /// How long it goes on; absent means three seconds after the last event.
    #[serde(rename = "for")]
    pub span: Option<Span>,
}

/// What the downtime after an event must be; one of the two bounds is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DowntimeExpected {
    /// The event's name, or its number in the list, from 1.
    pub event: String,
    /// Longest.
    #[serde(default, rename = "at-most")]
    pub at_most: Option<Span>,
    /// Shortest.
    #[serde(default, rename = "at-least")]
    pub at_least: Option<Span>,
    /// Only what is watched between VMs of this tenant; absent means all that is watched.
    #[serde(default)]
    pub within: Option<String>,
}

/// What becomes of connections after an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SurvivalExpected {
    /// The event's name, or its number in the list, from 1.
    pub event: String,
    /// Whether the TCP connection that was open before it carries on before the next event.
    pub tcp: bool,
    /// Only what is watched between VMs of this tenant; absent means all that is watched.
    #[serde(default)]
    pub within: Option<String>,
}

/// The position in `events` of the one that a name or a number, from 1, stands for.
#[must_use]
pub fn find_event(events: &[Event], reference: &str) -> Option<usize> {
    let named = events.iter().position(|event| event.name.as_deref() == Some(reference));
    let number = || reference.parse::<usize>().ok()?.checked_sub(1);
    named.or_else(|| number().filter(|n| *n < events.len()))
}

/// The two ends that a watched pair names.
#[must_use]
pub fn watched_pair(text: &str) -> Option<(&str, &str)> {
    let (from, to) = text.split_once("->")?;
    Some((from.trim(), to.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_name_and_by_number() {
        let event = |text: &str| serde_yaml::from_str::<Event>(text).unwrap();
        let events =
            [event("{ at: 1s, cut: a-b }"), event("{ at: 2s, move: red/vm1, to: h4, name: away }")];
        assert_eq!(find_event(&events, "1"), Some(0));
        assert_eq!((find_event(&events, "2"), find_event(&events, "away")), (Some(1), Some(1)));
        assert_eq!([find_event(&events, "0"), find_event(&events, "3")], [None; 2]);
        assert_eq!(find_event(&events, "home"), None);
        assert_eq!(events[0].words(), "link a-b is cut");
        assert_eq!(events[1].happening(), Some(Happening::Move { vm: "red/vm1", to: "h4" }));
        assert_eq!(event("{ at: 1s, move: red/vm1 }").happening(), None);
    }

    #[test]
    fn a_pair_has_two_ends() {
        assert_eq!(watched_pair("red/a -> red/b"), Some(("red/a", "red/b")));
        assert_eq!(watched_pair("red/a"), None);
    }
}
