//! The connection service file: parameters under a name.
//!
//! Follows the PostgreSQL manual, 34.17 "The Connection Service File"; a lookup by LDAP is not supported.

use std::path::PathBuf;

use crate::error::DatabaseError;
use crate::parameters::{Environment, Parameters};

/// The parameters of the service `name`, from the user's file or else the system's.
pub(crate) fn look_up(name: &str, environment: Environment<'_>) -> Result<Parameters, DatabaseError> {
    let paths = files(environment);
    for path in &paths {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        if let Some(found) = find(&text, name) {
            return Ok(found);
        }
    }
    let searched: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    Err(DatabaseError::Service { name: name.to_owned(), searched: searched.join(" or ") })
}

fn files(environment: Environment<'_>) -> Vec<PathBuf> {
    let users = environment("PGSERVICEFILE").map(PathBuf::from);
    let users = users.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".pg_service.conf")));
    let system = environment("PGSYSCONFDIR").map(|folder| PathBuf::from(folder).join("pg_service.conf"));
    users.into_iter().chain(system).collect()
}

/// The lines of one section; `None` when there is no such section.
fn find(text: &str, name: &str) -> Option<Parameters> {
    let heading = format!("[{name}]");
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != heading);
    lines.next()?;
    let mut parameters = Parameters::default();
    let section = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    // One service leads to no other.
    for (key, value) in section.filter_map(|line| line.split_once('=')).filter(|(key, _)| *key != "service") {
        parameters.add(key, value);
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_service_has_the_lines_of_its_section() {
        let text = "# all\n[other]\nhost=no\n[shop]\n  host=db.example\n# port=1\nport=5433\nservice=other\n\n[last]\nuser=x";
        let shop = find(text, "shop").unwrap();
        let values = ["host", "port", "user", "service"].map(|name| shop.get(name));
        assert_eq!(values, [Some("db.example"), Some("5433"), None, None]);
        assert!(find(text, "missing").is_none());
    }
}
