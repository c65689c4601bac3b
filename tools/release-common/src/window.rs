//! Weekly windows of time in a zone, such as the off-peak hours `mon-fri 02:00-05:00 Asia/Seoul`.
//!
//! A window that passes midnight belongs to the day it opens on. Around changes of the clock the zone's rules hold
//! (IANA time zone database, by the `jiff` crate), so a window keeps its wall-clock hours.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};
use thiserror::Error;

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_PER_DAY: u16 = 24 * 60;

/// Hours of some weekdays in one time zone. The text form is `[DAYS] HH:MM-HH:MM ZONE`; no days means every day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Open on day `i`, Monday first.
    days: [bool; 7],
    opens_minute: u16,
    closes_minute: u16,
    zone: String,
    time_zone: TimeZone,
}

/// A window that could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WindowError {
    /// Not three parts, or two without days.
    #[error("`{0}` is not a window such as 'mon-fri 02:00-05:00 Asia/Seoul'")]
    Shape(String),
    /// Unknown day.
    #[error("`{0}` is not a day from mon to sun, nor a range such as mon-fri")]
    Day(String),
    /// Unknown time of day.
    #[error("`{0}` is not a time from 00:00 to 24:00")]
    Time(String),
    /// Nothing between the two times.
    #[error("the window opens and closes at {0}")]
    Empty(String),
    /// Unknown zone.
    #[error("`{0}` is not a time zone such as Asia/Seoul")]
    Zone(String),
}

impl Window {
    /// Whether the window is open at `now`.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.closes_after(now).is_some()
    }

    /// When the window that is open at `now` closes; `None` when it is not open.
    pub fn closes_after(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned_datetime(self.time_zone.clone());
        [-1, 0]
            .into_iter()
            .filter_map(|day| self.opening(&local, day))
            .find_map(|(opens, closes)| (opens <= now && now < closes).then_some(closes))
    }

    /// When the window opens next, strictly after `now`; `None` only at the end of representable time.
    pub fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned_datetime(self.time_zone.clone());
        (0..=7).filter_map(|day| self.opening(&local, day)).map(|(opens, _)| opens).find(|opens| *opens > now)
    }

    /// The window that opens `day_offset` days from `local`, if that weekday has one.
    fn opening(&self, local: &ZonedDateTime, day_offset: i64) -> Option<(Timestamp, Timestamp)> {
        let date = local.date().checked_add(day_offset.days()).ok()?;
        let weekday = date.weekday().to_monday_zero_offset().unsigned_abs();
        if self.days.get(usize::from(weekday)) != Some(&true) {
            return None;
        }
        let at = |minute: u16| {
            let day = date.checked_add(i64::from(minute / MINUTES_PER_DAY).days()).ok()?;
            let time = wall_time(minute % MINUTES_PER_DAY)?;
            Some(day.to_datetime(time).to_zoned_datetime(self.time_zone.clone()).ok()?.timestamp())
        };
        let overnight = if self.closes_minute <= self.opens_minute { MINUTES_PER_DAY } else { 0 };
        Some((at(self.opens_minute)?, at(self.closes_minute + overnight)?))
    }
}

fn wall_time(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Window, WindowError> {
        let shape = || WindowError::Shape(text.to_owned());
        let parts: Vec<&str> = text.split_whitespace().collect();
        let (days, hours, zone) = match parts.as_slice() {
            [days, hours, zone] => (parse_days(days)?, hours, zone),
            [hours, zone] => ([true; 7], hours, zone),
            _ => return Err(shape()),
        };
        let (opens, closes) = hours.split_once('-').ok_or_else(shape)?;
        let (opens_minute, closes_minute) = (parse_minute(opens)?, parse_minute(closes)?);
        if opens_minute == closes_minute {
            return Err(WindowError::Empty(opens.to_owned()));
        }
        if opens_minute == MINUTES_PER_DAY {
            return Err(WindowError::Time(opens.to_owned()));
        }
        let time_zone = TimeZone::get(zone).map_err(|_| WindowError::Zone((*zone).to_owned()))?;
        Ok(Window { days, opens_minute, closes_minute, zone: (*zone).to_owned(), time_zone })
    }
}

fn parse_days(text: &str) -> Result<[bool; 7], WindowError> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        let mut day = first;
        loop {
            if let Some(open) = days.get_mut(day) {
                *open = true;
            }
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<usize, WindowError> {
    let known = DAY_NAMES.iter().position(|name| text.eq_ignore_ascii_case(name));
    known.ok_or_else(|| WindowError::Day(text.to_owned()))
}

fn parse_minute(text: &str) -> Result<u16, WindowError> {
    let refused = || WindowError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(refused)?;
    let number = |part: &str| {
        let is_two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_two_digits.then(|| part.parse::<u16>().ok()).flatten().ok_or_else(refused)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let total = hour * 60 + minute;
    if minute < 60 && total <= MINUTES_PER_DAY { Ok(total) } else { Err(refused()) }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let runs: Vec<String> =
                runs_of_days(&self.days).map(|(first, last)| day_range(first, last)).collect();
            write!(formatter, "{} ", runs.join(","))?;
        }
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(formatter, "{}-{} {}", time(self.opens_minute), time(self.closes_minute), self.zone)
    }
}

