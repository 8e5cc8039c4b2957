//! Reports in a browser: that they are drawn without complaint, and fit narrow and wide windows.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use overlab::measure::result::{DirectionTimeline, EventResult, OutageResult, TimelineResult};
use overlab::report;
use support::{Home, Role, repository, skip, text};

/// Widths in CSS pixels: a phone, a tablet, a screen.
const WIDTHS: [u32; 3] = [360, 800, 1400];
/// The longest that a browser may take, on a machine that does other things besides.
const LIMIT: Duration = Duration::from_secs(120);

/// The browser of this machine; says loudly if there is none.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let works = |name: &&str| {
        let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    };
    let found = names.into_iter().find(works);
    if found.is_none() {
        skip("no Chromium is installed");
    }
    found
}

/// Opens a page without a window and returns its document after it was drawn, with what the browser
/// had to say on standard error.
fn dump(browser: &str, dir: &Path, page: &Path, more: &[&str]) -> (String, String) {
    let out = fs::File::create(dir.join("dom")).unwrap();
    let err = fs::File::create(dir.join("log")).unwrap();
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--disable-extensions"])
        .args(["--enable-logging=stderr", "--v=0", "--window-size=1600,1200", "--dump-dom"])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap();
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let log = text(&fs::read(dir.join("log")).unwrap());
            assert!(status.success(), "{status}: {log}");
            return (text(&fs::read(dir.join("dom")).unwrap()), log);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser was not done after {LIMIT:?}");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Widths of an A4 sheet less its margins, in CSS pixels: upright with those of the browser, lying with those of the page.
const UPRIGHT: u32 = 717;
const LYING: u32 = 1039;

/// Checks a page as it is printed: rules for paper hold everywhere, and those for screens nowhere. On paper nothing scrolls, so
/// what is wider than the sheet is cut.
fn check_printed(browser: &str, page: &str, drawings: usize) {
    let print =
        page.replace("@media print", "@media all").replace("@media screen", "@media not all");
    assert_ne!(print, page, "the page has rules for paper");
    check_at(browser, &print, drawings, &[LYING]);
    // Wide tables have lying sheets of their own.
    let hidden =
        "<style>section:has(.wide), #vlan-against-overlay { display: none }</style></head>";
    check_at(browser, &print.replacen("</head>", hidden, 1), drawings, &[UPRIGHT]);
}

/// Prints a page to a PDF and returns how many sheets it has.
fn sheets(browser: &str, page: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (file, pdf) = (dir.path().join("page.html"), dir.path().join("page.pdf"));
    fs::write(&file, page).unwrap();
    dump(browser, dir.path(), &file, &[&format!("--print-to-pdf={}", pdf.display())]);
    let bytes = fs::read(&pdf).unwrap();
    // Each sheet is an object of its own, whose dictionary is not compressed.
    let text = String::from_utf8_lossy(&bytes);
    text.matches("/Type /Page\n").count() + text.matches("/Type /Page ").count()
}

/// A page that holds the report in frames of all widths, and writes for each how wide it became, by how
/// much it scrolls sideways, what stands out of it, and how high it is.
fn wrapper(report: &str, widths: &[u32]) -> String {
    let quoted = report.replace('&', "&amp;").replace('"', "&quot;");
    let frame = |width: &u32| {
        let style = "style=\"border:0\"";
        format!("<iframe width=\"{width}\" height=\"400\" {style} srcdoc=\"{quoted}\"></iframe>")
    };
    let frames = widths.iter().map(frame).collect::<Vec<_>>().concat();
    // What scrolls inside a place of its own does not stand out of the page.
    let script = "
        addEventListener('load', () => {
            const lines = [...document.querySelectorAll('iframe')].map(frame => {
                const page = frame.contentDocument, root = page.scrollingElement;
                for (const part of page.querySelectorAll('details')) part.open = true;
                const wide = frame.contentWindow.innerWidth;
                const inside = e => e.closest('.scroll') && !e.matches('.scroll');
                const out = [...page.querySelectorAll('body *')]
                    .filter(e => !inside(e) && e.getBoundingClientRect().right > wide + 0.5)
                    .map(e => e.tagName + '.' + e.getAttribute('class'));
                return ['WIDTH', wide, root.scrollWidth, root.scrollHeight,
                    page.querySelectorAll('svg').length, out.slice(0, 5).join(',')].join(' ');
            });
            document.body.textContent = lines.join('\\n');
        });";
    format!("<!DOCTYPE html><meta charset=utf-8><script>{script}</script><body>{frames}</body>")
}

/// Checks a report at all widths, in light and in dark.
fn check(browser: &str, report: &str, drawings: usize) {
    check_at(browser, report, drawings, &WIDTHS);
}

fn check_at(browser: &str, report: &str, drawings: usize, widths: &[u32]) {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("wrapper.html");
    fs::write(&page, wrapper(report, widths)).unwrap();
    for scheme in
        ["--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"]
    {
        let (dom, log) = dump(browser, dir.path(), &page, &[scheme]);
        // Errors of scripts and refused resources are messages of the console.
        let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let lines: Vec<&str> =
            dom.lines().filter_map(|line| line.split_once("WIDTH ")).map(|l| l.1).collect();
        assert_eq!(
            lines.len(),
            widths.len(),
            "the script did not end: {}",
            &dom[dom.len().saturating_sub(600)..]
        );
        for (line, &width) in lines.iter().zip(widths) {
            let line = line.trim_end_matches("</body></html>");
            let mut parts = line.splitn(5, ' ');
            let mut number = || parts.next().unwrap().parse::<u32>().unwrap();
            let (inner, scrolls, high, svgs) = (number(), number(), number(), number());
            let out = parts.next().unwrap_or_default();
            assert_eq!(inner, width, "{line}");
            assert!(
                scrolls <= inner && out.is_empty(),
                "at {width} pixels {scrolls} are needed: {out}"
            );
            assert!(high > 400, "nothing is drawn: {line}");
            assert_eq!(svgs as usize, drawings, "{line}");
        }
    }
}

#[test]
fn the_report_of_the_fixture_fits_phones_and_screens() {
    let Some(browser) = browser() else { return };
    let run = report::read(&fs::read_to_string(repository("tests/fixtures/result.json")).unwrap())
        .unwrap();
    let page = report::html(&run);
    check(browser, &page, page.matches("<svg").count());
}

#[test]
fn long_names_and_many_variants_do_not_stand_out_of_the_page() {
    let Some(browser) = browser() else { return };
    let text = fs::read_to_string(repository("tests/fixtures/result.json")).unwrap();
    let mut run = report::read(&text).unwrap();
    for n in 0..6 {
        let mut more = run.variants[3].clone();
        more.name = format!("vxlan-mtu{}-a-name-that-does-not-end-soon-{n}", 1300 + 100 * n);
        more.mtu.underlay += n;
        run.variants.push(more);
    }
    run.title = "Averyveryverylongwordthatcannotbebrokenatanyspacebecausethereisnoneinit".into();
    run.notes = vec!["x".repeat(400)];
    run.lab = format!("labs/{}.yaml", "y".repeat(200));
    for verdict in &mut run.expectations {
        verdict.detail = "z".repeat(150);
    }
    let page = report::html(&run);
    check(browser, &page, page.matches("<svg").count());
}

#[test]
fn the_table_for_the_wall_and_events_over_time_fit_as_well() {
    let Some(browser) = browser() else { return };
    let text = fs::read_to_string(repository("tests/fixtures/result.json")).unwrap();
    let mut run = report::read(&text).unwrap();
    for n in [1, 3] {
        let outage = OutageResult {
            flows: 8,
            downtime_ms: 2500.0,
            down_from: Some(3.9),
            at_once_ms: Some(31.0),
            at_once_from: Some(1.0),
            ..OutageResult::default()
        };
        let event = |number: u32, kind: &str| EventResult {
            number,
            kind: kind.into(),
            what: "a-tenant-with-a-long-name/and-its-machine moves to h12".into(),
            watched: "red/vm1→red/vm2".into(),
            at: f64::from(number),
            there: outage.clone(),
            back: outage.clone(),
            ..EventResult::default()
        };
        let counts = DirectionTimeline { sent: vec![20; 200], arrived: vec![19; 200] };
        run.variants[n].events = vec![event(1, "move"), event(3, "cut")];
        run.variants[n].timelines = vec![TimelineResult {
            watched: "red/vm1→red/vm2".into(),
            interval_ms: 20.0,
            there: counts.clone(),
            back: counts,
            tcp_bytes: vec![2000; 200],
        }];
        for more in 0..3 {
            let mut more_of_it = run.variants[n].clone();
            more_of_it.name += &format!("-multicast-{more}");
            run.variants.push(more_of_it);
        }
    }
    let page = report::html(&run);
    assert!(page.contains("VLAN against overlay") && page.matches("class=\"lane\"").count() == 8);
    check(browser, &page, page.matches("<svg").count());
}

#[test]
fn a_page_that_overflows_or_complains_is_found() {
    let Some(browser) = browser() else { return };
    let page = |body: &str| {
        format!(
            "<!DOCTYPE html><body style=\"margin:0\"><div style=\"height:2000px\"></div>{body}</body>"
        )
    };
    let fails = |body: &str| {
        let page = page(body);
        std::panic::catch_unwind(|| check(browser, &page, 0)).is_err()
    };
    assert!(!fails("<p>short</p>"));
    assert!(fails("<div style=\"width:500px\">wide</div>"));
    assert!(fails("<script>nothing.here()</script>"));
}

/// The pages of all reports that are shown to readers: as they lie there, and drawn anew where this version reads them.
fn shown() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(repository("reports")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
        if let Ok(page) = fs::read_to_string(dir.join("report.html")) {
            out.push((name.clone(), page));
        }
        let result = fs::read_to_string(dir.join("result.json")).ok();
        if let Some(run) = result.and_then(|text| report::read(&text).ok()) {
            out.push((name, report::html(&run)));
        }
    }
    assert!(out.len() >= 4, "{}", out.len());
    out
}

