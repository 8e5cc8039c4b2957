//! What a run tells while it works.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::runner::Progress;

/// A line that moves on a terminal, or one line per stage elsewhere, on standard error.
pub struct Line {
    bar: Option<ProgressBar>,
    started: Instant,
    stage: Mutex<String>,
}

impl Line {
    /// Begins; `expected` is how long the whole run is estimated to take.
    pub fn new(expected: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let total = expected.as_secs();
            let template = format!("{{spinner}} {{elapsed}} of about {total} s  {{wide_msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Line { bar, started: Instant::now(), stage: Mutex::default() }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Line {
    fn stage(&self, what: &str) {
        if let Ok(mut stage) = self.stage.lock() {
            what.clone_into(&mut stage);
        }
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("[{:5.1} s] {what}", self.started.elapsed().as_secs_f64()),
        }
    }

    fn step(&self, what: &str) {
        if let (Some(bar), Ok(stage)) = (&self.bar, self.stage.lock()) {
            bar.set_message(format!("{stage}: {what}"));
        }
    }
}
