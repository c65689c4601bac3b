//! Turns the compiled update helper into a JavaScript module: `slipway-pack FILE.wasm OUT_DIR`.

fn main() -> std::process::ExitCode {
    let arguments: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    slipway_pack::run(&arguments)
}
