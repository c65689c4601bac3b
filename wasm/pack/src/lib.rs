//! Turns the compiled update helper into a JavaScript module: `slipway-pack FILE.wasm OUT_DIR`.
//!
//! It is `wasm-bindgen --target web` as a member of this workspace, so that `Cargo.lock` keeps it at the version of the
//! library: the two must match exactly. Exit codes as everywhere: 2 for wrong arguments, 3 for a failure.

mod slim;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use wasm_bindgen_cli_support::Bindgen;

/// Runs with the arguments behind the program's name.
pub fn run(arguments: &[PathBuf]) -> ExitCode {
    let [module, folder] = arguments else {
        return complain("usage: slipway-pack FILE.wasm OUT_DIR", 2);
    };
    match pack(module, folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(causes) => complain(&format!("slipway-pack: {}: {causes}", module.display()), 3),
    }
}

/// Writes `NAME.js` and `NAME_bg.wasm` for a page that loads modules without a bundler. The types are written by hand.
fn pack(module: &Path, folder: &Path) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).typescript(false).remove_name_section(true).remove_producers_section(true);
    let generated = bindgen.web(true).and_then(Bindgen::generate_output);
    let mut output = generated.map_err(|error| format!("{error:#}"))?;
    slim::slim(output.wasm_mut());
    let names = slim::shorten_imports(output.wasm_mut());
    output.emit(folder).map_err(|error| format!("{error:#}"))?;
    rename(&folder.join(module.file_stem().unwrap_or_default()).with_extension("js"), &names)
        .map_err(|error| error.to_string())
}

/// Gives the imports their short names in the JavaScript as well; every name stands there once, as a key.
fn rename(script: &Path, names: &[(String, String)]) -> io::Result<()> {
    let mut text = fs::read_to_string(script)?;
    for (long, short) in names {
        let key = format!("{long}:");
        if text.matches(&key).count() != 1 {
            return Err(io::Error::other(format!("`{long}` does not stand once in the script")));
        }
        text = text.replacen(&key, &format!("{short}:"), 1);
    }
    fs::write(script, text)
}

fn complain(text: &str, code: u8) -> ExitCode {
    // A message that cannot be written changes nothing about the exit code.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}
