//! What a crash would give away: the memory of this process holds passwords and keys.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Lets neither this process nor any that it starts leave a core file, and nobody but root look into this one (prctl(2),
/// `PR_SET_DUMPABLE`). A system that refuses has none of it to offer, and the work goes on.
pub(crate) fn keep() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
