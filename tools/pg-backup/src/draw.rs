//! Numbers that nobody else has drawn.

use jiff::Timestamp;

use crate::error::Error;
use crate::layout::BackupId;

/// Eight random bytes: enough that no two of one second meet.
///
/// # Errors
/// When the system gives none.
pub(crate) fn bytes() -> Result<[u8; 8], Error> {
    let mut random = [0; 8];
    let drawn = getrandom::fill(&mut random);
    drawn.map_err(|error| Error::Runtime(std::io::Error::other(error.to_string())))?;
    Ok(random)
}

/// An id of this moment.
///
/// # Errors
/// When the system gives no random numbers.
pub(crate) fn id(now: Timestamp) -> Result<BackupId, Error> {
    Ok(BackupId::new(now, bytes()?))
}
