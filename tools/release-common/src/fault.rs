//! Named points where a test ends or stops the process, to see what a crash there leaves behind.
//!
//! `SLIPWAY_FAULT=NAME[:N]=kill|stop|exit|panic` acts at the N-th pass of a point, the first if unsaid; several are parted
//! by commas. Builds without debug assertions, such as the release profile, hold nothing of this but an empty function.

#[cfg(debug_assertions)]
pub use armed::point;

/// A place with a name, where nothing happens: this build has no faults.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::str::FromStr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    const VARIABLE: &str = "SLIPWAY_FAULT";
    /// No code of the house table, so that a test knows the fault from a failure.
    const EXIT_CODE: i32 = 99;
    /// A signal to a process may be taken by another thread; this one must not run on until it arrives everywhere.
    const ARRIVAL: Duration = Duration::from_millis(100);

    /// A place with a name, where a test may end or stop the process.
    pub fn point(name: &str) {
        static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
        let faults = FAULTS.get_or_init(|| parse(&std::env::var(VARIABLE).unwrap_or_default()));
        for fault in faults {
            if let Some(action) = fault.due(name) {
                action.act();
            }
        }
    }

    #[derive(Debug)]
    struct Fault {
        name: String,
        due_pass: u64,
        passes: AtomicU64,
        action: Action,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Action {
        /// SIGKILL: the process is gone, as after `kill -9` or the kernel's out-of-memory killer.
        Kill,
        /// SIGSTOP: the process hangs, as one that a machine no longer runs; SIGCONT lets it go on.
        Stop,
        /// The process ends itself without giving anything back.
        Exit,
        /// A bug: the thread panics.
        Panic,
    }

    /// Those that are understood; whatever else is said has no effect.
    fn parse(text: &str) -> Vec<Fault> {
        text.split(',').filter_map(|item| item.parse().ok()).collect()
    }

    impl FromStr for Fault {
        type Err = ();

        fn from_str(text: &str) -> Result<Fault, ()> {
            let (place, action) = text.trim().split_once('=').ok_or(())?;
            let (name, due_pass) = match place.rsplit_once(':') {
                Some((name, pass)) => (name, pass.parse().map_err(drop)?),
                None => (place, 1),
            };
            let action = match action {
                "kill" => Action::Kill,
                "stop" => Action::Stop,
                "exit" => Action::Exit,
                "panic" => Action::Panic,
                _ => return Err(()),
            };
            Ok(Fault { name: name.to_owned(), due_pass, passes: AtomicU64::new(0), action })
        }
    }

    impl Fault {
        /// Counts a pass of the point `name`; the action if this is the pass.
        fn due(&self, name: &str) -> Option<Action> {
            let is_due = self.name == name && self.passes.fetch_add(1, Ordering::SeqCst) + 1 == self.due_pass;
            is_due.then_some(self.action)
        }
    }

    impl Action {
        #[allow(clippy::exit, clippy::panic, reason = "a fault is to end the process where it stands")]
        fn act(self) {
            let signal = match self {
                Action::Kill => Signal::KILL,
                Action::Stop => Signal::STOP,
                Action::Exit => std::process::exit(EXIT_CODE),
                Action::Panic => panic!("a fault that a test asked for"),
            };
            // A process may always signal itself.
            let _ = kill_process(getpid(), signal);
            thread::sleep(ARRIVAL);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::{Action, parse};

        /// What happens at each pass of the points in turn.
        fn check(text: &str, points: &[&str], expected: &[Option<Action>]) {
            let faults = parse(text);
            let seen: Vec<_> =
                points.iter().map(|name| faults.iter().filter_map(|fault| fault.due(name)).last()).collect();
            assert_eq!(seen, expected, "{text}");
        }

        #[test]
        fn acts_at_the_pass_that_was_asked_for_and_at_no_other() {
            check("flip=kill", &["copy", "flip", "flip"], &[None, Some(Action::Kill), None]);
            check("flip:2=stop", &["flip", "flip", "flip"], &[None, Some(Action::Stop), None]);
            check("copy=exit, flip=stop", &["flip", "copy"], &[Some(Action::Stop), Some(Action::Exit)]);
        }

        #[test]
        fn what_is_not_understood_has_no_effect() {
            for text in ["", "flip", "flip=explode", "flip:x=kill", "flip:0=kill", "flip=", "=kill"] {
                check(text, &["flip", "flip"], &[None, None]);
            }
            check("flip=explode,flip:2=kill", &["flip", "flip"], &[None, Some(Action::Kill)]);
        }
    }
}
