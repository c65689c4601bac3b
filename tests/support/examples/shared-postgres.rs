//! A process whose cluster is a static, as that of a test binary is: nothing drops it. `tests/postgres.rs` runs it.

use std::io::{self, Write};
use std::sync::OnceLock;

use testbed::{Error, Postgres, PostgresOptions};

static SHARED: OnceLock<Result<Postgres, Error>> = OnceLock::new();

fn main() -> io::Result<()> {
    let shared = SHARED.get_or_init(|| Postgres::start(&PostgresOptions::default()));
    let postgres = shared.as_ref().map_err(io::Error::other)?;
    writeln!(io::stdout(), "{} {}", postgres.pid(), postgres.socket().display())
}
