//! `overlab explain`: each encapsulation with its header, its costs and its traps.

mod facts;

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::dissect::field::Description;
use crate::dissect::figure::figure;
use crate::encap::{Extras, overhead};
use crate::ids::Encap;
use facts::{FACTS, Facts};

/// Columns of the page.
const WIDTH: usize = 80;

/// Explains one encapsulation, or lists all; `false` where there is none of that name (what there
/// is has been written to `errors`).
///
/// # Errors
/// Where the output cannot be written.
pub fn run(name: Option<&str>, out: &mut dyn Write, errors: &mut dyn Write) -> io::Result<bool> {
    let Some(name) = name else {
        write!(out, "{}", list())?;
        return Ok(true);
    };
    let wanted = name.to_lowercase();
    let found = FACTS.iter().find(|f| f.name == wanted || f.aliases.contains(&wanted.as_str()));
    if let Some(facts) = found {
        write!(out, "{}", page(facts))?;
        return Ok(true);
    }
    let names = FACTS.iter().map(|f| f.name);
    let near = names.clone().max_by(|a, b| {
        strsim::jaro_winkler(a, &wanted).total_cmp(&strsim::jaro_winkler(b, &wanted))
    });
    let names: Vec<_> = names.collect();
    writeln!(
        errors,
        "overlab: there is no encapsulation `{name}`; did you mean `{}`? There are: {}",
        near.unwrap_or_default(),
        names.join(", ")
    )?;
    Ok(false)
}

/// One line for each.
fn list() -> String {
    let mut text = String::new();
    for facts in &FACTS {
        let _ = writeln!(text, "{:<10} {:<4} {}", facts.name, cost(facts), facts.summary);
    }
    text.push_str("\nThe number is the overhead over IPv4 in bytes. More: overlab explain NAME\n");
    text
}

fn cost(facts: &Facts) -> String {
    match facts.encap {
        Some((Encap::Ssh, _)) | None => "-".into(),
        Some((encap, extras)) => overhead(encap, false, &extras).to_string(),
    }
}

/// All that is said of one encapsulation.
fn page(facts: &Facts) -> String {
    let mut text = format!("{} - {}\n{}\n\n", facts.title, facts.summary, facts.source);
    paragraph(&mut text, "On the wire: ", 13, facts.layout);
    text.push('\n');
    for header in facts.headers {
        describe(&mut text, header);
    }
    arithmetic(&mut text, facts);
    for (title, said) in [
        ("Carries", facts.carries),
        ("Ids", facts.ids),
        ("Entropy", facts.entropy),
        ("Checksum", facts.checksum),
        ("Multicast", facts.multicast),
        ("Limits", facts.limits),
        ("Here", facts.here),
    ] {
        paragraph(&mut text, &format!("{title:<11}"), 11, said);
    }
    text.push_str("\nTraps\n");
    for trap in facts.traps {
        paragraph(&mut text, "  - ", 4, trap);
    }
    text
}

/// The figure of a header and the meaning of its fields.
fn describe(text: &mut String, header: &Description) {
    let source = format!("({})", header.source);
    paragraph(text, &format!("{} ", header.title), 2, &source);
    let _ = writeln!(text, "\n{}\n", figure(header));
    let mut told: Vec<&str> = Vec::new();
    for field in header.fields {
        // Bits of one name and meaning are told once.
        if told.contains(&field.label) {
            continue;
        }
        told.push(field.label);
        let bits = if field.bits == 1 { "1 bit".into() } else { format!("{} bits", field.bits) };
        let label = if field.label.is_empty() { field.key } else { field.label };
        paragraph(text, &format!("  {label:<24} {bits:<9} "), 37, field.meaning);
    }
    text.push('\n');
}

/// What it costs, with each term named.
fn arithmetic(text: &mut String, facts: &Facts) {
    let Some((encap, extras)) = facts.encap else { return };
    if encap == Encap::Ssh {
        return paragraph(text, "Overhead   ", 11, facts.terms);
    }
    if encap.is_tag() {
        let cost = overhead(encap, false, &extras);
        let said = format!(
            "{} = {cost} bytes in the Ethernet header; the IP MTU stays 1500 where links take \
             frames {cost} bytes longer",
            facts.terms
        );
        return paragraph(text, "Overhead   ", 11, &said);
    }
    for (underlay, v6, ip) in [("IPv4", false, 20), ("IPv6", true, 40)] {
        let cost = overhead(encap, v6, &extras);
        let title = if v6 { "" } else { "Overhead" };
        let (at_1500, at_9000) = (1500 - cost, 9000 - cost);
        let _ = writeln!(text, "{title:<10} {underlay}: {ip} {} = {cost} bytes", facts.terms);
        let _ = writeln!(text, "{:17}inner MTU {at_1500} at 1500, {at_9000} at 9000", "");
    }
    for (said, more) in facts.options {
        let (v4, v6) = (overhead(encap, false, more), overhead(encap, true, more));
        let (mtu, mtu_v6) = (1500 - v4, 1500 - v6);
        let _ = writeln!(text, "{:11}{said}: {v4} bytes (IPv6: {v6});", "");
        let _ = writeln!(text, "{:17}inner MTU {mtu} ({mtu_v6}) at 1500", "");
    }
}

