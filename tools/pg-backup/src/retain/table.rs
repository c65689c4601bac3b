//! A plan for people: what goes first, then what stays and why.

use std::fmt::Write;

use release_common::units::ByteSize;

use super::document::{Action, Line, Plan};
use crate::retention::{Reason, Standing};

/// The whole table.
pub(super) fn render(plan: &Plan) -> String {
    let mut text = String::new();
    for action in [Action::Delete, Action::Keep] {
        let mut lines: Vec<_> = plan.lines.iter().filter(|line| line.action == action).collect();
        lines.sort_by_key(|line| (line.state.snapshot_at, line.state.id.clone()));
        for line in lines.iter().rev() {
            let _ = writeln!(text, "{}", row(line).trim_end());
        }
    }
    let summary = &plan.summary;
    let _ = writeln!(
        text,
        "{} to delete, {} to free; {} to keep, {}",
        summary.delete,
        ByteSize(summary.freed_bytes),
        summary.keep,
        ByteSize(summary.kept_bytes)
    );
    if summary.wal_segments > 0 {
        let freed = ByteSize(summary.wal_freed_bytes);
        let _ = writeln!(text, "{} segments of WAL to delete, {freed} to free", summary.wal_segments);
    }
    text
}

fn row(line: &Line) -> String {
    let action = match line.action {
        Action::Keep => "keep",
        Action::Delete => "delete",
    };
    let taken = line.state.snapshot_at.map_or_else(|| "?".to_owned(), |time| format!("{time:.0}"));
    let standing = match line.state.standing {
        Standing::Verified => "verified",
        Standing::Unproven => "unproven",
        Standing::Bad => "BAD",
    };
    let reasons: Vec<_> = line.reasons.iter().map(shown).collect();
    format!(
        "{action:<6}  {}  {taken:<20}  {:>9}  {standing:<8}  {}",
        line.state.id,
        ByteSize(line.state.stored_bytes).to_string(),
        reasons.join(", ")
    )
}

fn shown(reason: &Reason) -> String {
    match reason {
        Reason::Hold(name) => format!("held as {name}"),
        Reason::Newest => "newest".to_owned(),
        Reason::NewestVerified => "newest verified".to_owned(),
        Reason::AmongNewest => "among the newest".to_owned(),
        Reason::Within => "young".to_owned(),
        Reason::Daily(label) | Reason::Weekly(label) | Reason::Monthly(label) | Reason::Yearly(label) => {
            format!("last of {label}")
        }
        Reason::Release(name) => format!("release {name}"),
        Reason::Window => "PITR".to_owned(),
        Reason::Grace => "grace period".to_owned(),
        Reason::Ahead => "AHEAD OF THE CLOCK".to_owned(),
        Reason::Unreadable => "UNREADABLE".to_owned(),
        Reason::Stranger => "OF ANOTHER DATABASE".to_owned(),
        Reason::NothingVerified => "nothing is verified".to_owned(),
    }
}
