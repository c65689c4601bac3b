//! Tables for the rules, and the properties that make a plan safe to carry out in any order and to cut short anywhere.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Facts, Policy, Reason, Refusal, Standing, Trouble, decide, judge};
use crate::layout::BackupId;

const DAY: i64 = 86_400;
/// 2026-11-24 12:00 UTC, a Tuesday.
const NOW: i64 = 1_795_521_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn no_rule() -> Policy {
    Policy {
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
        releases: 0,
        newest: None,
        within_s: None,
        pitr_s: None,
        grace_s: 0,
        allow_large: true,
        zone: "UTC".to_owned(),
    }
}

/// A verified backup of so many seconds ago.
fn backup(number: usize, age: i64) -> Facts {
    Facts {
        id: BackupId::new(at(NOW - age), u64::try_from(number).unwrap().to_be_bytes()),
        snapshot_at: at(NOW - age),
        restorable_from: None,
        release: None,
        standing: Standing::Verified,
        holds: Vec::new(),
        trouble: None,
    }
}

/// One a day for so many days, the newest first.
fn days(count: usize) -> Vec<Facts> {
    (0..count).map(|day| backup(day, i64::try_from(day).unwrap() * DAY)).collect()
}

/// The places of those that stay.
fn kept(facts: &[Facts], policy: &Policy) -> Vec<usize> {
    let decisions = judge(facts, policy, at(NOW)).unwrap();
    (0..facts.len()).filter(|place| !decisions[*place].is_delete()).collect()
}

fn check(facts: &[Facts], policy: &Policy, expected: &[usize]) {
    assert_eq!(kept(facts, policy), expected, "{policy:?}");
}

#[test]
fn keeps_the_newest_of_each_of_the_last_days_weeks_months_and_years() {
    check(&days(10), &Policy { daily: 3, ..no_rule() }, &[0, 1, 2]);
    // Monday the 23rd begins the newest week, so that Sunday the 22nd is the last day of the one before.
    check(&days(10), &Policy { weekly: 2, ..no_rule() }, &[0, 2]);
    check(&days(40), &Policy { monthly: 2, ..no_rule() }, &[0, 24]);
    check(&days(400), &Policy { yearly: 2, ..no_rule() }, &[0, 328]);
}

#[test]
fn a_day_is_that_of_the_zone() {
    let facts = [backup(0, 0), backup(1, 10 * 3600), backup(2, 23 * 3600)];
    check(&facts, &Policy { daily: 2, ..no_rule() }, &[0, 2]);
    // In Seoul it is 21:00; ten hours ago it was 11:00 of the same day, and 23 hours ago the day before.
    check(&facts, &Policy { daily: 2, zone: "Asia/Seoul".to_owned(), ..no_rule() }, &[0, 2]);
    let facts = [backup(0, 0), backup(1, 13 * 3600), backup(2, 22 * 3600)];
    check(&facts, &Policy { daily: 2, ..no_rule() }, &[0, 1]);
    check(&facts, &Policy { daily: 2, zone: "Asia/Seoul".to_owned(), ..no_rule() }, &[0, 2]);
}

#[test]
fn a_day_without_backups_takes_no_place() {
    let facts = [backup(0, 0), backup(1, 5 * DAY), backup(2, 9 * DAY), backup(3, 20 * DAY)];
    check(&facts, &Policy { daily: 3, ..no_rule() }, &[0, 1, 2]);
}

#[test]
fn keeps_by_age_by_number_by_release_and_by_hold() {
    check(&days(5), &Policy { within_s: Some(2 * 86_400), ..no_rule() }, &[0, 1]);
    check(&days(5), &Policy { newest: Some(2), ..no_rule() }, &[0, 1]);
    let mut facts = days(6);
    for (place, release) in [(1, "v3"), (2, "v2"), (3, "v3"), (4, "v1")] {
        facts[place].release = Some(release.parse().unwrap());
    }
    check(&facts, &Policy { releases: 2, ..no_rule() }, &[0, 1, 2, 3]);
    facts[5].holds = vec!["audit".to_owned()];
    check(&facts, &Policy { releases: 1, ..no_rule() }, &[0, 1, 3, 5]);
}

