//! The pooler stands between a test and its cluster, and pools by transaction.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use testbed::{PgBouncer, Postgres, PostgresOptions, Setting};

fn pooled(settings: &[Setting]) -> (PgBouncer, Postgres) {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    (PgBouncer::start(&postgres, settings).unwrap(), postgres)
}

#[test]
fn answers_for_databases_and_roles_of_the_cluster() {
    let (bouncer, postgres) = pooled(&[]);
    postgres.create_database("app").unwrap();
    postgres.sql("postgres", "create role reader login").unwrap();
    assert_eq!(bouncer.sql("app", "select current_database()").unwrap(), "app");
    let url = bouncer.url("app").replace("postgres@", "reader@");
    let mut psql = std::process::Command::new(postgres.program("psql"));
    let output = psql.args(["-XAt", "-d", &url, "-c", "select current_user"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "reader\n", "{output:?}");
}

#[test]
fn pools_by_transaction_and_takes_settings() {
    let (bouncer, _postgres) = pooled(&[Setting::new("default_pool_size", 3)]);
    let shown = bouncer.sql("pgbouncer", "show config").unwrap();
    for line in ["pool_mode|transaction|", "default_pool_size|3|"] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} is not in {shown}");
    }
}

#[test]
fn drop_leaves_nothing() {
    let (bouncer, _postgres) = pooled(&[]);
    let socket = bouncer.socket().to_owned();
    assert!(socket.join("users.txt").exists());
    drop(bouncer);
    assert!(!socket.exists());
}
