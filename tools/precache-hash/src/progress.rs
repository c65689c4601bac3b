//! A bar on stderr while a large tree is hashed; nothing in pipes and for small trees.

use indicatif::{ProgressBar, ProgressStyle};
use release_common::{Console, Shutdown};

use crate::hashing::Watch;
use crate::tree::Found;

/// Below this a run ends before a person could read the bar.
const SHOWN_FROM_BYTES: u64 = 256 * 1024 * 1024;

/// Shows how much has been read, and stops the work when a signal asks for it.
pub struct Progress {
    bar: Option<ProgressBar>,
    shutdown: Shutdown,
}

impl Progress {
    /// Watches over `files`; they are measured only when a terminal may show a bar.
    pub fn of(files: &[Found], console: Console, shutdown: Shutdown) -> Progress {
        let sizes =
            || files.iter().filter_map(|found| found.location.metadata().ok()).map(|metadata| metadata.len());
        let total = if console.wants_progress() { sizes().sum() } else { 0 };
        let bar = (total >= SHOWN_FROM_BYTES).then(|| {
            let template = "hashing {bar:32} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        });
        Progress { bar, shutdown }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn has_read(&self, bytes: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes as u64);
        }
    }

    fn is_stopped(&self) -> bool {
        self.shutdown.requested().is_some()
    }
}
