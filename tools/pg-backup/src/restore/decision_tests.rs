//! Each refusal, and each way out of a run that was killed.

use super::{DatabaseFacts, Into, Request, ServerFacts, decide};
use crate::manifest::tests::sample;
use crate::restore::mark::{Mark, beside};

/// A server that could take the sample.
fn server() -> ServerFacts {
    let manifest = sample();
    ServerFacts {
        server_version: 150_018,
        system_id: manifest.cluster.system_id,
        lock_slots: 6400,
        databases: vec!["erp".to_owned()],
        extensions: vec!["citext".to_owned()],
        roles: vec!["app".to_owned()],
        target: None,
        aside: None,
    }
}

fn full() -> DatabaseFacts {
    DatabaseFacts { content: vec!["table public.a".to_owned()], ..DatabaseFacts::default() }
}

fn marked(target: &str, is_complete: bool, facts: DatabaseFacts) -> DatabaseFacts {
    let mark = Mark { id: sample().id, target: target.to_owned(), is_complete };
    DatabaseFacts { comment: Some(mark.text()), ..facts }
}

fn busy(facts: DatabaseFacts) -> DatabaseFacts {
    DatabaseFacts { sessions: vec!["app (pid 7)".to_owned()], ..facts }
}

/// The way, or the word of the refusal.
#[track_caller]
fn check(replace: Option<&str>, change: impl FnOnce(&mut ServerFacts), expected: Result<Into, &str>) {
    let (manifest, mut facts) = (sample(), server());
    change(&mut facts);
    let request = Request { manifest: &manifest, target: "erp", replace, jobs: 1, no_owner: false };
    let found = decide(&request, &facts);
    assert_eq!(found.as_ref().map(|plan| plan.way.clone()).map_err(|error| error.reason()), expected);
}

#[test]
fn what_the_server_lacks_is_refused() {
    check(None, |_| {}, Ok(Into::New));
    check(None, |facts| facts.server_version = 140_000, Err("server_version"));
    check(None, |facts| facts.server_version = 180_000, Ok(Into::New));
    check(None, |facts| facts.extensions.clear(), Err("extension"));
    check(None, |facts| facts.roles.clear(), Err("role"));
}

#[test]
fn nothing_is_restored_over_something() {
    let empty = DatabaseFacts::default();
    check(None, |facts| facts.target = Some(empty.clone()), Ok(Into::Empty { is_ours: false }));
    check(None, |facts| facts.target = Some(full()), Err("source"));
    let other = |facts: &mut ServerFacts| {
        facts.target = Some(full());
        facts.system_id = "7".to_owned();
    };
    check(None, other, Err("not_empty"));
}

#[test]
fn what_a_killed_run_has_left_is_made_again() {
    let empty = marked("erp", false, DatabaseFacts::default());
    check(None, |facts| facts.target = Some(empty.clone()), Ok(Into::Empty { is_ours: true }));
    check(None, |facts| facts.target = Some(marked("erp", false, full())), Ok(Into::Again));
    check(None, |facts| facts.target = Some(marked("other", false, full())), Err("source"));
    check(None, |facts| facts.target = Some(busy(empty.clone())), Err("busy"));
}

#[test]
fn a_database_is_replaced_only_by_its_name_and_while_nobody_uses_it() {
    let before = beside("erp", "before", &sample().id, 1);
    let aside = |is_left| Ok(Into::Aside { is_left, before: before.clone() });
    let with = |aside: Option<DatabaseFacts>| {
        move |facts: &mut ServerFacts| {
            facts.target = Some(full());
            facts.aside = aside;
        }
    };
    check(Some("erp"), with(None), aside(false));
    check(Some("erp2"), with(None), Err("replace_name"));
    check(Some("erp"), |_| {}, Err("no_target"));
    check(Some("erp"), |facts| facts.target = Some(busy(full())), Err("sessions"));
    check(Some("erp"), with(Some(marked("erp", false, full()))), aside(true));
    check(Some("erp"), with(Some(DatabaseFacts::default())), aside(true));
    check(
        Some("erp"),
        with(Some(marked("erp", true, full()))),
        Ok(Into::Complete { before: before.clone() }),
    );
    check(Some("erp"), with(Some(busy(marked("erp", false, full())))), Err("busy"));
    check(Some("erp"), with(Some(full())), Err("aside_taken"));
}

#[test]
fn the_old_database_gets_a_name_that_is_free() {
    let (first, second) =
        (beside("erp", "before", &sample().id, 1), beside("erp", "before", &sample().id, 2));
    let taken = |facts: &mut ServerFacts| {
        facts.target = Some(full());
        facts.databases.push(first);
    };
    check(Some("erp"), taken, Ok(Into::Aside { is_left: false, before: second }));
}
