//! How much of the time the workers work.
//!
//! Outer loop of the control law, stepped once a second: while all signals are green the duty grows slowly, a yellow one
//! halves it, a red one stops everything until the signals that were red have been calm for ten seconds. Slow up and
//! fast down, as TCP does, because the price of too much is paid by others.

use crate::signals::{Color, Finding};

/// Growth per second while all is green.
const GROWTH: f64 = 0.02;
/// Yellow never slows below this share of the limit: only red stops, and work that never ends helps nobody.
const FLOOR_SHARE: f64 = 0.125;
/// How long the signals that stopped us must stay calm.
const CALM_S: f64 = 10.0;
/// The most when some signals cannot be seen.
const BLIND_LIMIT: f64 = 0.25;

/// The duty, step by step.
#[derive(Clone, Debug)]
pub struct Controller {
    limit: f64,
    duty: f64,
    hold: Option<Hold>,
}

/// A stop, and what ends it.
#[derive(Clone, Debug, PartialEq)]
struct Hold {
    signals: Vec<&'static str>,
    why: String,
    /// Since when none of them is anything but green.
    calm_since_s: Option<f64>,
}

/// What holds for the next second.
#[derive(Clone, Debug, PartialEq)]
pub enum Pace {
    /// Work this share of the time.
    Work(f64),
    /// Begin no batch; why.
    Hold(String),
}

impl Controller {
    /// Begins at `limit`, or below when signals are blind.
    pub fn new(limit: f64, is_blind: bool) -> Controller {
        let limit = effective(limit, is_blind);
        Controller { limit, duty: limit, hold: None }
    }

    /// The limit has been changed while running.
    pub fn set_limit(&mut self, limit: f64, is_blind: bool) {
        let limit = effective(limit, is_blind);
        if (limit - self.limit).abs() > f64::EPSILON {
            self.limit = limit;
            // Somebody who asks for less wants it now; somebody who asks for more has it in a while.
            self.duty = self.duty.min(limit);
        }
    }

    /// One second has passed; `now_s` counts from any fixed moment.
    pub fn step(&mut self, now_s: f64, findings: &[Finding]) -> Pace {
        let red: Vec<&Finding> = findings.iter().filter(|finding| finding.color == Color::Red).collect();
        if let Some(first) = red.first() {
            let mut signals: Vec<&'static str> = red.iter().map(|finding| finding.signal).collect();
            signals.extend(self.hold.iter().flat_map(|hold| hold.signals.iter().copied()));
            signals.dedup();
            self.hold = Some(Hold { signals, why: first.text.clone(), calm_since_s: None });
            self.duty = self.floor();
        }
        if let Some(hold) = &mut self.hold {
            let is_calm = !findings.iter().any(|finding| hold.signals.contains(&finding.signal));
            let since = if is_calm { Some(hold.calm_since_s.unwrap_or(now_s)) } else { None };
            hold.calm_since_s = since;
            if since.is_none_or(|since| now_s - since < CALM_S) {
                return Pace::Hold(hold.why.clone());
            }
            self.hold = None;
        }
        if findings.is_empty() {
            self.duty = (self.duty + GROWTH).min(self.limit);
        } else {
            self.duty = (self.duty * 0.5).max(self.floor());
        }
        Pace::Work(self.duty)
    }

    fn floor(&self) -> f64 {
        self.limit * FLOOR_SHARE
    }
}

fn effective(limit: f64, is_blind: bool) -> f64 {
    if is_blind { limit.min(BLIND_LIMIT) } else { limit }
}

/// How long to rest after a batch of `worked_s`, so that work is the share `duty` of the time.
pub fn pause_s(worked_s: f64, duty: f64) -> f64 {
    worked_s * (1.0 / duty.clamp(0.001, 1.0) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::{Controller, Pace, pause_s};
    use crate::signals::{Color, Finding};

    fn finding(signal: &'static str, color: Color) -> Finding {
        Finding { signal, color, text: signal.to_owned() }
    }

    fn work(pace: Pace) -> f64 {
        match pace {
            Pace::Work(duty) => duty,
            Pace::Hold(why) => panic!("held: {why}"),
        }
    }

    #[test]
    fn yellow_halves_and_green_grows_back_slowly() {
        let mut controller = Controller::new(0.5, false);
        assert!((work(controller.step(0.0, &[])) - 0.5).abs() < 1e-9);
        assert!((work(controller.step(1.0, &[finding("vacuum", Color::Yellow)])) - 0.25).abs() < 1e-9);
        assert!((work(controller.step(2.0, &[])) - 0.27).abs() < 1e-9);
        for second in 3..60 {
            controller.step(f64::from(second), &[finding("vacuum", Color::Yellow)]);
        }
        assert!((work(controller.step(60.0, &[finding("vacuum", Color::Yellow)])) - 0.0625).abs() < 1e-9);
    }

    #[test]
    fn red_stops_until_it_was_calm_for_ten_seconds() {
        let mut controller = Controller::new(0.5, false);
        let held = Pace::Hold("replica_lag".into());
        assert_eq!(controller.step(0.0, &[finding("replica_lag", Color::Red)]), held);
        // Below the limit is not calm yet.
        assert_eq!(controller.step(1.0, &[finding("replica_lag", Color::Yellow)]), held);
        for second in 2..12 {
            assert_eq!(controller.step(f64::from(second), &[]), held, "{second}");
        }
        // A relapse begins the ten seconds anew.
        assert_eq!(controller.step(11.5, &[finding("replica_lag", Color::Yellow)]), held);
        assert_eq!(controller.step(12.0, &[finding("vacuum", Color::Yellow)]), held);
        assert_eq!(controller.step(21.9, &[]), held);
        assert!(work(controller.step(22.0, &[])) < 0.1, "it begins again at the floor");
    }

    #[test]
    fn blind_workers_are_slow_workers() {
        let mut controller = Controller::new(1.0, true);
        assert!((work(controller.step(0.0, &[])) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_lower_limit_holds_at_once_and_a_higher_one_in_time() {
        let mut controller = Controller::new(0.5, false);
        controller.set_limit(0.1, false);
        assert!((work(controller.step(0.0, &[])) - 0.1).abs() < 1e-9);
        controller.set_limit(0.5, false);
        assert!((work(controller.step(1.0, &[])) - 0.12).abs() < 1e-9);
    }

    #[test]
    fn the_pause_makes_work_the_wanted_share() {
        assert!((pause_s(0.1, 0.5) - 0.1).abs() < 1e-9);
        assert!((pause_s(0.1, 0.2) - 0.4).abs() < 1e-9);
        assert!(pause_s(0.1, 1.0).abs() < 1e-9);
    }
}