#[test]
fn the_newest_and_the_newest_verified_stay_whatever_the_rules_say() {
    let mut facts = days(6);
    for place in [0, 1, 2] {
        facts[place].standing = Standing::Bad;
    }
    check(&facts, &Policy { newest: Some(1), ..no_rule() }, &[0, 3]);
}

#[test]
fn an_unproven_one_takes_no_place_of_one_that_counts() {
    let mut facts = days(6);
    for place in [0, 1] {
        facts[place].standing = Standing::Unproven;
    }
    check(&facts, &Policy { daily: 2, ..no_rule() }, &[0, 1, 2, 3]);
}

#[test]
fn nothing_goes_while_nothing_is_verified() {
    let mut facts = days(4);
    facts.iter_mut().for_each(|one| one.standing = Standing::Unproven);
    check(&facts, &Policy { newest: Some(1), ..no_rule() }, &[0, 1, 2, 3]);
    let decisions = judge(&facts, &Policy { newest: Some(1), ..no_rule() }, at(NOW)).unwrap();
    assert_eq!(decisions[3].reasons, [Reason::NothingVerified]);
}

#[test]
fn what_is_young_ahead_unreadable_or_a_stranger_stays() {
    let mut facts = days(6);
    facts[3].trouble = Some(Trouble::Unreadable);
    facts[4].trouble = Some(Trouble::Stranger);
    facts[0].snapshot_at = at(NOW + 60);
    check(&facts, &Policy { newest: Some(1), grace_s: 2 * 86_400, ..no_rule() }, &[0, 1, 3, 4]);
}

#[test]
fn a_window_needs_the_last_base_backup_before_it() {
    let mut facts = days(6);
    facts.iter_mut().for_each(|one| one.restorable_from = Some(one.snapshot_at));
    check(&facts, &Policy { pitr_s: Some(2 * 86_400 + 1), ..no_rule() }, &[0, 1, 2, 3]);
    check(&facts, &Policy { pitr_s: Some(2 * 86_400), ..no_rule() }, &[0, 1, 2]);
    // A base backup that is known to be bad serves no window.
    facts[3].standing = Standing::Bad;
    check(&facts, &Policy { pitr_s: Some(2 * 86_400 + 1), ..no_rule() }, &[0, 1, 2, 4]);
}

#[test]
fn a_policy_that_keeps_nothing_and_a_plan_that_is_large_are_refused() {
    let refusal = |policy: Policy| decide(&days(4), &policy, at(NOW)).unwrap_err();
    assert_eq!(refusal(no_rule()), Refusal::KeepsNothing);
    assert_eq!(refusal(Policy { newest: Some(0), daily: 7, ..no_rule() }), Refusal::KeepsNothing);
    assert_eq!(
        refusal(Policy { daily: 1, zone: "Mars".to_owned(), ..no_rule() }),
        Refusal::Zone("Mars".into())
    );
    let small = Policy { allow_large: false, newest: Some(1), ..no_rule() };
    assert_eq!(refusal(small.clone()), Refusal::Large { deleted: 3, of: 4 });
    assert!(decide(&days(4), &Policy { newest: Some(2), ..small }, at(NOW)).is_ok(), "half may go");
}

prop_compose! {
    fn any_facts()(
        age in 0_i64..900 * 24, release in proptest::option::of(0_u8..12), standing in 0_u8..5, hold in 0_u8..20,
        trouble in 0_u8..30, is_base in any::<bool>(),
    ) -> Facts {
        Facts {
            restorable_from: is_base.then(|| at(NOW - age * 3600 + 60)),
            release: release.map(|number| format!("v{number}").parse().unwrap()),
            standing: match standing { 0 => Standing::Bad, 1 => Standing::Unproven, _ => Standing::Verified },
            holds: if hold == 0 { vec!["held".to_owned()] } else { Vec::new() },
            trouble: match trouble { 0 => Some(Trouble::Unreadable), 1 => Some(Trouble::Stranger), _ => None },
            ..backup(0, age * 3600)
        }
    }
}

