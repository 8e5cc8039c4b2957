//! Reports drawn from a fixed result document.

use overlab::measure::result::RunResult;
use overlab::report;

fn fixture() -> RunResult {
    report::read(include_str!("fixtures/result.json")).unwrap()
}

#[test]
fn terminal_at_80_and_120_columns() {
    for width in [80, 120] {
        let text = report::terminal(&fixture(), width, false);
        assert!(!text.contains('\x1b'));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
        }
        insta::assert_snapshot!(format!("terminal_{width}"), text);
    }
}

#[test]
fn markdown() {
    insta::assert_snapshot!(report::markdown(&fixture()));
}

#[test]
fn html_page() {
    let page = report::html(&fixture());
    for variant in &fixture().variants {
        assert!(page.contains(&format!(">{}<", variant.name)), "{}", variant.name);
    }
    if let Ok(path) = std::env::var("OVERLAB_PAGE") {
        std::fs::write(path, page).unwrap();
    }
}