/// First and last day of each unbroken run of open days.
fn runs_of_days(days: &[bool; 7]) -> impl Iterator<Item = (Weekday, Weekday)> + '_ {
    let open: Vec<i8> = (0_i8..7).zip(days).filter(|(_, open)| **open).map(|(day, _)| day).collect();
    let runs: Vec<(i8, i8)> = open.iter().fold(Vec::new(), |mut runs, day| {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => runs.push((*day, *day)),
        }
        runs
    });
    runs.into_iter().filter_map(|(first, last)| {
        Some((Weekday::from_monday_zero_offset(first).ok()?, Weekday::from_monday_zero_offset(last).ok()?))
    })
}

fn day_range(first: Weekday, last: Weekday) -> String {
    let name = |day: Weekday| {
        DAY_NAMES.get(usize::from(day.to_monday_zero_offset().unsigned_abs())).copied().unwrap_or_default()
    };
    if first == last { name(first).to_owned() } else { format!("{}-{}", name(first), name(last)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Timestamp, Window, WindowError};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    #[test]
    fn the_off_peak_hours_of_the_plan_are_those_of_korea() {
        let off_peak = window("mon-fri 02:00-05:00 Asia/Seoul");
        // Monday 02:00 in Seoul is Sunday 17:00 UTC.
        assert!(!off_peak.contains(at("2026-11-22T16:59:59Z")));
        assert!(off_peak.contains(at("2026-11-22T17:00:00Z")));
        assert!(!off_peak.contains(at("2026-11-22T20:00:00Z")));
        assert_eq!(off_peak.closes_after(at("2026-11-22T18:00:00Z")), Some(at("2026-11-22T20:00:00Z")));
        // Saturday in Seoul is closed: Friday 17:00 UTC waits for Sunday 17:00 UTC.
        assert!(!off_peak.contains(at("2026-11-27T17:00:00Z")));
        assert_eq!(off_peak.opens_after(at("2026-11-27T17:00:00Z")), Some(at("2026-11-29T17:00:00Z")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_opens() {
        let night = window("fri 22:00-02:00 UTC");
        assert!(night.contains(at("2026-11-28T01:59:00Z")), "Saturday 01:59 is still Friday's night");
        assert!(!night.contains(at("2026-11-27T01:59:00Z")), "Friday 01:59 would be Thursday's night");
    }

    #[test]
    fn wall_clock_hours_hold_when_the_clock_changes() {
        let night = window("01:00-04:00 Europe/Berlin");
        // 2026-03-29 02:00 -> 03:00: the window lasts two hours only.
        assert_eq!(night.closes_after(at("2026-03-29T00:30:00Z")), Some(at("2026-03-29T02:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<Window>().unwrap_err();
        assert_eq!(error("moon 02:00-05:00 UTC"), WindowError::Day("moon".into()));
        assert_eq!(error("02:00-25:00 UTC"), WindowError::Time("25:00".into()));
        assert_eq!(error("2:00-05:00 UTC"), WindowError::Time("2:00".into()));
        assert_eq!(error("02:00-02:00 UTC"), WindowError::Empty("02:00".into()));
        assert_eq!(error("02:00-05:00 Seoul"), WindowError::Zone("Seoul".into()));
        assert_eq!(error("always"), WindowError::Shape("always".into()));
    }

    proptest! {
        #[test]
        fn a_window_reads_back_what_it_prints(
            days in prop::array::uniform7(any::<bool>()), opens in 0_u16..1440, length in 1_u16..1440,
        ) {
            prop_assume!(days.contains(&true));
            let closes = (opens + length) % 1440;
            let base = window("00:00-24:00 Asia/Seoul");
            let value = Window { days, opens_minute: opens, closes_minute: closes, ..base };
            prop_assert_eq!(value.to_string().parse(), Ok(value));
        }

        #[test]
        fn the_window_is_open_from_each_opening_until_its_close(seconds in 0_i64..40_000_000) {
            let value = window("mon,wed-sat 22:30-01:15 Asia/Seoul");
            let now = Timestamp::from_second(1_790_000_000 + seconds).unwrap();
            let opens = value.opens_after(now).unwrap();
            prop_assert!(opens > now && value.contains(opens));
            let closes = value.closes_after(opens).unwrap();
            prop_assert!(!value.contains(closes));
        }
    }
}
