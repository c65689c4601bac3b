//! Every order of events up to a depth: the machine in a small world of one tab, an origin that deploys and rolls back,
//! workers that install or fail, a user, and a hub. The invariants are checked at every step.

#![allow(clippy::print_stdout, reason = "how many states were visited belongs to the answer")]

mod world;

use std::collections::{HashSet, VecDeque};

use world::{Breach, World};

/// Enough for a deploy, an order, an installation, the reload, and half a second round.
const DEPTH: usize = 13;

/// Bounds the memory of the search; the number is printed, so that a cut does not go unseen.
const MOST_STATES: usize = 200_000;

fn explore(start: World) -> (usize, usize, Option<Breach>) {
    let mut seen = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([(start, 0)]);
    let mut deepest = 0;
    while let Some((world, depth)) = queue.pop_front() {
        deepest = deepest.max(depth);
        for choice in world.choices() {
            let (next, breach) = world.after(choice);
            if breach.is_some() {
                return (seen.len(), deepest, breach);
            }
            if depth < DEPTH && seen.len() < MOST_STATES && seen.insert(next.clone()) {
                queue.push_back((next, depth + 1));
            }
        }
    }
    (seen.len(), deepest, None)
}

fn check(start: World, name: &str) {
    let (states, depth, breach) = explore(start);
    println!("{name}: {states} states, depth {depth}");
    assert_eq!(breach, None, "{name}");
    assert!(states > 10_000, "{name}: {states} states are not the search that was meant");
}

#[test]
fn no_order_of_events_breaks_an_invariant() {
    check(World::new(true), "a tab that remembers");
}

#[test]
fn no_order_of_events_reloads_a_tab_that_cannot_remember() {
    check(World::new(false), "a tab whose storage is barred");
}

#[test]
fn no_order_of_events_reloads_twice_for_one_version() {
    check(World::rolled_back(), "a tab that reloaded for version 2 and was rolled back");
}
