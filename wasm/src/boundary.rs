//! The boundary to the page: `wasm/js/page.js` delivers events as numbers, and gets actions as numbers.
//!
//! Plain numbers in both directions need next to no glue. They are those of `wasm/js/codes.js`; a test compares.

use core::cell::RefCell;

use lol_alloc::{FreeListAllocator, LockedAllocator};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{
    codes,
    machine::{Event, Id, Now, Order, OrderKind, Severity, State, Version, step},
};

/// The standard allocator weighs as much as the state machine, and this program allocates little and seldom.
#[global_allocator]
static ALLOCATOR: LockedAllocator<FreeListAllocator> = LockedAllocator::new(FreeListAllocator::new());

/// The one page that this module serves.
#[derive(Default)]
struct Page {
    state: State,
    port: Option<Port>,
}

std::thread_local! {
    static PAGE: RefCell<Page> = RefCell::default();
}

#[wasm_bindgen]
extern "C" {
    /// The page's side of the boundary.
    pub type Port;

    /// Carries an action out. The page must not deliver an event from here, but put it into its queue.
    #[wasm_bindgen(method)]
    fn perform(this: &Port, action: u32, number: f64, name: u32);
}

/// Begins with what the page runs, how often to check, and whether the tab's memory can be written.
#[wasm_bindgen(skip_typescript)]
pub fn begin(port: Port, running: u32, interval_ms: u32, is_hidden: bool, can_remember: bool) {
    with_page(|page| {
        page.port = Some(port);
        page.state.running = Version::new(running);
        page.state.can_remember = can_remember;
        page.state.interval_ms = interval_ms;
        page.state.is_hidden = is_hidden;
    });
}

/// Reminds the machine, before the first event, of one thing that this tab or browser remembers.
#[wasm_bindgen(skip_typescript)]
pub fn remind(kind: u32, name: u32, number: f64) {
    with_page(|page| {
        let memory = &mut page.state.memory;
        match kind {
            0 => memory.reloaded.extend(Version::new(name)),
            1 => memory.done.extend(Id::new(name)),
            2 => memory.reload_times_ms.push(number as u64),
            _ => {
                memory.epoch = Id::new(name);
                memory.seq = number as u64;
            }
        }
    });
}

/// Delivers an event; what `number` and `name` are depends on it.
#[wasm_bindgen(skip_typescript)]
pub fn deliver(event: u32, number: u32, name: u32, now_ms: f64, random: u32) {
    if let Some(event) = codes::event(event, number, name) {
        with_page(|page| page.take(&event, now_ms, random));
    }
}

/// Delivers an order whose signature is good. `kind`: 0 to 2 by severity, 3 for a withdrawal.
#[wasm_bindgen(skip_typescript)]
#[expect(clippy::too_many_arguments, reason = "plain numbers cross the boundary without glue")]
pub fn order(
    kind: u32,
    id: u32,
    target: u32,
    seq: f64,
    deadline_s: u32,
    jitter_ms: u32,
    issued_s: f64,
    expires_s: f64,
    is_for_us: bool,
    now_ms: f64,
    random: u32,
) {
    let (Some(id), Some(target)) = (Id::new(id), Version::new(target)) else { return };
    let refresh = |severity| OrderKind::Refresh { target, severity, deadline_s, jitter_ms };
    let kind = match kind {
        0 => refresh(Severity::Normal),
        1 => refresh(Severity::High),
        2 => refresh(Severity::Critical),
        _ => OrderKind::Cancel,
    };
    let (seq, issued_at_s, expires_at_s) = (seq as u64, issued_s as u64, expires_s as u64);
    let order = Order { kind, id, seq, issued_at_s, expires_at_s, is_for_us };
    with_page(|page| page.take(&Event::Ordered(order), now_ms, random));
}

impl Page {
    fn take(&mut self, event: &Event, now_ms: f64, random: u32) {
        let (state, actions) =
            step(core::mem::take(&mut self.state), event, Now { ms: now_ms as u64, random });
        self.state = state;
        if let Some(port) = &self.port {
            for action in actions {
                let (code, number, name) = codes::action(action, &self.state);
                port.perform(code, number, name);
            }
        }
    }
}

fn with_page(work: impl FnOnce(&mut Page)) {
    PAGE.with(|page| {
        if let Ok(mut page) = page.try_borrow_mut() {
            work(&mut page);
        }
    });
}
