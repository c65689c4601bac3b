//! How a database that is being restored says so: by its comment. A run that was killed leaves it, and the next one knows
//! that nobody will miss what is in that database.

use crate::layout::BackupId;

const HEAD: &str = "pg-backup: restore of ";
const UNDER_WAY: &str = " under way";
const COMPLETE: &str = " complete";
/// PostgreSQL keeps so many bytes of a name.
const NAME_LIMIT: usize = 63;

/// What a comment of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which backup.
    pub(super) id: BackupId,
    /// The database that it is meant to become.
    pub(super) target: String,
    /// Whether all is in it.
    pub(super) is_complete: bool,
}

impl Mark {
    /// The comment.
    pub(super) fn text(&self) -> String {
        let end = if self.is_complete { COMPLETE } else { UNDER_WAY };
        format!("{HEAD}{} for {}{end}", self.id, self.target)
    }

    /// Reads a comment; none if it is somebody else's.
    pub(super) fn read(comment: &str) -> Option<Mark> {
        let rest = comment.strip_prefix(HEAD)?;
        let (rest, is_complete) = match rest.strip_suffix(COMPLETE) {
            Some(rest) => (rest, true),
            None => (rest.strip_suffix(UNDER_WAY)?, false),
        };
        let (id, target) = rest.split_once(" for ")?;
        Some(Mark { id: id.parse().ok()?, target: target.to_owned(), is_complete })
    }
}

/// The name of a database beside another: `erp_restore_<id>`, its beginning cut when it would be too long.
pub(super) fn beside(target: &str, word: &str, id: &BackupId, number: u32) -> String {
    let number = if number > 1 { format!("_{number}") } else { String::new() };
    let end = format!("_{word}_{id}{number}");
    let cut = target.floor_char_boundary(NAME_LIMIT.saturating_sub(end.len()));
    format!("{}{end}", target.get(..cut).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Mark, beside};
    use crate::layout::BackupId;

    fn id() -> BackupId {
        "20261123T104046Z-0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_comment_of_others_is_no_mark() {
        for text in ["", "the shop", "pg-backup: restore of x for erp complete", "pg-backup: restore of "] {
            assert_eq!(Mark::read(text), None);
        }
    }

    #[test]
    fn a_name_beside_another_fits_and_is_cut_between_letters() {
        assert_eq!(beside("erp", "restore", &id(), 1), format!("erp_restore_{}", id()));
        assert_eq!(beside("erp", "before", &id(), 2), format!("erp_before_{}_2", id()));
        let long = beside(&"名".repeat(21), "restore", &id(), 1);
        assert!(long.len() <= 63 && long.ends_with(id().as_str()) && long.starts_with("名名"), "{long}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(target in "[^\0]{1,30}", is_complete: bool) {
            let mark = Mark { id: id(), target, is_complete };
            prop_assert_eq!(Mark::read(&mark.text()), Some(mark));
        }
    }
}
