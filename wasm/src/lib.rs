//! The update helper in the browser: finds a new version, announces it, applies it, and reloads once.
//!
//! [`machine`] decides: a pure state machine that is explored and tested natively. [`codes`] gives its events and
//! actions numbers, and the boundary (only in WebAssembly) exchanges these with the hand-written `js/page.js`, which
//! turns the browser's callbacks into events, carries actions out, and decides nothing.

extern crate alloc;

pub mod codes;
pub mod machine;

#[cfg(target_arch = "wasm32")]
mod boundary;
#[cfg(target_arch = "wasm32")]
pub use boundary::{begin, deliver, order, remind};