#[test]
fn the_reports_shown_to_readers_fit() {
    let Some(browser) = browser() else { return };
    for (name, page) in shown() {
        eprintln!("{name}");
        check(browser, &page, page.matches("<svg").count());
    }
}

#[test]
fn a_difference_fits() {
    let Some(browser) = browser() else { return };
    let text = fs::read_to_string(repository("tests/fixtures/result.json")).unwrap();
    let (before, mut after) = (report::read(&text).unwrap(), report::read(&text).unwrap());
    after.machine.kernel = "Linux 7.0 x86_64".into();
    after.variants.pop();
    for round in after.variants.iter_mut().flat_map(|v| &mut v.flows[0].rounds) {
        round.error = Some(format!("no answer from {}", "10.1.0.1:".repeat(12)));
    }
    let page = report::diff::diff(&before, &after).html();
    check(browser, &page, 0);
}

#[test]
fn a_real_run_and_the_wall_fit_as_well() {
    let Some(browser) = browser() else { return };
    let home = Home::new(Role::Myself);
    if !home.can_run() {
        return;
    }
    fs::create_dir(home.path().join("labs")).unwrap();
    let lab = fs::read_to_string(repository("labs/hello.yaml")).unwrap();
    let lab = home.write("labs/hello.yaml", &lab);
    let output = home.output(&["run", lab.to_str().unwrap(), "--out", "reports/hello"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = fs::read_to_string(home.path().join("reports/hello/report.html")).unwrap();
    assert!(page.contains("Load of the links"), "the topology is drawn");
    check(browser, &page, page.matches("<svg").count());
    let output = home.output(&["claims", "labs", "--format", "html"]);
    let wall = text(&output.stdout);
    check(browser, &wall, 0);
    check_printed(browser, &wall, 0);
    let sheets = sheets(browser, &wall);
    assert!((1..=20).contains(&sheets), "{sheets} sheets");
}
