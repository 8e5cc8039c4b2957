//! Words of the picture, and how wide they are about.

use crate::ids::Encap;

/// Width of a character of the sans-serif faces of browsers, as a part of the font's size.
const CHARACTER: f64 = 0.56;

/// Width of a text in pixels, about.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// A text that is no wider than `max` pixels, with an ellipsis where it was cut.
pub(super) fn fit(text: &str, size: f64, max: f64) -> String {
    if width(text, size) <= max {
        return text.to_owned();
    }
    let room = ((max / (size * CHARACTER)) as usize).saturating_sub(1);
    format!("{}…", text.chars().take(room).collect::<String>())
}

/// `&`, `<`, `>`, quotes and control characters made harmless in XML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// What the id of a tenant is called, e.g. `VNI`.
pub(super) const fn id_name(encap: Encap) -> &'static str {
    match encap {
        Encap::Vlan => "VLAN",
        Encap::Qinq => "C-tag",
        Encap::Vxlan | Encap::Geneve => "VNI",
        Encap::Nvgre => "VSID",
        Encap::Gre | Encap::Gretap => "key",
        Encap::Stt => "context",
        Encap::None | Encap::Ipip | Encap::SixInFour | Encap::Ssh => "",
    }
}

/// The first and the last of some names.
pub(super) fn range(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} … {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_and_are_harmless() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        let cut = fit("a name that is far too long", 10.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 60.0, "{cut}");
        assert_eq!(escape("<a & \"b\">\u{1b}"), "&lt;a &amp; &quot;b&quot;&gt; ");
        assert_eq!(range(&["h1", "h2", "h3"]), "h1 … h3");
    }
}
