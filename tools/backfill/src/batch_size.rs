//! How many keys the next transaction covers.
//!
//! Inner loop of the control law: the size follows the wanted length of a transaction, as GitLab's batched migrations do
//! (`lib/gitlab/database/batch_optimizer.rb`), but may also halve at once. More than 1000 keys buy no speed (measured:
//! 30 to 70 % more processor time per row), so that the size is a knob for lock time.

/// Fewer keys than this cost more in transactions than they save in lock time.
const LEAST: f64 = 50.0;
/// How much of the newest measurement enters the mean.
const WEIGHT: f64 = 0.3;

/// The size of the next batch.
#[derive(Clone, Debug)]
pub struct BatchSize {
    current: f64,
    most: f64,
    target_ms: f64,
    mean_ms: Option<f64>,
}

impl BatchSize {
    /// Begins with `most` keys.
    pub fn new(most: u32, target_ms: u64) -> BatchSize {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a batch fit")]
        let target_ms = target_ms as f64;
        BatchSize { current: f64::from(most), most: f64::from(most), target_ms, mean_ms: None }
    }

    /// Keys for the next batch, at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the limits of a u32")]
    pub fn keys(&self) -> u32 {
        self.current.max(1.0) as u32
    }

    /// The mean length of a batch in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.mean_ms.unwrap_or(self.target_ms)
    }

    /// A batch took `took_ms`.
    pub fn took(&mut self, took_ms: f64) {
        let mean = self.mean_ms.map_or(took_ms, |mean| mean + WEIGHT * (took_ms - mean));
        self.mean_ms = Some(mean);
        let factor = (self.target_ms / mean.max(0.1)).clamp(0.5, 1.2);
        self.current = (self.current * factor).clamp(LEAST.min(self.most), self.most);
    }

    /// A batch took too long, or waited for a lock: half as many.
    pub fn halve(&mut self) {
        self.current = (self.current / 2.0).max(1.0);
    }

    /// Whether it cannot be smaller.
    pub fn is_one(&self) -> bool {
        self.keys() == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::BatchSize;

    #[test]
    fn slow_batches_shrink_and_quick_ones_grow_back() {
        let mut size = BatchSize::new(1000, 150);
        size.took(600.0);
        assert_eq!(size.keys(), 500);
        for _ in 0..30 {
            size.took(20.0);
        }
        assert_eq!(size.keys(), 1000);
    }

    #[test]
    fn a_batch_can_shrink_to_one_row_and_no_further() {
        let mut size = BatchSize::new(10, 150);
        for _ in 0..10 {
            size.halve();
        }
        assert!(size.is_one());
    }

    proptest! {
        #[test]
        fn never_leaves_its_limits(most in 1_u32..100_000, times in prop::collection::vec(0.0_f64..100_000.0, 0..50)) {
            let mut size = BatchSize::new(most, 150);
            for took in times {
                size.took(took);
                prop_assert!((1..=most).contains(&size.keys()));
            }
        }
    }
}