/// A text behind a title, broken into lines that stay right of it.
fn paragraph(text: &mut String, title: &str, indent: usize, said: &str) {
    let mut line = title.to_owned();
    let mut empty = true;
    for word in said.split_whitespace() {
        let gap = usize::from(!empty);
        if !empty && line.chars().count() + gap + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Settings of [`overhead`] with nothing added.
const PLAIN: Extras = Extras {
    key: false,
    checksum: false,
    sequence: false,
    geneve_options: 0,
    bare_ip: false,
    encap_limit: false,
    inner_tag: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    use Encap::{Geneve, Gre, Gretap, Ipip, Nvgre, Qinq, SixInFour, Stt, Vlan, Vxlan};

    /// The settings, and where they mean something.
    const SETTINGS: &[(&str, &[Encap])] = &[
        ("strict", &[Gre, Gretap, Vxlan, Nvgre, Stt, Geneve]),
        ("csum", &[Gre, Gretap]),
        ("seq", &[Gre, Gretap]),
        ("inner_tags", &[Vlan, Vxlan]),
        ("options", &[Geneve]),
        ("service", &[Qinq]),
        ("ttl", &[Ipip, SixInFour, Gre, Gretap, Vxlan, Nvgre, Stt, Geneve]),
        ("dscp", &[Ipip, SixInFour, Gre, Gretap, Vxlan, Nvgre, Stt, Geneve]),
        ("ecn", &[Ipip, SixInFour, Gre, Gretap, Vxlan, Nvgre, Stt, Geneve]),
        ("udp_csum", &[Vxlan, Geneve]),
        ("udp6_zero", &[Vxlan, Geneve]),
    ];

    #[test]
    fn every_encapsulation_has_a_page_of_80_columns() {
        for encap in Encap::ALL.into_iter().filter(|encap| *encap != Encap::None) {
            let facts = FACTS.iter().find(|f| f.name == encap.name()).unwrap();
            let page = page(facts);
            for line in page.lines() {
                assert!(line.chars().count() <= WIDTH, "{encap}: {line}");
            }
            assert!(facts.headers.iter().all(|header| page.contains(&figure(header))));
            assert!(facts.traps.len() >= 2, "{encap}");
            for (key, of) in SETTINGS {
                let told = facts.here.split(|c: char| !c.is_alphanumeric() && c != '_');
                assert_eq!(
                    told.clone().any(|word| word == *key),
                    of.contains(&encap),
                    "{encap}: {key}"
                );
            }
        }
        assert!(list().lines().all(|line| line.chars().count() <= WIDTH));
    }

    /// The terms are words; their sum must be what the engines count.
    #[test]
    fn the_terms_add_up_to_the_overhead() {
        for facts in &FACTS {
            let Some((encap, extras)) = facts.encap.filter(|(encap, _)| *encap != Encap::Ssh)
            else {
                continue;
            };
            let terms = facts.terms.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
            let ip = if encap.is_tag() { 0 } else { 20 };
            let sum = ip + terms.sum::<u32>();
            assert_eq!(sum, overhead(encap, false, &extras), "{}", facts.name);
        }
    }

    #[test]
    fn the_arithmetic_of_vxlan() {
        let page = page(FACTS.iter().find(|f| f.name == "vxlan").unwrap());
        assert!(
            page.contains("= 50 bytes\n                 inner MTU 1450 at 1500, 8950 at 9000"),
            "{page}"
        );
        assert!(
            page.contains("= 70 bytes\n                 inner MTU 1430 at 1500, 8930 at 9000"),
            "{page}"
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        assert!(!run(Some("vxlen"), &mut out, &mut errors).unwrap());
        let said = String::from_utf8(errors).unwrap();
        assert!(said.contains("did you mean `vxlan`?"), "{said}");
        assert!(run(Some("SIT"), &mut out, &mut Vec::new()).unwrap());
        assert!(String::from_utf8(out).unwrap().contains("RFC 4213"));
    }
}
