//! Long work on a terminal: how much, how fast, how long still.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use release_common::Console;
use tokio::task::JoinHandle;

use crate::seal::Meter;

/// Often enough to look alive.
const TICK: Duration = Duration::from_millis(200);

/// A line on stderr that follows a meter until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    follower: JoinHandle<()>,
}

impl Progress {
    /// Shows what `meter` has read of about `total` bytes; none where nobody looks.
    pub(crate) fn follow(console: &Console, what: &str, meter: &Meter, total: u64) -> Option<Progress> {
        if !console.wants_progress() {
            return None;
        }
        let bar = ProgressBar::new(total);
        let template =
            "{prefix} {bar:30} {bytes:>10} of about {total_bytes}  {bytes_per_sec}  ETA {eta}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.set_prefix(what.to_owned());
        let (shown, meter) = (bar.clone(), meter.clone());
        let follower = tokio::spawn(async move {
            loop {
                let read = meter.read();
                // The total is an estimate: a bar that is full would tell a lie.
                shown.set_length(total.max(read));
                shown.set_position(read);
                shown.set_message(format!("stored {}", release_common::units::ByteSize(meter.stored())));
                tokio::time::sleep(TICK).await;
            }
        });
        Some(Progress { bar, follower })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.follower.abort();
        self.bar.finish_and_clear();
    }
}
