//! What the machine wants done. The adapter carries these out, at once and in order, and decides nothing; what an
//! action is about it reads from the state that came with it.

use super::{CheckNumber, Id, Timer};

/// An action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the origin for its version file, past every cache.
    FetchVersion(CheckNumber),
    /// Have the browser look for a newer worker.
    UpdateWorker(CheckNumber),
    /// Tell the waiting worker to take over.
    SkipWaiting,
    /// Call the application's hook.
    Flush,
    /// Replace the page.
    Reload,
    /// Note the reload in the memory and replace the page; without the note there is no reload.
    NoteAndReload,
    /// Note in the memory that this order is done with.
    NoteDone(Id),
    /// Note in the memory the hub's epoch and the number of the newest order.
    NoteSeq,
    /// Set a timer, in milliseconds from now.
    SetTimer(Timer, u32),
    /// Drop a timer.
    DropTimer(Timer),
    /// Show and report the view of the state.
    Show,
    /// Open the connection.
    Connect,
    /// Close the connection.
    Disconnect,
    /// Send a frame.
    Send(Frame),
}

/// Frames from the client to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// Who this client is, what it runs, and the last that it has seen.
    Hello,
    /// How far the client is with an order.
    Ack(Ack),
    /// The answer to a heartbeat.
    Pong,
}

/// How far a client is with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The order.
    pub id: Id,
    /// How far.
    pub state: AckState,
    /// Why, where that is not plain.
    pub why: Option<Why>,
}

/// The states of an acknowledgement, by their wire names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckState {
    /// The order is good and will be followed.
    Received,
    /// It waits for the user.
    Deferred,
    /// The update is being applied.
    Updating,
    /// It could not be followed.
    Failed,
    /// It must not be followed.
    Refused,
    /// It asks nothing of this client.
    Skipped,
}

/// Reasons, by their wire names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The signature does not fit a known key.
    BadSignature,
    /// It is out of date, or lives too long.
    Expired,
    /// The origin did not serve the hash in time.
    NotServed,
    /// This tab or browser has reloaded enough.
    Budget,
    /// The user's input is not saved yet, or only the user may reload.
    UserBusy,
    /// The service worker did not do its part.
    SwError,
}
