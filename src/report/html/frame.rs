//! What every page has around its content: one file with its style, no script, no network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A whole page of this title.
pub fn frame(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="overlab";
                title { (title) }
                style { (PreEscaped(super::style::sheet())) }
            }
            body { (body) }
        }
    }
    .into_string()
}
