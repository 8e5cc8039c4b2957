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

/// A page that holds the report in frames of all widths, and writes for each how wide it became, by how
/// much it scrolls sideways, what stands out of it, and how high it is.
fn wrapper(report: &str) -> String {
    let quoted = report.replace('&', "&amp;").replace('"', "&quot;");
    let frames = WIDTHS.map(|width| {
        format!("<iframe width=\"{width}\" height=\"900\" style=\"border:0\" srcdoc=\"{quoted}\"></iframe>")
    });
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
    format!(
        "<!DOCTYPE html><meta charset=utf-8><script>{script}</script><body>{}</body>",
        frames.join("")
    )
}

/// Checks a report at all widths, in light and in dark.
fn check(browser: &str, report: &str, drawings: usize) {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("wrapper.html");
    fs::write(&page, wrapper(report)).unwrap();
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
            WIDTHS.len(),
            "the script did not end: {}",
            &dom[dom.len().saturating_sub(600)..]
        );
        for (line, width) in lines.iter().zip(WIDTHS) {
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
            assert!(high > 900, "nothing is drawn: {line}");
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
    check(browser, &text(&output.stdout), 0);
}
