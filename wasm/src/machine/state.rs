//! What the machine remembers about one page, and the views that the page's user gets of it.

use alloc::vec::Vec;

use super::{Ack, Id, Link, Pursuit, PursuitStage, Version};

/// Everything the machine knows about one page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The hash of the build that this page runs, if the page told it.
    pub running: Option<Version>,
    /// The hash that the origin served when last asked.
    pub served: Option<Version>,
    /// The served hash for which the browser has looked for a newer worker and answered.
    pub settled: Option<Version>,
    /// The newest snapshot of the registration.
    pub workers: Workers,
    /// The check under way.
    pub check: Option<Check>,
    /// Number of checks begun so far; tells a late answer from the one that is awaited.
    pub checks: u32,
    /// When the last check began, in unix milliseconds.
    pub checked_ms: u64,
    /// Time between two regular checks, in milliseconds.
    pub interval_ms: u32,
    /// The update being applied.
    pub application: Option<Application>,
    /// The refresh that was ordered from outside, while it is not done.
    pub order: Option<Pursuit>,
    /// What the user last put off: the served hash, if it was known.
    pub dismissed: Option<Option<Version>>,
    /// What went wrong last, until something goes right.
    pub fault: Option<Fault>,
    /// Whether the page is in the background.
    pub is_hidden: bool,
    /// What survives the reload.
    pub memory: Memory,
    /// Whether that memory can be written; where it cannot, nothing reloads by itself.
    pub can_remember: bool,
    /// The connection to the hub.
    pub link: Link,
    /// Acknowledgements that wait for the connection.
    pub unsent: Vec<Ack>,
}

/// A snapshot of the service worker registration; a snapshot cannot miss an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workers {
    /// A worker is being installed.
    pub is_installing: bool,
    /// A worker is installed and waits for its turn.
    pub is_waiting: bool,
    /// A worker is active.
    pub is_active: bool,
}

/// A check under way: first the origin is asked for its hash, then the browser for a newer worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// Which check it is.
    pub number: u32,
    /// The answer of the origin, once it is there.
    pub served: Option<Version>,
}

/// An update being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Application {
    /// Who asked for it.
    pub cause: Cause,
    /// How far it has come.
    pub stage: Stage,
    /// The hash that the page will run after it, if known.
    pub target: Option<Version>,
}

/// Who asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The user, by a click.
    User,
    /// An order from the hub.
    Order,
}

/// The stages of applying an update, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The page saves what its user has typed.
    Flushing,
    /// The waiting worker is told to take over.
    Activating,
    /// The reload was asked for; nothing more happens in this page.
    Reloading,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The new worker failed to install.
    Install,
    /// The page could not save its user's input.
    Flush,
    /// The new worker did not take over in time.
    Activate,
    /// The page reloaded for a hash and still runs another one, or the reload was stopped.
    Reload,
}

/// What survives a reload, kept by the adapter in the tab's own storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Hashes for which this tab has reloaded by itself, oldest first.
    pub reloaded: Vec<Version>,
    /// Ids of orders that this tab has acted upon, oldest first.
    pub done: Vec<Id>,
    /// The epoch of the hub in which `seq` was seen.
    pub epoch: Option<Id>,
    /// The highest sequence number seen in that epoch.
    pub seq: u64,
    /// The times of this browser's latest reloads by order, in unix milliseconds.
    pub reload_times_ms: Vec<u64>,
}

/// What the page shows and reports; derived from the state, never stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The phase of the update.
    pub phase: Phase,
    /// The toast, or none.
    pub toast: Option<Toast>,
    /// The hash that the next version has, if one is known.
    pub target: Option<Version>,
    /// What went wrong last.
    pub fault: Option<Fault>,
}

/// The phase of the update, as the application sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The page runs what the origin serves, as far as is known.
    Idle,
    /// The origin is being asked.
    Checking,
    /// A new worker is being installed.
    Installing,
    /// A new version can be applied.
    Ready,
    /// The page saves its input or the new worker takes over.
    Applying,
    /// The page is about to be replaced.
    Reloading,
    /// Something went wrong; see the fault.
    Failed,
}

/// The toasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Toast {
    /// A new version is there; the user may update or put it off.
    Ready,
    /// A refresh was ordered and comes by itself; the user may have it at once.
    Ordered,
    /// The update is being applied.
    Applying,
    /// The update failed; the user may try again.
    Failed,
}

impl State {
    /// Whether a new version can be applied now.
    pub fn is_ready(&self) -> bool {
        match (self.running, self.served) {
            (Some(running), Some(served)) => {
                served != running && self.settled == Some(served) && !self.workers.is_installing
            }
            _ => self.workers.is_waiting && self.workers.is_active,
        }
    }

    /// The hash that an update leads to, if one is known.
    pub fn target(&self) -> Option<Version> {
        self.served.filter(|served| Some(*served) != self.running)
    }

    /// Whether the reload was asked for.
    pub fn is_reloading(&self) -> bool {
        self.application.is_some_and(|application| application.stage == Stage::Reloading)
    }

    /// What the page shows and reports in this state.
    pub fn view(&self) -> View {
        View { phase: self.phase(), toast: self.toast(), target: self.target(), fault: self.fault }
    }

    fn phase(&self) -> Phase {
        if let Some(application) = self.application {
            return if application.stage == Stage::Reloading { Phase::Reloading } else { Phase::Applying };
        }
        if self.fault.is_some() {
            Phase::Failed
        } else if self.is_ready() {
            Phase::Ready
        } else if self.workers.is_installing && self.workers.is_active {
            Phase::Installing
        } else if self.check.is_some() {
            Phase::Checking
        } else {
            Phase::Idle
        }
    }

    fn toast(&self) -> Option<Toast> {
        if self.application.is_some() {
            return Some(Toast::Applying);
        }
        if !self.is_ready() {
            return None;
        }
        if self.order.as_ref().is_some_and(|pursuit| pursuit.stage == PursuitStage::Delaying) {
            return Some(Toast::Ordered);
        }
        if self.dismissed == Some(self.served) {
            return None;
        }
        Some(if self.fault.is_some() { Toast::Failed } else { Toast::Ready })
    }
}
