//! When to stop asking a server that no longer answers, so that a dead host costs seconds and not hours.

/// So many files in a row without any answer, each tried again several times, are no accident.
const PATIENCE: usize = 8;

/// Counts answers and silences of one server.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    has_answered: bool,
    silent_in_a_row: usize,
}

impl Breaker {
    /// The server answered, whatever it said.
    pub(crate) fn answered(&mut self) {
        self.has_answered = true;
        self.silent_in_a_row = 0;
    }

    /// A file got no answer after all its tries.
    pub(crate) fn silent(&mut self) {
        self.silent_in_a_row += 1;
    }

    /// Whether any answer came at all.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether to stop: nobody was ever there, or nobody is there any longer.
    pub(crate) fn is_open(&self) -> bool {
        self.silent_in_a_row >= PATIENCE || (!self.has_answered && self.silent_in_a_row > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_once_when_nobody_was_ever_there() {
        let mut breaker = Breaker::default();
        assert!(!breaker.is_open());
        breaker.silent();
        assert!(breaker.is_open() && !breaker.has_answered());
    }

    #[test]
    fn opens_late_when_somebody_was_there() {
        let mut breaker = Breaker::default();
        breaker.answered();
        (1..PATIENCE).for_each(|_| breaker.silent());
        assert!(!breaker.is_open());
        breaker.answered();
        (0..PATIENCE).for_each(|_| breaker.silent());
        assert!(breaker.is_open() && breaker.has_answered());
    }
}
