//! Simulated time for tests of whole programs: `--test-clock FILE` names a file that tells the time.
//!
//! A flag and no environment variable, so that nobody inherits it. Builds without debug assertions, such as the release
//! profile, take the flag, warn and keep to the machine's clock.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::clock::{Clock, SystemClock};
use crate::common_args::CommonArgs;
use crate::console::Console;

/// The file of `--test-clock` tells no time. Nothing has started.
#[derive(Debug, Error)]
pub enum TestClockError {
    /// The file cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path}: holds no RFC 3339 time", path = path.display())]
    NoTime {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: jiff::Error,
    },
}

/// The clock that the flags ask for.
#[cfg(debug_assertions)]
pub(crate) fn chosen(args: &CommonArgs, _console: Console) -> Result<Arc<dyn Clock>, TestClockError> {
    match &args.test_clock {
        Some(path) => Ok(Arc::new(file_clock::FileClock::open(path)?)),
        None => Ok(Arc::new(SystemClock)),
    }
}

/// The machine's clock, whatever the flags ask for.
#[cfg(not(debug_assertions))]
pub(crate) fn chosen(args: &CommonArgs, console: Console) -> Result<Arc<dyn Clock>, TestClockError> {
    if args.test_clock.is_some() {
        console.warn("--test-clock is ignored: this build knows the machine's clock only");
    }
    Ok(Arc::new(SystemClock))
}

#[cfg(debug_assertions)]
mod file_clock {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    use jiff::Timestamp;

    use super::TestClockError;
    use crate::clock::Clock;

    /// A clock that reads its file at each look. While the file is rewritten it shows what it last read.
    #[derive(Debug)]
    pub(crate) struct FileClock {
        path: PathBuf,
        last: Mutex<Timestamp>,
    }

    impl FileClock {
        /// A clock whose file tells a time now.
        pub(crate) fn open(path: &Path) -> Result<FileClock, TestClockError> {
            Ok(FileClock { path: path.to_owned(), last: Mutex::new(read(path)?) })
        }
    }

    impl Clock for FileClock {
        fn now(&self) -> Timestamp {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(now) = read(&self.path) {
                *last = now;
            }
            *last
        }

        fn is_simulated(&self) -> bool {
            true
        }
    }

    fn read(path: &Path) -> Result<Timestamp, TestClockError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TestClockError::Unreadable { path: path.to_owned(), source })?;
        let parsed = text.trim().parse();
        parsed.map_err(|source| TestClockError::NoTime { path: path.to_owned(), source })
    }

    #[cfg(test)]
    mod tests {
        use super::{Clock, FileClock, fs};

        #[test]
        fn follows_its_file_and_keeps_the_last_time_it_could_read() {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("time");
            fs::write(&file, "2026-11-24T00:00:00Z\n").unwrap();
            let clock = FileClock::open(&file).unwrap();
            for (text, shown) in [
                ("2026-11-24T09:30:00+09:00", "2026-11-24T00:30:00Z"),
                ("", "2026-11-24T00:30:00Z"),
                ("2026-11-25T00:00", "2026-11-24T00:30:00Z"),
                ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"),
            ] {
                fs::write(&file, text).unwrap();
                assert_eq!(clock.now().to_string(), shown, "{text}");
            }
            fs::remove_file(&file).unwrap();
            assert_eq!(clock.now().to_string(), "2026-11-20T00:00:00Z");
            assert!(clock.is_simulated());
        }
    }
}
