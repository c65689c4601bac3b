//! Entry point of `pg-backup`.

fn main() -> std::process::ExitCode {
    release_common::run(pg_backup::run)
}
