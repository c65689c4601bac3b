//! Addresses of databases, and the passwords in them.

use std::ffi::OsString;

use release_postgres::{ClientEnvironment, Database};

/// What is said of a database with this password, by message and by variable; `None` when it cannot be handed on.
fn said(password: &str) -> Option<(String, Vec<(&'static str, OsString)>)> {
    let escaped: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let address = format!("postgres://user:{escaped}@host:5432/database");
    let database = Database::from_dsn(&address, "fuzz").ok()?;
    let mut variables = ClientEnvironment::new(&database).ok()?.variables().to_vec();
    variables.retain(|(name, _)| *name != "PGPASSFILE");
    Some((format!("{database:?} {}", database.shown()), variables))
}

/// An address leads somewhere or is refused; a password changes nothing that anybody sees.
pub fn dsn(text: &str) {
    if let Ok(database) = Database::from_dsn(text, "fuzz") {
        let _ = ClientEnvironment::new(&database.with_database("other"));
    }
    let is_given = !text.is_empty() && !text.contains(['\n', '\r', '\0']);
    assert!(!is_given || said(text) == said("another"), "{text:?} as a password is shown");
}
