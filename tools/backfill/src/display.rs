//! The work as it happens, on a terminal: a bar, the rate as a sparkline, the pace and what holds it back.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use release_common::units::ByteSize;

use crate::control::Pace;
use crate::report::Progress;

/// Seconds of the sparkline.
const SPARKS: usize = 60;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A live display on stderr.
pub(crate) struct Display {
    bar: ProgressBar,
    rates: VecDeque<f64>,
}

impl Display {
    pub(crate) fn new(job: &str) -> Display {
        let bar = ProgressBar::new(0);
        // A job's name is data, not a template.
        let job = job.replace(['{', '}'], "");
        let template = format!("{job} {{bar:30}} {{percent:>3}}%  {{msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Display { bar, rates: VecDeque::with_capacity(SPARKS) }
    }

    pub(crate) fn show(&mut self, progress: &Progress) {
        if self.rates.len() == SPARKS {
            self.rates.pop_front();
        }
        self.rates.push_back(progress.keys_per_s);
        let seen = u64::try_from(progress.keys_seen).unwrap_or(0);
        self.bar.set_length(whole(progress.rows_total).max(seen).max(1));
        self.bar.set_position(seen);
        self.bar.set_message(text(progress, &self.rates));
    }

    /// Prints something above it.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn text(progress: &Progress, rates: &VecDeque<f64>) -> String {
    let mut text = format!("{:.0} rows/s  duty {:.0}%", progress.keys_per_s, progress.duty() * 100.0);
    if let Some(lag) = progress.signals.replica_lag_bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "  lag {}", ByteSize(whole(lag)));
    }
    if let Some(outlook) = progress.outlook {
        let nights = if outlook.nights == 1 { "night" } else { "nights" };
        let ends =
            outlook.ends_at.map(|at| format!(", ends {}", at.strftime("%F %R UTC"))).unwrap_or_default();
        let _ = write!(text, "  {} {nights}{ends}", outlook.nights);
    }
    if progress.pass > 1 {
        let _ = write!(text, "  pass {}", progress.pass);
    }
    if progress.dead_letters > 0 {
        let _ = write!(text, "  {} dead letters", progress.dead_letters);
    }
    let _ = write!(text, "\n{}", sparkline(rates));
    match &progress.pace {
        Pace::Hold(why) => {
            let _ = write!(text, "\nheld: {why}");
        }
        Pace::Work(_) => {
            if let Some(first) = progress.findings.first() {
                let _ = write!(text, "\nslowed: {}", first.text);
            }
        }
    }
    text
}

/// One mark a second, from nothing to the most of the last minute.
fn sparkline(rates: &VecDeque<f64>) -> String {
    let most = rates.iter().copied().fold(1.0, f64::max);
    rates
        .iter()
        .map(|rate| {
            let level = whole((rate / most * 7.0).round());
            usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).copied().unwrap_or('█')
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_sparkline_shows_the_rate_against_the_most() {
        assert_eq!(sparkline(&[0.0, 500.0, 1000.0].into()), "▁▅█");
        assert_eq!(sparkline(&[0.0, 0.0].into()), "▁▁");
    }
}
