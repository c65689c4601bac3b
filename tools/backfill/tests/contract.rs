//! The contract check against a real PostgreSQL: what blocks, what ran, what is hidden, and time that passes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod shop;

use std::process::Stdio;

use serde_json::json;
use testbed::{Distribution, Postgres, PostgresOptions, Stop};

use shop::{Shop, start};

/// Each kind of object that can need a column, on a table that a job has recorded.
const ZOO: &str = include_str!("contract/zoo.sql");

/// Object by object: kind, name, whether it is certain and goes along, and what removes it.
fn zoo(shop: &Shop) -> String {
    let (code, lines) = shop.check(&[]);
    assert_eq!(code, 1);
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let rows = lines.iter().filter(|line| line["type"] == "blocker").map(|line| {
        let how = match (line["is_certain"].as_bool().unwrap(), line["goes_along"].as_bool().unwrap()) {
            (false, _) => "may use",
            (_, true) => "goes along",
            (_, false) => "refuses",
        };
        format!("{} | {} | {how} | {}\n", text(line, "kind"), text(line, "name"), text(line, "removal"))
    });
    rows.collect()
}

#[test]
fn every_kind_of_object_is_found_with_what_removes_it() {
    let shop = Shop::open("zoo");
    shop.sql(ZOO);
    assert_eq!(zoo(&shop), include_str!("contract/zoo.txt"));
}

#[test]
fn the_removals_remove_every_object_of_the_zoo() {
    let shop = Shop::open("removals");
    shop.sql(ZOO);
    // Views on views and the like go in an order that the catalog dictates: try until nothing fails any more.
    for _ in 0..4 {
        let (_, lines) = shop.check(&[]);
        for line in lines.iter().filter(|line| line["type"] == "blocker" && line["is_certain"] == true) {
            let _ = shop.try_sql(line["removal"].as_str().unwrap());
        }
    }
    shop.sql("drop function by_word(int), by_string(), count_up(), watch_words() cascade");
    let (_, lines) = shop.check(&[]);
    let left: Vec<_> = lines.iter().filter(|line| line["type"] == "blocker").collect();
    assert_eq!(left, [&json!({})][..0], "{left:?}");
    shop.sql("alter table post drop column published");
    let (code, lines) = shop.check(&[]);
    assert_eq!((code, &lines.last().unwrap()["reason"]), (0, &json!("column_gone")));
}

#[test]
fn what_has_nothing_to_do_with_the_column_blocks_nothing() {
    let shop = Shop::open("harmless");
    shop.sql(
        "alter table post alter published set not null, alter published set default false;
         create index on post (title); create view titles as select id, title from post;
         create function published() returns text language sql as 'select ''nothing''';
         create function elsewhere() returns void language plpgsql as
            'begin update page set published = true; end';
         create function counted() returns bigint language sql as 'select count(*) from post';
         create trigger touched before update of title on post for each row execute function
            suppress_redundant_updates_trigger()",
    );
    assert_eq!(zoo_of(&shop, 1), "");
}

fn zoo_of(shop: &Shop, expected: i32) -> String {
    let (code, lines) = shop.check(&[]);
    assert_eq!(code, expected);
    lines.iter().filter(|line| line["type"] == "blocker").map(ToString::to_string).collect()
}

#[test]
fn partitions_are_looked_at_with_their_parent() {
    let shop = Shop::open("partitions");
    shop.sql(
        "drop table post cascade;
         create table post (id int, published boolean, status text, at date) partition by range (at);
         create table post_2026 partition of post for values from ('2026-01-01') to ('2027-01-01');
         create index on post (published); create view current as select published from post_2026",
    );
    assert_eq!(
        zoo(&shop),
        "index | public.post_published_idx | goes along | DROP INDEX public.post_published_idx\n\
         view | public.current | refuses | DROP VIEW public.current\n"
    );
}

#[test]
fn the_dual_write_trigger_is_told_apart() {
    let shop = Shop::open("dual");
    shop.sql(
        "create function backfill.fill_1() returns trigger language plpgsql as
            'begin select case when new.published then ''P'' end into new.status; return new; end';
         create trigger zz_backfill_1 before insert or update on post for each row execute function backfill.fill_1()",
    );
    assert_eq!(
        zoo(&shop),
        "dual_write_trigger | zz_backfill_1 | refuses | backfill trigger drop post-status\n"
    );
}

