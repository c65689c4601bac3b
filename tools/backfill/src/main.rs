//! Entry point of `backfill`.

fn main() -> std::process::ExitCode {
    release_common::run(backfill::run)
}
