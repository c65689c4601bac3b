//! Hash a PWA build folder into a precache manifest and one manifest hash.

fn main() -> std::process::ExitCode {
    release_common::run(precache_hash::run)
}