#[test]
fn a_quiet_period_without_use_is_clean() {
    let shop = Shop::open("quiet");
    shop.sql("select published from post");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    shop.at("2026-03-01T23:00:00Z");
    let summary = shop.expect(&[], 1, "unknown", "too_short");
    assert_eq!((&summary["quiet_s"], &summary["clock"]), (&json!(23 * 3600), &json!("simulated")));
    shop.sql("select id, status from post; insert into post (title) values ('x')");
    shop.at("2026-03-02T00:00:00Z");
    let summary = shop.expect(&[], 0, "clean", "quiet");
    assert!(
        summary["next"]
            .as_str()
            .unwrap()
            .ends_with("ALTER TABLE \"public\".\"post\" DROP COLUMN \"published\"")
    );
}

#[test]
fn a_statement_of_the_old_version_is_told_until_the_period_is_over() {
    let shop = Shop::open("old_query");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    shop.sql("select \"p\".\"published\" from \"public\".\"post\" \"p\" where id = 1");
    shop.at("2026-03-01T01:00:00Z");
    shop.expect(&[], 1, "in_use", "statements");
    let (_, lines) = shop.check(&[]);
    let statement = lines.iter().find(|line| line["type"] == "statement").unwrap();
    assert_eq!((&statement["class"], &statement["calls"]), (&json!("names_column"), &json!(1)));
    shop.at("2026-03-02T00:30:00Z");
    shop.expect(&[], 1, "in_use", "statements");
    shop.at("2026-03-02T01:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
    let events = "select count(*), count(distinct detail ->> 'result') from backfill.event where kind = 'contract_checked'";
    assert_eq!(shop.sql(events), "3|3");
}

#[test]
fn a_star_counts_and_a_backup_does_not() {
    let shop = Shop::open("star");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    shop.dump();
    shop.at("2026-03-02T00:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
    shop.sql("select * from post");
    shop.at("2026-03-02T00:01:00Z");
    shop.expect(&[], 1, "in_use", "statements");
}

#[test]
fn what_this_tool_runs_is_no_use() {
    let shop = Shop::open("own");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    assert!(shop.tool(&["plan", "--name", "post-status"]).status().unwrap().success());
    assert!(shop.tool(&["run", "--name", "post-status"]).status().unwrap().success());
    assert_eq!(shop.sql("select status from post"), "P");
    shop.at("2026-03-02T00:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
}

#[test]
fn counters_that_were_reset_prove_nothing() {
    let cluster = start(Distribution::Debian);
    let shop = Shop::on(&cluster, "reset");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    shop.sql("select pg_stat_statements_reset()");
    shop.at("2026-03-03T00:00:00Z");
    shop.expect(&[], 1, "unknown", "statistics_reset");
    shop.at("2026-03-04T00:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
}

#[test]
fn counters_that_a_crash_lost_prove_nothing_and_a_restart_keeps_them() {
    let mut cluster = start(Distribution::Debian);
    let shop = Shop::on(&cluster, "crash");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    let (name, folder) = shop.close();
    cluster.stop(Stop::Fast).unwrap();
    cluster.start_again().unwrap();
    let shop = Shop::again(&cluster, name, folder);
    shop.at("2026-03-02T00:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
    let (name, folder) = shop.close();
    cluster.start_again().unwrap();
    let shop = Shop::again(&cluster, name, folder);
    shop.at("2026-03-04T00:00:00Z");
    shop.expect(&[], 1, "unknown", "statistics_lost");
}

#[test]
fn without_the_extension_or_the_right_nothing_is_clean() {
    let shop = Shop::open("blind");
    shop.sql("drop extension pg_stat_statements");
    shop.expect(&[], 1, "unknown", "extension_missing");
    shop.sql(
        "create extension pg_stat_statements; create role watcher login;
         grant usage on schema backfill to watcher;
         grant select, insert, delete on all tables in schema backfill to watcher",
    );
    shop.at("2026-03-01T00:00:00Z");
    shop.expect_as("watcher", "unknown", "rights_missing");
    shop.sql("grant pg_read_all_stats to watcher");
    shop.expect_as("watcher", "unknown", "too_short");
}

#[test]
fn a_session_that_holds_the_column_or_is_old_counts() {
    let shop = Shop::open("sessions");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    let mut holder = shop.psql().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    {
        use std::io::{BufRead, BufReader, Write};
        let input = holder.stdin.as_mut().unwrap();
        input.write_all(b"begin; select published from post limit 0; \\echo held\n").unwrap();
        let mut lines = BufReader::new(holder.stdout.as_mut().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "held" {}
    }
    let (code, lines) = shop.check(&[]);
    let session = lines.iter().find(|line| line["type"] == "session").unwrap();
    assert_eq!(
        (code, &session["state"], &session["is_old"]),
        (1, &json!("idle in transaction"), &json!(false))
    );
    let (_, lines) = shop.check(&["--deployed-at", "2999-01-01T00:00:00Z"]);
    assert!(lines.iter().any(|line| line["type"] == "session" && line["is_old"] == true));
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn watch_ends_when_the_answer_is_clean() {
    let shop = Shop::open("watch");
    shop.at("2026-03-01T00:00:00Z");
    shop.sql("create view v as select published from post");
    let mut watch = shop.command(&["watch", "post-status", "--every", "100ms", "--json"]).spawn().unwrap();
    let mut lines = shop::lines(&mut watch);
    assert_eq!(shop::next(&mut lines, "observation")["reason"], "blockers");
    shop.sql("drop view v");
    while shop::next(&mut lines, "observation")["reason"] != "too_short" {}
    shop.at("2026-03-02T00:00:00Z");
    assert_eq!(shop::next(&mut lines, "summary")["result"], "clean");
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_obeys_a_signal_and_tells_where_it_stands() {
    let shop = Shop::open("signal");
    let mut watch = shop.command(&["watch", "post-status", "--every", "1h", "--json"]).spawn().unwrap();
    let mut lines = shop::lines(&mut watch);
    shop::next(&mut lines, "observation");
    shop::terminate(&watch);
    assert_eq!(shop::next(&mut lines, "summary")["reason"], "too_short");
    assert_eq!(watch.wait().unwrap().code(), Some(143));
}

#[test]
fn what_cannot_be_asked_is_not_started() {
    let shop = Shop::open("refused");
    let output = shop.command(&["check", "absent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    shop.sql("update backfill.job set spec = jsonb_set(spec, '{source}', '[]')");
    let output = shop.command(&["check", "post-status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: name the old column with --column"));
    shop.expect(&["--column", "published"], 1, "unknown", "too_short");
    let mut away = shop.command(&["check", "post-status"]);
    assert_eq!(
        away.env("DATABASE_URL", "postgres://someone@127.0.0.1:1/shop").output().unwrap().status.code(),
        Some(75)
    );
}

#[test]
fn people_and_pipelines_read_the_same_findings() {
    let shop = Shop::open("formats");
    shop.sql("create view v as select published from post");
    let output = shop.command(&["check", "post-status"]).output().unwrap();
    let finding = "view public.v needs it: DROP VIEW public.v";
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&format!("finding: {finding}")), "{told}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("result    in use: objects of the database need it")
    );
    let output = shop.command(&["check", "post-status", "--format", "github"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("::error::column published: {finding}")), "{text}");
}

#[test]
fn version_18_answers_alike() {
    let options = PostgresOptions {
        has_statement_statistics: true,
        distribution: Distribution::Embedded18,
        ..Default::default()
    };
    let cluster = match Postgres::start(&options) {
        Ok(cluster) => cluster,
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let shop = Shop::on(&cluster, "zoo");
    shop.sql(ZOO);
    assert_eq!(zoo(&shop), include_str!("contract/zoo.txt"));
    let shop = Shop::on(&cluster, "quiet");
    shop.sql("alter table post alter published set not null");
    shop.at("2026-03-01T00:00:00Z");
    shop.expect(&[], 1, "unknown", "too_short");
    shop.at("2026-03-02T00:00:00Z");
    shop.expect(&[], 0, "clean", "quiet");
}
