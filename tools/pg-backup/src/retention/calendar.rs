//! Days, weeks, months and years of a zone, and the newest backup of each.

use jiff::tz::TimeZone;

use super::{Facts, Reason};

/// How time is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    /// Days.
    Day,
    /// Weeks of ISO 8601, which begin on Monday.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Period {
    /// The name of the period in which a backup lies, such as `2026-W48`.
    fn label(self, one: &Facts, zone: &TimeZone) -> String {
        let date = one.snapshot_at.to_zoned_datetime(zone.clone()).date();
        match self {
            Period::Day => date.to_string(),
            Period::Week => {
                let week = date.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Period::Month => format!("{:04}-{:02}", date.year(), date.month()),
            Period::Year => format!("{:04}", date.year()),
        }
    }

    pub(super) fn reason(self, label: String) -> Reason {
        match self {
            Period::Day => Reason::Daily(label),
            Period::Week => Reason::Weekly(label),
            Period::Month => Reason::Monthly(label),
            Period::Year => Reason::Yearly(label),
        }
    }
}

/// The newest backup of each of the last `count` periods that have one. `population` is sorted, newest first.
pub(super) fn last_of_each<'a>(
    population: &[&'a Facts],
    period: Period,
    count: u32,
    zone: &TimeZone,
) -> Vec<(&'a Facts, String)> {
    let mut found: Vec<(&Facts, String)> = Vec::new();
    if count == 0 {
        return found;
    }
    for one in population {
        let label = period.label(one, zone);
        if found.last().is_some_and(|(_, last)| *last == label) {
            continue;
        }
        if found.len() >= count as usize {
            break;
        }
        found.push((one, label));
    }
    found
}
