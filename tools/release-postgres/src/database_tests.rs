//! Tests of [`Database`]: what of address, service, environment and password file holds, and what is never shown.

use std::error::Error;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::Database;
use crate::ClientEnvironment;
use crate::secret::Secret;

const SECRET: &str = "hunter2";

fn environment_of(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
}

fn read(address: Option<&str>, environment: &[(&str, &str)]) -> Database {
    Database::read(address, &environment_of(environment), "test").unwrap()
}

fn password(database: &Database) -> Option<&str> {
    database.password().map(Secret::reveal)
}

fn variables(database: &Database) -> Vec<String> {
    let environment = ClientEnvironment::new(database).unwrap();
    environment.variables().iter().map(|(name, value)| format!("{name}={}", value.display())).collect()
}

/// An error and all its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source()).map(ToString::to_string);
    format!("{error}: {} {error:?}", causes.collect::<Vec<_>>().join(": "))
}

#[test]
fn an_address_reaches_the_child_whole() {
    for (address, expected) in [
        (
            "postgres://anna:a%2Fb@db.example:6432/shop?sslmode=verify-full&sslrootcert=%2Fca.pem&options=-c%20jit%3Doff",
            &[
                "PGHOST=db.example",
                "PGPORT=6432",
                "PGUSER=anna",
                "PGDATABASE=shop",
                "PGSSLMODE=verify-full",
                "PGSSLROOTCERT=/ca.pem",
                "PGOPTIONS=-c jit=off",
                "PGAPPNAME=test",
            ][..],
        ),
        ("postgresql://anna@[::1]/", &["PGHOST=::1", "PGDATABASE=anna"]),
        (
            "postgres://anna@%2Fsrv%2Fsocket/shop?ssl-mode=disable",
            &["PGHOST=/srv/socket", "PGSSLMODE=disable"],
        ),
        (
            "postgres:///shop?host=/srv/socket&user=me@azure&schema=public&pgbouncer=true",
            &["PGUSER=me@azure"],
        ),
    ] {
        let variables = variables(&read(Some(address), &[]));
        expected
            .iter()
            .for_each(|one| assert!(variables.contains(&(*one).to_owned()), "{one} not in {variables:?}"));
    }
}

#[test]
fn the_nearest_password_holds() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    fs::write(&file, "db:5432:shop:anna:of the file\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    let address = Some("postgres://anna@db/shop");
    let of_variable = ("PGPASSWORD", "of the variable");
    assert_eq!(password(&read(address, &[home])), Some("of the file"));
    assert_eq!(password(&read(Some("postgres://anna@db/other"), &[home])), None);
    assert_eq!(password(&read(address, &[home, of_variable])), Some("of the variable"));
    let given = read(Some("postgres://anna:of%20the%20address@db/shop"), &[home, of_variable]);
    assert_eq!(password(&given), Some("of the address"));
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(password(&read(address, &[home])), None);
}

#[test]
fn a_service_fills_what_an_address_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services");
    fs::write(&file, "[shop]\nhost=db.example\ndbname=shop\nuser=anna\npassword=hunter2\n").unwrap();
    let environment = [("PGSERVICE", "shop"), ("PGSERVICEFILE", file.to_str().unwrap())];
    let database = read(None, &environment);
    assert_eq!((database.shown().as_str(), password(&database)), ("db.example:5432/shop", Some(SECRET)));
    let other = read(Some("postgres:///other?service=shop"), &environment);
    assert_eq!((other.shown().as_str(), other.user()), ("db.example:5432/other", "anna"));
    assert_eq!(read(Some("postgres://localhost/x"), &environment).shown(), "localhost:5432/x");
    let missing = Database::read(Some("postgres:///?service=x"), &environment_of(&environment), "test");
    assert_eq!(missing.unwrap_err().to_string(), format!("service x: not found in {}", file.display()));
}

#[test]
fn another_database_is_on_the_same_server() {
    let other =
        read(Some("postgres://anna:hunter2@db:6432/shop"), &[]).with_database("scratch").named("second");
    assert_eq!((other.shown().as_str(), other.user(), other.port()), ("db:6432/scratch", "anna", 6432));
    assert_eq!((other.host().as_str(), password(&other)), ("db", Some(SECRET)));
    assert!(variables(&other).contains(&"PGAPPNAME=second".to_owned()));
}

/// What is logged while `work` is done.
fn logged(work: impl FnOnce()) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = log.reopen().unwrap();
    let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer);
    tracing::subscriber::with_default(logs.finish(), work);
    fs::read_to_string(log.path()).unwrap()
}

#[test]
fn no_password_is_logged() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    fs::write(&file, "broken:hunter2\n*:*:*:anna:hunter2\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let home = [("HOME", home.path().to_str().unwrap())];
    let log = logged(|| drop(read(Some("postgres://anna@db/shop?passwrod=hunter2"), &home)));
    assert!(log.contains("passwrod") && !log.contains(SECRET), "{log}");
}

#[test]
fn no_password_is_shown() {
    let database = read(Some("postgres://anna:hunter2@db/shop"), &[]);
    let environment = ClientEnvironment::new(&database).unwrap();
    for shown in [format!("{database:?}"), database.shown(), format!("{environment:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    assert!(format!("{database:?}").contains("***"));
}

#[test]
fn a_wrong_address_is_refused_without_its_password() {
    for address in [
        "postgres://anna:hunter2@db:port/shop",
        "postgres://anna:hunter2@db/shop?port=hunter2",
        "postgres://anna:1/hunter2@db/shop",
        "postgres://anna:1?hunter2@db/shop",
        "postgres://anna:hunter2#@db/shop",
        "postgres://anna:hunter2/@db/shop",
        "postgres://anna:hunter2@[db/shop",
        "postgres://anna:%FFhunter2@db/shop",
        "mysql://anna:hunter2@db/shop",
        "hunter2",
    ] {
        let shown = chain(&Database::read(Some(address), &|_| None, "test").unwrap_err());
        assert!(
            shown.starts_with("not an address such as ") && !shown.contains(SECRET),
            "{address}: {shown}"
        );
    }
}

#[test]
fn a_password_of_two_lines_is_refused() {
    let database = read(Some("postgres://anna:hunter%0A2@db/shop"), &[]);
    assert!(ClientEnvironment::new(&database).unwrap_err().to_string().contains("line break"));
}
