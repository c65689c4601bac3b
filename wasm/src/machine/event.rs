//! What happens to a page. The adapter turns the browser's callbacks into these values.

use super::{Id, Order, Version, Workers};

/// The moment of an event: its time, and one fresh random number for whatever the step must spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Unix time in milliseconds.
    pub ms: u64,
    /// Uniform over all values.
    pub random: u32,
}

/// Which check an answer belongs to.
pub type CheckNumber = u32;

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The helper begins its work in a page, with or without a hub; the page before this one reloaded for that version.
    Started(bool, Option<Version>),
    /// The application asks for a check.
    CheckAsked,
    /// Something suggests a check: the page became visible, came back from sleep, or the network did.
    CheckDue,
    /// The origin answered a check; `None` unless it was status 200 with a readable version file.
    Version(CheckNumber, Option<Version>),
    /// The browser has looked for a newer worker; an error counts as false.
    UpdateDone(CheckNumber, bool),
    /// The registration changed.
    Workers(Workers),
    /// The worker could not be registered.
    WorkerBarred,
    /// A worker was thrown away.
    WorkerRedundant(Workers),
    /// Another worker took over this page.
    ControllerChanged,
    /// The user asked for the update.
    Clicked,
    /// The user put the update off.
    Dismissed,
    /// The application's hook ended; false when it failed.
    Flushed(bool),
    /// The page went to the background or came back.
    Hidden(bool),
    /// A timer ran out.
    Timer(Timer),
    /// An order whose signature is good.
    Ordered(Order),
    /// An order whose signature is not good; the id is what it claims.
    Forged(Id),
    /// The memory could not be written, so the reload that depended on it did not happen.
    MemoryBarred,
    /// Something happened to the connection.
    Link(LinkEvent),
}

/// Timers; one of each at most is set, and setting it again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The regular look at the origin.
    Check,
    /// An answer to a check is overdue.
    CheckOverdue,
    /// The application's hook is overdue.
    FlushOverdue,
    /// The new worker is overdue.
    ActivateOverdue,
    /// The reload is overdue: the user or the browser stopped it.
    ReloadOverdue,
    /// The next step of an order is due.
    Order,
    /// The order's deadline.
    OrderDeadline,
    /// The next connection attempt is due.
    Reconnect,
    /// Nothing was heard from the hub for too long.
    Silence,
}

impl Timer {
    /// All timers, by their numbers.
    pub const ALL: [Timer; 9] = [
        Timer::Check,
        Timer::CheckOverdue,
        Timer::FlushOverdue,
        Timer::ActivateOverdue,
        Timer::ReloadOverdue,
        Timer::Order,
        Timer::OrderDeadline,
        Timer::Reconnect,
        Timer::Silence,
    ];
}

/// What happens to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkEvent {
    /// The socket is open.
    Opened,
    /// The hub's welcome: its epoch, and its heartbeat in seconds.
    Welcome(Option<Id>, u32),
    /// The hub's heartbeat.
    Ping,
    /// Any other sign of life.
    Heard,
    /// The hub will close; come back after so many milliseconds.
    Drain(u32),
    /// The socket is closed, with its code.
    Closed(u16),
}
