//! Entry point of `sw-force-refresh`.

fn main() -> std::process::ExitCode {
    release_common::run(sw_force_refresh::run)
}
