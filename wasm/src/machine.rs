//! The decision core: a pure state machine, one step per event.
//!
//! It knows no browser, no clock and no randomness: the time and one random number come in with each event, and what
//! is to be done goes out as values. The shape follows the life cycle of a service worker (W3C Service Workers,
//! section 2.1) and the client rules of the wire protocol `sw-force-refresh.v1` (docs/wasm.md).

mod action;
mod apply;
mod backoff;
mod check;
mod event;
mod link;
mod names;
mod order;
mod refresh;
mod state;
mod step;

pub use action::{Ack, AckState, Action, Frame, Why};
pub use backoff::full_jitter_ms;
pub use event::{CheckNumber, Event, LinkEvent, Now, Timer};
pub use link::Link;
pub use names::{Id, Version};
pub use order::{Order, OrderKind, Severity};
pub use refresh::{Pursuit, PursuitStage};
pub use state::{Application, Cause, Check, Fault, Memory, Phase, Stage, State, Toast, View, Workers};
pub use step::step;
