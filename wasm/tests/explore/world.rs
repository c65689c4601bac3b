//! The world around the machine: what may happen next, and what its actions do.

use slipway_update::machine::{
    Action, Application, Cause, Event, Frame, Id, LinkEvent, Memory, Now, Order, OrderKind, Severity, Stage,
    State, Timer, Version, Workers, step,
};

/// Two versions suffice for a deploy and its rollback.
const VERSIONS: [u32; 2] = [1, 2];
const EARLY_MS: u64 = 1_000_000_000;
const DEADLINE_S: u32 = 600;
const LATE_MS: u64 = EARLY_MS + DEADLINE_S as u64 * 1_000;

/// One tab and all that surrounds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    state: State,
    stored: Memory,
    can_remember: bool,
    origin: u32,
    active: Option<u32>,
    waiting: Option<u32>,
    installing: Option<u32>,
    fetch: Option<u32>,
    update: Option<u32>,
    is_flushing: bool,
    is_skipping: bool,
    is_late: bool,
    timers: Vec<Timer>,
    automatic: Vec<u32>,
    deploys: u8,
    orders: u8,
    faults: u8,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Deploy(u32),
    Answer(bool),
    LookForWorker(bool),
    Install(bool),
    TakeOver,
    Flush(bool),
    Click,
    Dismiss,
    Order(Severity),
    Fire(Timer),
    BarMemory,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The tab reloaded by itself twice for one version.
    SecondReload(u32),
    /// It reloaded by itself though it cannot remember that.
    Forgetful,
    /// It reloaded while the version that it wants had not taken over.
    TooEarly(u32),
    /// It reloaded while its hook was still saving, before the deadline.
    UnsavedInput,
    /// It waits for something without a timer that ends the wait.
    WaitsForEver(Box<State>),
}

impl World {
    /// A tab of version 1, some time after its start.
    pub(crate) fn new(can_remember: bool) -> World {
        let mut world = World {
            state: State::default(),
            stored: Memory::default(),
            can_remember,
            origin: 1,
            active: Some(1),
            waiting: None,
            installing: None,
            fetch: None,
            update: None,
            is_flushing: false,
            is_skipping: false,
            is_late: false,
            timers: Vec::new(),
            automatic: Vec::new(),
            deploys: 2,
            orders: 2,
            faults: 1,
        };
        world.load(None);
        world
    }

    /// A tab that has reloaded by itself for version 2, and runs version 1 again.
    pub(crate) fn rolled_back() -> World {
        let mut world = World { automatic: vec![2], ..World::new(true) };
        world.stored.reloaded.extend(Version::new(2));
        world.load(None);
        world
    }

