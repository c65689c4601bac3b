//! Adoption as it happens, on a terminal: a bar, the rate, the time left, and who runs what.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::api::{EventStatus, Status};
use crate::report::short;

/// Most lines of the histogram: the two versions of a release and a few stragglers.
const SHOWN_HASHES: usize = 5;
/// Width of the longest bar of the histogram.
const BAR_CHARS: u64 = 30;

/// A live display on stderr.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = ProgressBar::new(0);
        let template = "{bar:40} {pos}/{len} updated  {per_sec}  {eta} left  {elapsed} so far\n{msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress(bar)
    }

    pub(crate) fn show(&self, status: &Status, event: &EventStatus) {
        let counts = &event.counts;
        self.0.set_length(counts.cohort.saturating_sub(counts.gone + counts.unsupported));
        self.0.set_position(counts.updated);
        self.0.set_message(histogram(status, event));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One line per version, the wanted one marked.
fn histogram(status: &Status, event: &EventStatus) -> String {
    let most = status.hashes.iter().map(|hash| hash.clients).max().unwrap_or(0).max(1);
    let mut text = String::new();
    for hash in status.hashes.iter().take(SHOWN_HASHES) {
        let bar = "█".repeat(usize::try_from((hash.clients * BAR_CHARS).div_ceil(most)).unwrap_or(0));
        let mark = if hash.manifest_hash == event.manifest_hash { "→" } else { " " };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark} {} {bar} {}", short(&hash.manifest_hash), hash.clients);
    }
    text
}
