//! Statements through `psql`: the testbed needs no driver, and a test may use any of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::error::Error;

/// No startup file, stop at the first error, no decoration.
const OPTIONS: [&str; 5] = ["-X", "-v", "ON_ERROR_STOP=1", "-qAt", "-w"];

/// Runs the statements, each a transaction of its own unless they say otherwise; the rows, fields parted by `|`.
pub(crate) fn run(psql: &Path, url: &str, sql: &str) -> Result<String, Error> {
    let refuse = |source| Error::Start { program: "psql".to_owned(), source };
    let mut command = Command::new(psql);
    command.args(OPTIONS).args(["-d", url, "-f", "-"]).env_remove("PGOPTIONS").env_remove("PGSERVICE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(refuse)?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // A psql that stops at an error reads no further; its message tells more than the broken pipe.
            let _ = stdin.map(|mut stdin| stdin.write_all(sql.as_bytes()));
        });
        child.wait_with_output()
    });
    let output = output.map_err(refuse)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
    if !output.status.success() {
        return Err(Error::Sql { url: url.to_owned(), message: text(&output.stderr) });
    }
    Ok(text(&output.stdout))
}
