//! What would go wrong later is refused before anything is written, and named with its line.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use zoo::Zoo;

const FIXTURE: &str = "
    create table t (id int primary key, old text, new text, n int, twice int generated always as (id * 2) stored,
                    serial int generated always as identity, \"Mixed\" text);
    insert into t (id, old) select n, 'value ' || n from generate_series(1, 100) n;
    create view v as select * from t;
    create materialized view m as select * from t;
    create table parted (id int, day date, old text, new text, primary key (id, day)) partition by range (day);
    create table parted_1 partition of parted for values from ('2026-01-01') to ('2027-01-01') partition by list (id);
    create table parted_2 partition of parted_1 default;
    insert into parted values (1, '2026-06-01', 'value');
    create table by_year (day date, n int, old text, new text) partition by range ((extract(year from day)));
    create table names (id int, name text); insert into names values (1, 'a'), (1, 'b');
    create function roll() returns text language sql volatile as 'select random()::text';
    create function later() returns int language plpgsql as 'begin raise exception ''no''; end';
    create table secured (id int primary key, old text, new text);
    alter table secured enable row level security; alter table secured force row level security;
    create table keyed (id int primary key, old text, new text); insert into keyed select 1, 'value';
    create function rekey() returns trigger language plpgsql as 'begin new.id := new.id + 1000; return new; end';
    create trigger rekey before update on keyed for each row execute function rekey();
    create table dropping (id int, old text, new text); insert into dropping select 1, 'value';
    create function drop_it() returns trigger language plpgsql as 'begin return null; end';
    create trigger drop_it before update on dropping for each row execute function drop_it();
    create unlogged table plain (old text, new text);
";

/// A whole specification, the line that is at fault, and what is said about it.
type Refusal = (&'static str, &'static str, &'static str);

const REFUSALS: &[Refusal] = &[
    ("table = 'absent'\nset.new = 'old'", "1: table", "there is no table \"absent\""),
    ("table = 'public.\"T\"'\nset.new = 'old'", "1: table", "there is no table"),
    ("table = 'v'\nset.new = 'old'", "1: table", "is a view"),
    ("table = 'm'\nset.new = 'old'", "1: table", "is a view"),
    ("table = 't_pkey'\nset.new = 'old'", "1: table", "is no ordinary table"),
    ("table = 't'\nset.absent = 'old'", "2: set.absent", "has no column \"absent\""),
    ("table = 't'\nset.mixed = 'old'", "2: set.mixed", "it has \"Mixed\""),
    ("table = 't'\nset.new = 'older'", "2: set.new", "column \"older\" does not exist (42703)"),
    ("table = 't'\nsource = ['older']\nset.new = 'old'", "2: source", "has no column \"older\""),
    ("table = 't'\nkey = ['absent']\nset.new = 'old'", "2: key", "has no column \"absent\""),
    ("table = 't'\nkey = ['n']\nset.new = 'old'", "2: key", "no usable unique index"),
    ("table = 'plain'\norder = 'key'\nset.new = 'old'", "1: table", "has no usable key"),
    ("table = 't'\nset.n = 'point(1, 2)'", "2: set.n", "cannot cast type point to integer (42846)"),
    ("table = 't'\nset.n = 'old'", "2: set.n", "invalid input syntax for type integer: \"value 1\" (22P02)"),
    ("table = 't'\nset.n = '1 / (id - 1)'", "2: set.n", "division by zero (22012)"),
    ("table = 't'\nset.n = 'later()'\n", "2: set.n", "volatile: later()"),
    ("table = 't'\nset.new = 'old ||'", "2: set.new", "syntax error"),
    ("table = 't'\nset.new = 'random()::text'", "2: set.new", "volatile: random()"),
    ("table = 't'\nset.new = 'gen_random_uuid()'", "2: set.new", "volatile: gen_random_uuid()"),
    ("table = 't'\nset.new = '(select roll())'", "2: set.new", "volatile: roll()"),
    ("table = 't'\nset.new = 'clock_timestamp()'", "2: set.new", "volatile: clock_timestamp()"),
    ("table = 't'\nset.n = \"nextval('t_serial_seq')\"", "2: set.n", "volatile: nextval(regclass)"),
    ("table = 't'\nset.new = 'old'\nwhere = 'random() < 0.5'", "3: where", "volatile: random()"),
    (
        "table = 't'\nset.new = 'old'\nscope = 'old'",
        "3: scope",
        "must be type boolean, not type text (42804)",
    ),
    ("table = 't'\nset.new = 'old'\nscope = 'absent > 1'", "3: scope", "column \"absent\" does not exist"),
    ("table = 't'\nset.n = 'count(*)'", "2: set.n", "(42803)"),
    ("table = 't'\nset.n = 'row_number() over ()'", "2: set.n", "(42P20)"),
    ("table = 't'\nset.n = 'generate_series(1, 2)'", "2: set.n", "(0A000)"),
    (
        "table = 't'\nset.new = '(select name from names limit 1)'",
        "2: set.new",
        "a subquery takes some row of several",
    ),
    (
        "table = 't'\nset.new = '(select name from names where names.id = t.id)'",
        "2: set.new",
        "more than one row",
    ),
    ("table = 't'\nset.new = 'old); drop table t; --'", "2: set.new", "syntax error"),
    ("table = 't'\nset.new = '1::text); drop table t; --'", "2: set.new", "syntax error"),
    ("table = 't'\nset.new = 'old'\nscope = 'true) or (true'", "3: scope", "syntax error"),
    ("table = 't'\nset.twice = 'id'", "2: set.twice", "is a generated column"),
    ("table = 't'\nset.serial = 'id'", "2: set.serial", "is an identity column"),
    ("table = 't'\nset.id = 'id + 1'", "2: set.id", "part of the key"),
    ("table = 'parted'\nset.day = \"'2026-02-02'\"", "2: set.day", "decides the partition"),
    ("table = 'parted'\nset.id = 'id'", "2: set.id", "decides the partition"),
    ("table = 'by_year'\nset.day = \"'2026-02-02'\"", "2: set.day", "decides the partition"),
    ("table = 'by_year'\nset.new = 'old'", "1: table", "one job per partition"),
    (
        "table = 'keyed'\nset.new = 'old'",
        "1: table",
        "a trigger before update changes keys or drops updates (rekey)",
    ),
    ("table = 'dropping'\nset.new = 'old'", "1: table", "changes keys or drops updates (drop_it)"),
    ("table = 'plain'\nset.new = \"new || old\"", "1: table", "needs a key"),
    ("table = 't'\nset.new = 'old'\nbatch.size = 0", "3: batch.size", "a batch of no rows never ends"),
];

#[track_caller]
fn check(zoo: &Zoo<'_>, spec: &str, place: &str, reason: &str) {
    let job = zoo.file("job.toml", &format!("{spec}\nwindow = 'always'\n"));
    for command in ["plan", "init", "run"] {
        let did = zoo.backfill(&[command, job.to_str().unwrap()]);
        let said = format!("{spec}\n{command}: {}{}", did.stdout, did.stderr);
        assert_eq!(did.exit, 2, "{said}");
        let place = format!("error: {}:{place}: ", job.display());
        assert!(did.stderr.starts_with(&place) && did.stderr.contains(reason), "{said}");
    }
    assert_eq!(zoo.sql("select to_regnamespace('backfill')"), "", "{spec}: something was written");
}

#[test]
fn what_would_go_wrong_is_refused_with_its_line() {
    let zoo = Zoo::open(FIXTURE);
    for (spec, place, reason) in REFUSALS {
        check(&zoo, spec, place, reason);
    }
    assert_eq!(zoo.sql("select count(*) from t where new is not null or n is not null"), "0");
}

#[test]
fn hidden_rows_are_refused() {
    let zoo = Zoo::open(FIXTURE);
    zoo.sql(&role("hidden", "alter table secured owner to hidden; grant create on database {db} to hidden"));
    let zoo = Zoo { url: zoo.as_role("hidden"), ..zoo };
    check(&zoo, "table = 'secured'\nset.new = 'old'", "1: table", "row security hides rows");
}

/// A role of the cluster, which may be there from another test, and what it may do.
fn role(name: &str, grants: &str) -> String {
    let create =
        format!("do $$ begin create role {name} login; exception when duplicate_object then null; end $$;");
    let grants = grants.replace("{db}", "\"' || current_database() || '\"");
    format!("{create} do $$ begin execute '{grants}'; end $$;")
}

#[test]
fn missing_rights_are_named() {
    for (grants, place, reason) in [
        ("grant create on database {db} to limited", "1: table", "the role may not read"),
        (
            "grant create on database {db} to limited; grant select on t to limited",
            "2: set.new",
            "the role may not update",
        ),
        (
            "grant create on database {db} to limited; grant select on t to limited; grant update (new) on t to limited; \
             revoke select on names from limited",
            "2: set.new",
            "permission denied for table names",
        ),
    ] {
        let zoo = Zoo::open(FIXTURE);
        zoo.sql(&role("limited", grants));
        let zoo = Zoo { url: zoo.as_role("limited"), ..zoo };
        check(&zoo, "table = 't'\nset.new = '(select max(name) from names)'", place, reason);
    }
}

#[test]
fn a_role_that_may_not_create_the_schema_is_refused() {
    let zoo = Zoo::open(FIXTURE);
    zoo.sql(&role("visitor", "grant select, update on t to visitor"));
    let job = zoo.job("t", "table = 't'\nset.new = 'old'");
    let zoo = Zoo { url: zoo.as_role("visitor"), ..zoo };
    for command in ["plan", "init", "run"] {
        let did = zoo.backfill(&[command, job.to_str().unwrap()]);
        assert_eq!(did.exit, 2, "{}", did.stderr);
        assert!(did.stderr.contains("role visitor may not create the schema backfill"), "{}", did.stderr);
        assert!(did.stderr.contains("hint: GRANT CREATE ON DATABASE"), "{}", did.stderr);
    }
    assert_eq!(zoo.sql("select to_regnamespace('backfill')"), "");
}

#[test]
fn a_role_that_may_not_use_the_schema_is_refused() {
    let zoo = Zoo::open(FIXTURE);
    let job = zoo.job("t", "table = 't'\nset.new = 'old'");
    assert_eq!(zoo.backfill(&["init", job.to_str().unwrap()]).exit, 0);
    zoo.sql(&role("stranger", "grant select, update on t to stranger"));
    let zoo = Zoo { url: zoo.as_role("stranger"), ..zoo };
    for arguments in [&["run", job.to_str().unwrap()][..], &["status"], &["pause", "t"]] {
        let did = zoo.backfill(arguments);
        assert_eq!(did.exit, 2, "{}", did.stderr);
        assert!(did.stderr.contains("permission denied for schema backfill"), "{}", did.stderr);
    }
}

#[test]
fn a_name_means_one_specification() {
    let zoo = Zoo::open(FIXTURE);
    let first = zoo.job("t", "table = 't'\nset.new = 'old'");
    assert_eq!(zoo.backfill(&["init", first.to_str().unwrap()]).exit, 0);
    for (text, difference) in [
        ("table = 't'\nset.new = 'upper(old)'", "another set"),
        ("table = 't'\nset.new = 'old'\nscope = 'id > 5'", "another scope"),
        ("table = 'parted'\nset.new = 'old'\nsource = ['old']", "another table and source"),
    ] {
        let did = zoo.backfill(&["run", zoo.job("t", text).to_str().unwrap()]);
        assert_eq!(did.exit, 2);
        assert!(
            did.stderr.contains(difference) && did.stderr.contains("hint: take another name"),
            "{}",
            did.stderr
        );
    }
    let same = zoo.job("t", "table = 't'\nset.new = 'old'\nbatch = { size = 7, duty = 1 }");
    assert_eq!(zoo.run(&same, 0)["batches"], 15, "how it runs may change");
}

#[test]
fn a_standby_is_refused() {
    let primary = testbed::Postgres::start(&zoo::options()).unwrap();
    let zoo = Zoo::open_in(&primary, FIXTURE);
    let job = zoo.job("t", "table = 't'\nset.new = 'old'");
    assert_eq!(zoo.backfill(&["init", job.to_str().unwrap()]).exit, 0);
    let standby = primary.standby(&[]).unwrap();
    let other = zoo.job("other", "table = 't'\nset.new = 'old'");
    let zoo = Zoo { url: standby.url(&zoo.database), ..zoo };
    let (job, other) = (job.to_str().unwrap(), other.to_str().unwrap());
    for arguments in [&["run", job][..], &["plan", job], &["init", other], &["pause", "t"]] {
        let did = zoo.backfill(arguments);
        assert_eq!(did.exit, 2, "{arguments:?}: {}", did.stderr);
        assert!(did.stderr.contains("hint: give the address of the primary"), "{}", did.stderr);
    }
}

#[test]
fn a_role_that_sees_little_is_slow_and_told_so() {
    let zoo = Zoo::open(FIXTURE);
    zoo.sql(&role("blind", "grant create on database {db} to blind; grant select, update on t to blind"));
    let job = zoo.job("t", "table = 't'\nset.new = 'old'");
    let zoo = Zoo { url: zoo.as_role("blind"), ..zoo };
    let did = zoo.backfill(&["run", job.to_str().unwrap(), "--json"]);
    assert_eq!(did.exit, 0, "{}", did.stderr);
    let lines = did.lines();
    assert!(lines[0]["blind_signals"].to_string().contains("lock_waiters"), "{}", lines[0]);
    assert!(did.stdout.contains("GRANT pg_monitor TO blind"), "{}", did.stdout);
    let duties: Vec<f64> = lines.iter().filter_map(|line| line["duty"].as_f64()).collect();
    assert!(!duties.is_empty() && duties.iter().all(|duty| *duty <= 0.25), "{duties:?}");
}
