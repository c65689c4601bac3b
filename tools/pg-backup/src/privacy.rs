//! What a crash would give away: the memory of this process holds passwords and keys.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// A program that collects core files from a pipe is given them whatever the limit, but for this one, which the kernel
/// takes for "none" (fs/coredump.c); and no file can be so small.
const NO_CORE: Option<u64> = Some(1);

/// Lets neither this process nor any that it starts leave a core file, and nobody but root look into this one (prctl(2),
/// `PR_SET_DUMPABLE`). A system that refuses has none of it to offer, and the work goes on.
pub(crate) fn keep() {
    let _ = setrlimit(Resource::Core, Rlimit { current: NO_CORE, maximum: NO_CORE });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
