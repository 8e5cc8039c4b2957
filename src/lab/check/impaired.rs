//! What links do to packets: values that belong together.

use super::Whole;
use crate::lab::link::LinkExpected;
use crate::lab::model::{Impaired, LinkSpec, Topology};
use crate::lab::read::{Sink, below, suggestion};
use crate::lab::units::Delay;

/// Every link of a topology that stands at `path`.
pub(super) fn check(topology: &Topology, path: &str, sink: &Sink<'_>) {
    let usual = topology.impaired();
    together(usual, path, sink);
    if let Some(wan) = &topology.wan {
        let own =
            Impaired { loss: wan.loss, delay: wan.delay, jitter: wan.jitter, reorder: wan.reorder };
        own_or(own, usual, &below(path, "wan"), sink);
    }
    for (n, link) in topology.links.iter().enumerate() {
        if let LinkSpec::Full(_) = link {
            own_or(link.impaired(), usual, &format!("{}[{n}]", below(path, "links")), sink);
        }
    }
}

/// The compared delays with what the links that take them say beside.
pub(super) fn compared(whole: &Whole<'_>) {
    let (Some(topology), false) = (whole.topology, whole.lab.compare.delay.is_empty()) else {
        return;
    };
    let own: Vec<Impaired> = topology.wiring().links.iter().map(LinkSpec::impaired).collect();
    for (n, &delay) in whole.lab.compare.delay.iter().enumerate() {
        let usual = Impaired { delay: Some(delay), ..topology.impaired() };
        if let Some((_, why)) = own.iter().find_map(|own| wrong(own.or(usual))) {
            whole.sink.rule(&format!("compare.delay[{n}]"), why);
        }
    }
}

/// An expectation about links: there are some, and they are to do what is bounded.
pub(super) fn expected(whole: &Whole<'_>, wanted: &LinkExpected, path: &str) {
    let Some(topology) = whole.topology else { return };
    let compare = &whole.lab.compare;
    let usual = Impaired {
        loss: topology.loss.or(compare.loss.iter().max().copied()),
        delay: topology.delay.or(compare.delay.iter().max().copied()),
        ..topology.impaired()
    };
    let wiring = topology.wiring();
    let of = |link: &LinkSpec| (link.impaired().or(usual), link.rate().or(topology.rate));
    let named = |link: &&LinkSpec| {
        let [a, b] = link.ends();
        // Further cables between the same nodes have a number behind that.
        let start = format!("{a}-{b}");
        wanted.name.as_ref().is_none_or(|name| name.starts_with(&start))
    };
    let links: Vec<_> = wiring.links.iter().filter(named).map(of).collect();
    if let (Some(name), []) = (&wanted.name, links.as_slice()) {
        let known: Vec<String> = wiring.links.iter().map(|l| l.ends().join("-")).collect();
        let near = suggestion(name, known.iter().map(String::as_str));
        whole.sink.rule(&below(path, "name"), format!("there is no link `{name}`{near}"));
        return;
    }
    let some = |has: fn(&Impaired) -> bool| links.iter().any(|(link, _)| has(link));
    let lacking = [
        ("delay", wanted.delay.is_some(), some(|link| link.any())),
        ("jitter", wanted.jitter.is_some(), some(|link| link.any())),
        ("loss", wanted.loss.is_some(), some(|link| link.any())),
        ("reorder", wanted.reorder.is_some(), some(|link| link.real().reorder.is_some())),
        ("rate", wanted.rate.is_some(), links.iter().any(|(_, rate)| rate.is_some())),
    ];
    for (key, _, _) in lacking.into_iter().filter(|(_, asked, has)| *asked && !has) {
        let what = match key {
            "reorder" | "rate" => format!("no such link has a `{key}`"),
            _ => "no such link has a `delay` or a `loss`".to_owned(),
        };
        whole.sink.rule(&below(path, key), format!("{what}, so nothing of it is observed"));
    }
}

/// What a link says itself, with what the topology adds; silent where it adds all of it.
fn own_or(own: Impaired, usual: Impaired, path: &str, sink: &Sink<'_>) {
    if own != Impaired::default() {
        together(own.or(usual), path, sink);
    }
}

fn together(link: Impaired, path: &str, sink: &Sink<'_>) {
    if let Some((key, why)) = wrong(link) {
        let at = below(path, key);
        // What is wrong may come from the topology's own keys: then the link's `delay` is.
        let at = if sink.has(&at) { at } else { below(path, "delay") };
        sink.rule(if sink.has(&at) { &at } else { path }, why);
    }
}

/// The key that cannot be as it is, and why.
fn wrong(link: Impaired) -> Option<(&'static str, String)> {
    let delay = link.delay.unwrap_or(Delay(0));
    if let Some(jitter) = link.jitter.filter(|jitter| *jitter > delay) {
        let why = format!(
            "a packet that is under way {delay} can be early by that much at most, and a jitter of \
             {jitter} is more; make `delay` longer or `jitter` shorter"
        );
        return Some(("jitter", why));
    }
    let reorder = link.reorder.filter(|share| share.0 > 0 && delay.0 == 0)?;
    let why = format!(
        "{reorder} of the packets are to overtake others, and none is under way long enough to be \
         overtaken; give the link a `delay`, e.g. `10ms`"
    );
    Some(("reorder", why))
}
