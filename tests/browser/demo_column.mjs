// A column is filled while an application writes to its table: the second stage of scripts/demo.
//
// Every line is first compared with what the database or the tool itself reports. The nights pass by a test clock, and
// what the tool reports says so. Server and load belong to the testbed, which ends them with this process.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ledger } from "./ledger.mjs";
import { ROOT, TARGET, end, ofPostgres, program, run, say, sql, stage, start } from "./programs.mjs";

const FOLDER = join(TARGET, "demo-column");
const DATA = join(ROOT, "testdata/backfill");
const CLOCK = join(FOLDER, "clock");
const JOB = "shipment-status";
const ROWS = 120_000;

// 02:00 in Korea is 17:00 UTC of the day before.
const FIRST_NIGHT = "2026-11-24T17:10:00Z";
const CLOSING_TIME = "2026-11-24T20:00:00Z";
const SECOND_NIGHT = "2026-11-25T17:00:00Z";
const RELEASE_3 = "2026-11-26T03:00:00Z";
const OLD_PODS_GONE = "2026-11-26T03:10:00Z";
const A_DAY_LATER = "2026-11-27T03:30:00Z";

/** What each release of the application does, over and over. */
const APPLICATION = {
  1: 'select id, delivered from "Shipment" where id = :id;',
  2: `update "Shipment" set delivered = not delivered,
        status = (case when not delivered then 'Delivered' else 'InTransit' end)::"ShipmentStatus" where id = :id;`,
  3: `update "Shipment" set status = 'Delivered' where id = :id;`,
};

const setClock = (time) => writeFileSync(CLOCK, time);

/** A release of the application at work. */
function application(url, release) {
  const script = join(FOLDER, `release-${release}.sql`);
  writeFileSync(script, `\\set id random(1, ${ROWS})\n${APPLICATION[release]}\n`);
  return start(["run", "--ready-line", "progress:", "--", ofPostgres("pgbench"), "-n", "-P", "1", "-T", "3600", "-R", "100", "-c", "2", "-f", script, url]);
}

const apply = (url, file) => execFileSync("psql", ["-X", "-v", "ON_ERROR_STOP=1", "-qf", join(DATA, file), url]);

/** Runs the tool to its end, at the time of the test clock. */
const backfill = (url, words, seen) =>
  run(program("backfill"), [...words, "--json", "--test-clock", CLOCK], { DATABASE_URL: url }, seen);

/** The table as release 1 left it. */
function prepare(url) {
  sql(url, `create extension pg_stat_statements;
    create table "Shipment" (id bigint primary key, delivered boolean not null, "recipient" text not null);
    insert into "Shipment" select i, i % 3 = 0, 'Busan Cold Storage Co.' from generate_series(1, ${ROWS}) i; analyze "Shipment"`);
}

const DIFFERENT = `select count(*) from "Shipment"
  where status is distinct from (case when delivered then 'Delivered' else 'InTransit' end)::"ShipmentStatus"`;

async function demo() {
  const ledger = new Ledger(say, undefined, "the database");
  const { ready } = await start(["postgres", "--set", "shared_preload_libraries=pg_stat_statements", "--database", "shop"]);
  const url = ready.url;
  prepare(url);
  apply(url, "expand.sql");
  const second = await application(url, 2);
  ledger.expect("release 2 writes both columns, 100 times a second", { empty: Number(sql(url, DIFFERENT)) > ROWS * 0.9 }, { empty: true });

  setClock(FIRST_NIGHT);
  // Slow enough that the night ends before the work does, on any machine.
  const first = await backfill(url, ["run", join(DATA, "job.toml"), "--duty", "0.15"], ({ type, keys_seen }) => {
    if (type === "progress" && keys_seen > ROWS / 10) setClock(CLOSING_TIME);
  });
  ledger.expect("the window closes at 05:00: the run stops, and says when it opens again", first,
    { exit: 75, reason: "window_closed", opens_at: SECOND_NIGHT, clock: "simulated" });
  const left = Number(sql(url, DIFFERENT));
  ledger.expect(`${ROWS - left} of ${ROWS} rows are filled`, { isPart: left > 0 && left < ROWS * 0.95 }, { isPart: true });

  setClock(SECOND_NIGHT);
  const done = await backfill(url, ["run", join(DATA, "job.toml")]);
  ledger.expect("the next night the same command does the rest", done, { exit: 0, reason: "done", dead_letters: 0, clock: "simulated" });
  const verified = await backfill(url, ["verify", JOB]);
  ledger.expect("every row is compared, while release 2 goes on writing", verified, { exit: 0, reason: "clean", rows_checked: ROWS, rows_different: 0 });

  // A check leaves a look at the counters behind, which later ones compare theirs with.
  await backfill(url, ["contract", "check", JOB]);
  await end(second);
  const third = await application(url, 3);
  const old = await application(url, 1);
  setClock(RELEASE_3);
  const inUse = await backfill(url, ["contract", "check", JOB]);
  ledger.expect("a pod of release 1 still reads the old column: it may not go", inUse, { exit: 1, result: "in_use" });
  await end(old);
  setClock(OLD_PODS_GONE);
  await backfill(url, ["contract", "check", JOB]);
  setClock(A_DAY_LATER);
  const clean = await backfill(url, ["contract", "check", JOB]);
  ledger.expect("a day without use later it may", clean, { exit: 0, result: "clean", clock: "simulated" });
  apply(url, "contract.sql");
  ledger.expect("the old column is gone, and release 3 works on", { isWorking: third.child.exitCode === null, columns: columns(url) },
    { isWorking: true, columns: "id,recipient,status" });
  say(`\nWhat happened, each line as the database reports it\n\n${ledger.table()}\n`);
}

const columns = (url) => sql(url, `select string_agg(attname, ',' order by attname) from pg_attribute
  where attrelid = '"Shipment"'::regclass and attnum > 0 and not attisdropped`);

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER, { recursive: true });
await stage("A column is filled while the application writes: expand, migrate, contract", demo);