    /// A new page: it runs what the active worker serves.
    fn load(&mut self, awaited: Option<Version>) {
        self.state = State {
            running: self.active.and_then(Version::new),
            can_remember: self.can_remember,
            memory: if self.can_remember { self.stored.clone() } else { Memory::default() },
            interval_ms: 900_000,
            ..State::default()
        };
        (self.fetch, self.update, self.is_flushing, self.is_skipping) = (None, None, false, false);
        self.timers.clear();
        for event in [
            Event::Workers(self.workers()),
            Event::Started(true, awaited),
            Event::Link(LinkEvent::Opened),
            Event::Link(LinkEvent::Welcome(Id::new(9), 25)),
        ] {
            self.deliver(event);
        }
    }

    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices = vec![Choice::Click, Choice::Dismiss];
        let good_or_bad = |can: bool, choice: fn(bool) -> Choice| {
            let outcomes =
                [true, false].into_iter().filter(move |is_good| can && (*is_good || self.faults > 0));
            outcomes.map(choice)
        };
        choices.extend(
            VERSIONS.into_iter().filter(|to| self.deploys > 0 && *to != self.origin).map(Choice::Deploy),
        );
        choices.extend(good_or_bad(self.fetch.is_some(), Choice::Answer));
        choices.extend(good_or_bad(self.update.is_some(), Choice::LookForWorker));
        choices.extend(good_or_bad(self.installing.is_some(), Choice::Install));
        choices.extend(good_or_bad(self.is_flushing, Choice::Flush));
        choices.extend((self.is_skipping && self.waiting.is_some()).then_some(Choice::TakeOver));
        choices.extend((self.faults > 0 && self.can_remember).then_some(Choice::BarMemory));
        if self.orders > 0 {
            choices.extend([Severity::Normal, Severity::High, Severity::Critical].map(Choice::Order));
        }
        let is_regular = |timer: &Timer| matches!(timer, Timer::Silence | Timer::Reconnect);
        choices.extend(self.timers.iter().filter(|timer| !is_regular(timer)).copied().map(Choice::Fire));
        choices
    }

    pub(crate) fn after(&self, choice: Choice) -> (World, Option<Breach>) {
        let mut world = self.clone();
        let breach = world.take(choice);
        let stuck = world.stuck();
        (world, breach.or(stuck))
    }

    fn take(&mut self, choice: Choice) -> Option<Breach> {
        if let Choice::Answer(false)
        | Choice::LookForWorker(false)
        | Choice::Install(false)
        | Choice::Flush(false) = choice
        {
            self.faults -= 1;
        }
        match choice {
            Choice::Deploy(to) => {
                self.deploys -= 1;
                self.origin = to;
                None
            }
            Choice::Answer(is_good) => {
                let served = Version::new(self.origin).filter(|_| is_good);
                let check = self.fetch.take()?;
                self.deliver(Event::Version(check, served))
            }
            Choice::LookForWorker(is_good) => self.look_for_worker(is_good),
            Choice::Install(is_good) => self.install(is_good),
            Choice::TakeOver => {
                self.is_skipping = false;
                self.active = self.waiting.take();
                self.deliver(Event::Workers(self.workers()))
                    .or_else(|| self.deliver(Event::ControllerChanged))
            }
            Choice::Flush(is_saved) => {
                self.is_flushing = false;
                self.deliver(Event::Flushed(is_saved))
            }
            Choice::Click => self.deliver(Event::Clicked),
            Choice::Dismiss => self.deliver(Event::Dismissed),
            Choice::Order(severity) => {
                self.orders -= 1;
                let order = self.order(severity)?;
                self.deliver(Event::Ordered(order))
            }
            Choice::Fire(timer) => {
                self.timers.retain(|set| *set != timer);
                self.is_late |= timer == Timer::OrderDeadline || self.is_order_overdue(timer);
                self.deliver(Event::Timer(timer))
            }
            Choice::BarMemory => {
                self.faults -= 1;
                self.can_remember = false;
                None
            }
        }
    }

    /// An order's hook is overdue at the order's deadline, not before.
    fn is_order_overdue(&self, timer: Timer) -> bool {
        let is_by_order = |application: Application| application.cause == Cause::Order;
        timer == Timer::FlushOverdue && self.state.application.is_some_and(is_by_order)
    }

    fn look_for_worker(&mut self, is_good: bool) -> Option<Breach> {
        let check = self.update.take()?;
        let newest = self.installing.or(self.waiting).or(self.active);
        if is_good && newest != Some(self.origin) {
            self.installing = Some(self.origin);
        }
        let workers = self.workers();
        self.deliver(Event::Workers(workers)).or_else(|| self.deliver(Event::UpdateDone(check, is_good)))
    }

    fn install(&mut self, is_good: bool) -> Option<Breach> {
        let installed = self.installing.take();
        if is_good {
            self.waiting = installed;
            return self.deliver(Event::Workers(self.workers()));
        }
        self.deliver(Event::WorkerRedundant(self.workers()))
    }

    fn order(&self, severity: Severity) -> Option<Order> {
        let number = 3 - u32::from(self.orders);
        let target = Version::new(2)?;
        let kind = OrderKind::Refresh { target, severity, deadline_s: DEADLINE_S, jitter_ms: 0 };
        let (issued_at_s, expires_at_s) = (EARLY_MS / 1_000, EARLY_MS / 1_000 + 3_600);
        Some(Order {
            kind,
            id: Id::new(number)?,
            seq: u64::from(number),
            issued_at_s,
            expires_at_s,
            is_for_us: true,
        })
    }

    fn workers(&self) -> Workers {
        Workers {
            is_installing: self.installing.is_some(),
            is_waiting: self.waiting.is_some(),
            is_active: self.active.is_some(),
        }
    }

    /// Delivers an event and carries the actions out, as the page does.
    fn deliver(&mut self, event: Event) -> Option<Breach> {
        let now = Now { ms: if self.is_late { LATE_MS } else { EARLY_MS }, random: 0 };
        let (state, actions) = step(self.state.clone(), &event, now);
        self.state = state;
        let mut reload = None;
        for action in actions {
            match action {
                Action::FetchVersion(check) => self.fetch = Some(check),
                Action::UpdateWorker(check) => self.update = Some(check),
                Action::SkipWaiting => self.is_skipping = true,
                Action::Flush => self.is_flushing = true,
                Action::SetTimer(timer, _) if !self.timers.contains(&timer) => {
                    self.timers.push(timer);
                    self.timers.sort_by_key(|timer| *timer as u32);
                }
                Action::DropTimer(timer) => self.timers.retain(|set| *set != timer),
                Action::NoteDone(_) | Action::NoteSeq if self.can_remember => {
                    self.stored = self.state.memory.clone()
                }
                Action::Reload => reload = Some(false),
                Action::NoteAndReload => reload = Some(true),
                Action::Send(Frame::Hello | Frame::Pong | Frame::Ack(_)) => {}
                _ => {}
            }
        }
        reload.and_then(|is_automatic| self.reload(is_automatic))
    }

    fn reload(&mut self, is_automatic: bool) -> Option<Breach> {
        let knew = self.state.can_remember;
        if is_automatic && !self.can_remember && knew {
            return self.deliver(Event::MemoryBarred);
        }
        let target = self.state.application.and_then(|application| application.target);
        let number = VERSIONS.into_iter().find(|number| Version::new(*number) == target);
        let breach = self.breach(is_automatic, number);
        if is_automatic {
            self.automatic.extend(number);
            self.stored = self.state.memory.clone();
        }
        self.load(target);
        breach
    }

    fn breach(&self, is_automatic: bool, target: Option<u32>) -> Option<Breach> {
        if is_automatic && !self.state.can_remember {
            return Some(Breach::Forgetful);
        }
        if self.is_flushing && !self.is_late {
            return Some(Breach::UnsavedInput);
        }
        let target = target?;
        if is_automatic && self.automatic.contains(&target) {
            return Some(Breach::SecondReload(target));
        }
        let is_early = self.waiting == Some(target) || self.installing == Some(target);
        is_early.then_some(Breach::TooEarly(target))
    }

    /// Whatever is awaited has a timer.
    fn stuck(&self) -> Option<Breach> {
        let has = |timer| self.timers.contains(&timer);
        let is_timed = match self.state.application.map(|application| application.stage) {
            Some(Stage::Flushing) => has(Timer::FlushOverdue),
            Some(Stage::Activating) => has(Timer::ActivateOverdue),
            Some(Stage::Reloading) => has(Timer::ReloadOverdue),
            None => true,
        };
        let is_ended = self.state.order.is_none()
            || self.state.application.is_some()
            || has(Timer::OrderDeadline)
            || has(Timer::Order);
        let is_checked = has(Timer::Check) && (self.state.check.is_none() || has(Timer::CheckOverdue));
        (!is_timed || !is_ended || !is_checked).then(|| Breach::WaitsForEver(Box::new(self.state.clone())))
    }
}
