//! The quantities of `release-common`: sizes, spans, percentages and weekly windows.

use jiff::Timestamp;
use release_common::units::{ByteSize, Percent, Span};
use release_common::window::Window;

/// Spans and percentages read back as themselves; sizes are printed rounded to one decimal of their unit.
pub fn units(text: &str) {
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse(), Ok(span));
    }
    if let Ok(percent) = text.parse::<Percent>() {
        assert_eq!(percent.to_string().parse(), Ok(percent));
        assert!((0.0..=100.0).contains(&percent.value()));
    }
    if let Ok(size) = text.parse::<ByteSize>() {
        let printed = size.to_string().parse::<ByteSize>().map(|printed| printed.0.abs_diff(size.0));
        assert!(printed.is_ok_and(|difference| difference <= size.0 / 10), "{size} is not near {text}");
    }
}

/// A window reads back as itself, opens only while it is closed, and closes only while it is open.
pub fn window(text: &str) {
    let Ok(window) = text.parse::<Window>() else { return };
    assert_eq!(window.to_string().parse().as_ref(), Ok(&window));
    let day = |number: i64| Timestamp::from_second(1_790_000_000 + number * 86_400 / 3).ok();
    let ends = [Some(Timestamp::MIN), Some(Timestamp::MAX)];
    for now in (0..24).map(day).chain(ends).flatten() {
        assert_eq!(window.contains(now), window.closes_after(now).is_some());
        assert!(window.closes_after(now).is_none_or(|closes| closes > now));
        assert!(window.opens_after(now).is_none_or(|opens| opens > now));
    }
}