prop_compose! {
    fn any_set()(mut facts in proptest::collection::vec(any_facts(), 0..40)) -> Vec<Facts> {
        for (number, one) in facts.iter_mut().enumerate() {
            one.id = BackupId::new(one.snapshot_at, u64::try_from(number).unwrap().to_be_bytes());
        }
        facts
    }
}

prop_compose! {
    fn any_policy()(
        daily in 0_u32..10, weekly in 0_u32..6, monthly in 0_u32..6, yearly in 0_u32..3, releases in 0_u32..6,
        newest in proptest::option::of(1_u32..8), within in proptest::option::of(0_u64..90),
        pitr in proptest::option::of(0_u64..90), grace in 0_u64..3,
    ) -> Policy {
        let days = |count: u64| count * 86_400;
        Policy {
            daily: daily.max(1), weekly, monthly, yearly, releases, newest,
            within_s: within.map(days), pitr_s: pitr.map(days), grace_s: days(grace),
            allow_large: true, zone: "Asia/Seoul".to_owned(),
        }
    }
}

fn ids(facts: &[Facts], policy: &Policy) -> BTreeSet<BackupId> {
    kept(facts, policy).into_iter().map(|place| facts[place].id.clone()).collect()
}

proptest! {
    #[test]
    fn adding_a_rule_never_deletes_more(facts in any_set(), policy in any_policy(), more in 0_usize..8) {
        let mut larger = policy.clone();
        match more {
            0 => larger.daily += 1,
            1 => larger.weekly += 1,
            2 => larger.monthly += 1,
            3 => larger.yearly += 1,
            4 => larger.releases += 1,
            5 => larger.newest = Some(larger.newest.unwrap_or(0) + 1),
            6 => larger.within_s = Some(larger.within_s.unwrap_or(0) + 86_400),
            _ => larger.pitr_s = Some(larger.pitr_s.unwrap_or(0) + 86_400),
        }
        prop_assert!(ids(&facts, &policy).is_subset(&ids(&facts, &larger)));
    }

    /// Idempotence, halves and crashes in one: whichever part of what goes is gone already, the rest is judged the same.
    #[test]
    fn a_deletion_cut_short_anywhere_leaves_the_same_to_keep(
        facts in any_set(), policy in any_policy(), gone in any::<u64>(),
    ) {
        let keep = ids(&facts, &policy);
        let rest: Vec<_> = facts.iter().enumerate()
            .filter(|(place, one)| keep.contains(&one.id) || gone >> (place % 64) & 1 == 0)
            .map(|(_, one)| one.clone()).collect();
        prop_assert_eq!(&ids(&rest, &policy), &keep);
        let only: Vec<_> = facts.iter().filter(|one| keep.contains(&one.id)).cloned().collect();
        prop_assert_eq!(&ids(&only, &policy), &keep);
    }

    #[test]
    fn the_order_of_a_listing_changes_nothing(facts in any_set(), policy in any_policy(), turn in 0_usize..40) {
        let mut turned = facts.clone();
        turned.reverse();
        let length = turned.len().max(1);
        turned.rotate_left(turn % length);
        prop_assert_eq!(ids(&facts, &policy), ids(&turned, &policy));
    }

    #[test]
    fn the_newest_verified_stays_and_a_verified_one_is_left(facts in any_set(), policy in any_policy()) {
        let keep = ids(&facts, &policy);
        let verified = facts.iter().filter(|one| one.standing == Standing::Verified && one.trouble.is_none());
        match verified.max_by_key(|one| (one.snapshot_at, one.id.clone())) {
            Some(newest) => prop_assert!(keep.contains(&newest.id)),
            None => prop_assert_eq!(keep.len(), facts.len()),
        }
    }

    #[test]
    fn time_that_passes_never_keeps_what_was_to_go(facts in any_set(), policy in any_policy(), later in 0_i64..90) {
        let keep_later: BTreeSet<_> = judge(&facts, &policy, at(NOW + later * DAY)).unwrap().into_iter()
            .filter(|decision| !decision.is_delete()).map(|decision| decision.id).collect();
        let is_needed_later = policy.pitr_s.is_some();
        prop_assert!(is_needed_later || keep_later.is_subset(&ids(&facts, &policy)));
    }
}
