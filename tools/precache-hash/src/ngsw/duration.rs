//! Durations of `ngsw-config.json` such as `3d12h5u`: Angular's `packages/service-worker/config/src/duration.ts`.
//!
//! Angular drops what it does not recognize (`12` and `soon` are 0 ms to it, `-1d` is one day); here the whole text
//! must be pairs of a number and a unit, so that a typo cannot become a cache that never expires or never keeps.

/// The largest number of milliseconds that a JavaScript number holds exactly.
const LARGEST: f64 = 9_007_199_254_740_991.0;

/// Milliseconds, always a whole number that JavaScript prints without an exponent.
pub(crate) type Milliseconds = f64;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not made of pairs of digits and a unit.
    #[error("expected numbers with a unit d, h, m, s or u (milliseconds), such as \"3d12h\"")]
    Malformed,
    /// It is longer than JavaScript can count.
    #[error("longer than 9007199254740991 milliseconds")]
    TooLong,
}

/// Reads pairs of digits and unit and adds them up.
pub(crate) fn parse_duration(text: &str) -> Result<Milliseconds, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Malformed)?;
        let (digits, tail) = rest.split_at(unit_at);
        let mut tail = tail.chars();
        let factor = tail.next().and_then(unit_factor).ok_or(DurationError::Malformed)?;
        let number: f64 = digits.parse().map_err(|_| DurationError::Malformed)?;
        total += number * factor;
        rest = tail.as_str();
    }
    if total > LARGEST { Err(DurationError::TooLong) } else { Ok(total) }
}

fn unit_factor(unit: char) -> Option<f64> {
    match unit {
        'd' => Some(86_400_000.0),
        'h' => Some(3_600_000.0),
        'm' => Some(60_000.0),
        's' => Some(1_000.0),
        'u' => Some(1.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_numbers_with_units() {
        let cases = [("3d12h5u", 302_400_005.0), ("0s", 0.0), ("5s30u", 5_030.0), ("1m1m", 120_000.0)];
        for (text, milliseconds) in cases {
            assert_eq!(parse_duration(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_angular_would_silently_drop() {
        for text in ["", "12", "soon", "-1d", "1.5h", "1h 30m", "3dh", "d", "3D", "١d"] {
            assert_eq!(parse_duration(text), Err(DurationError::Malformed), "{text}");
        }
        assert_eq!(parse_duration("99999999999999999999d"), Err(DurationError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in proptest::prelude::any::<String>()) {
            let _ = parse_duration(&text);
        }
    }
}
