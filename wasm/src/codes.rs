//! Events and actions as numbers, for the boundary between WebAssembly and JavaScript.

use crate::machine::{Action, Event, Frame, Id, LinkEvent, State, Timer, Version, Workers};

/// The events that JavaScript delivers, by their numbers; a test compares them with `js/codes.js`.
pub const EVENTS: [&str; 23] = [
    "started",
    "checkAsked",
    "checkDue",
    "version",
    "updateDone",
    "updateFailed",
    "workers",
    "workerRedundant",
    "workerBarred",
    "controllerChanged",
    "clicked",
    "dismissed",
    "flushed",
    "flushFailed",
    "hidden",
    "timer",
    "forged",
    "memoryBarred",
    "opened",
    "welcome",
    "ping",
    "drain",
    "closed",
];

/// The actions that JavaScript carries out, by their numbers; a test compares them with `js/codes.js`.
pub const ACTIONS: [&str; 16] = [
    "fetchVersion",
    "updateWorker",
    "skipWaiting",
    "flush",
    "reload",
    "noteAndReload",
    "noteDone",
    "noteSeq",
    "setTimer",
    "dropTimer",
    "show",
    "connect",
    "disconnect",
    "hello",
    "pong",
    "ack",
];

/// The event with this number.
pub fn event(code: u32, count: u32, name: u32) -> Option<Event> {
    Some(match code {
        0 => Event::Started(count != 0, Version::new(name)),
        1 => Event::CheckAsked,
        2 => Event::CheckDue,
        3 => Event::Version(count, Version::new(name)),
        4 => Event::UpdateDone(count, true),
        5 => Event::UpdateDone(count, false),
        6 => Event::Workers(workers(count)),
        7 => Event::WorkerRedundant(workers(count)),
        8 => Event::WorkerBarred,
        9 => Event::ControllerChanged,
        10 => Event::Clicked,
        11 => Event::Dismissed,
        12 => Event::Flushed(true),
        13 => Event::Flushed(false),
        14 => Event::Hidden(count != 0),
        15 => Event::Timer(*Timer::ALL.get(count as usize)?),
        16 => Event::Forged(Id::new(name)?),
        17 => Event::MemoryBarred,
        18 => Event::Link(LinkEvent::Opened),
        19 => Event::Link(LinkEvent::Welcome(Id::new(name), count)),
        20 => Event::Link(LinkEvent::Ping),
        21 => Event::Link(LinkEvent::Drain(count)),
        22 => Event::Link(LinkEvent::Closed(count as u16)),
        _ => return None,
    })
}

/// A snapshot travels as three bits.
fn workers(bits: u32) -> Workers {
    Workers { is_installing: bits & 1 != 0, is_waiting: bits & 2 != 0, is_active: bits & 4 != 0 }
}

/// The action's number, its argument and its name.
pub fn action(action: Action, state: &State) -> (u32, f64, u32) {
    let target = Version::number(state.application.and_then(|application| application.target));
    let epoch = Id::number(state.memory.epoch);
    match action {
        Action::FetchVersion(check) => (0, f64::from(check), 0),
        Action::UpdateWorker(check) => (1, f64::from(check), 0),
        Action::SkipWaiting => (2, 0.0, 0),
        Action::Flush => (3, 0.0, 0),
        Action::Reload => (4, 0.0, target),
        Action::NoteAndReload => (5, 0.0, target),
        Action::NoteDone(id) => (6, 0.0, Id::number(Some(id))),
        Action::NoteSeq => (7, state.memory.seq as f64, epoch),
        Action::SetTimer(timer, after_ms) => (8, f64::from(after_ms), timer as u32),
        Action::DropTimer(timer) => (9, 0.0, timer as u32),
        Action::Show => (10, f64::from(show(state)), Version::number(state.target())),
        Action::Connect => (11, 0.0, 0),
        Action::Disconnect => (12, 0.0, 0),
        Action::Send(Frame::Hello) => (13, state.memory.seq as f64, epoch),
        Action::Send(Frame::Pong) => (14, 0.0, 0),
        Action::Send(Frame::Ack(ack)) => {
            let why = ack.why.map_or(0, |why| why as u32 + 1);
            (15, f64::from(ack.state as u32 | why << 4), Id::number(Some(ack.id)))
        }
    }
}

/// Phase, toast and fault in four bits each.
fn show(state: &State) -> u32 {
    let view = state.view();
    let toast = view.toast.map_or(0, |toast| toast as u32 + 1);
    let fault = view.fault.map_or(0, |fault| fault as u32 + 1);
    view.phase as u32 | toast << 4 | fault << 8
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, EVENTS, event};
    use crate::machine::{AckState, Fault, Phase, Toast, Why};

    const SCRIPT: &str = include_str!("../js/codes.js");

    fn script_names(constant: &str) -> Vec<&str> {
        let (_, rest) = SCRIPT.split_once(&format!("export const {constant} = [")).unwrap();
        let (list, _) = rest.split_once("];").unwrap();
        list.split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn javascript_numbers_events_and_actions_the_same() {
        assert_eq!(script_names("EVENTS"), EVENTS);
        assert_eq!(script_names("ACTIONS"), ACTIONS);
    }

    /// The last of each list stands for its order: the lists are written in the order of the types.
    #[test]
    fn javascript_numbers_what_is_shown_and_sent_the_same() {
        for (constant, last, number) in [
            ("PHASES", "failed", Phase::Failed as usize),
            ("TOASTS", "failed", Toast::Failed as usize + 1),
            ("FAULTS", "reload", Fault::Reload as usize + 1),
            ("ACK_STATES", "skipped", AckState::Skipped as usize),
            ("WHYS", "sw_error", Why::SwError as usize + 1),
        ] {
            assert_eq!(script_names(constant).get(number), Some(&last), "{constant}");
        }
    }

    #[test]
    fn every_number_is_an_event_and_the_next_is_none() {
        for code in 0..EVENTS.len() as u32 {
            assert!(event(code, 1, 1).is_some(), "{code}");
        }
        assert!(event(EVENTS.len() as u32, 1, 1).is_none());
    }
}
