// A release is backed up, the backup proven, and a destructive mistake undone: the third stage of scripts/demo.
//
// The store is a real S3 server, and PostgreSQL itself archives its WAL into it. Every line is first compared with what
// the tool or one of both servers reports.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Ledger } from "./ledger.mjs";
import { TARGET, end, ofPostgres, program, run, say, sql, stage, start } from "./programs.mjs";

const FOLDER = join(TARGET, "demo-backup");
const ORDERS = 50_000;
const PIPE = "pg-backup create --release v1.4.0 --print-id | pg-backup verify --level restore --json - && pg-backup rpo --max 1h";

/** A command that runs as the server's user, which is not root. */
const asServer = (words) => (process.getuid() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", ...words] : words);

/** Starts a restored cluster on a socket of its own, asks it, and stops it. */
function ask(pgdata, question) {
  const [first, ...rest] = asServer([ofPostgres("pg_ctl"), "-D", pgdata, "-w", "-l", join(pgdata, "demo.log")]);
  execFileSync(first, [...rest, "-o", `-c port=5432 -c listen_addresses= -c unix_socket_directories=${pgdata}`, "start"], { stdio: "ignore" });
  try {
    return sql(`postgres:///erp?host=${pgdata}&port=5432&user=postgres`, question);
  } finally {
    execFileSync(first, [...rest, "-m", "fast", "stop"], { stdio: "ignore" });
  }
}

/** A server that archives by our binary, which must lie where its user can run it. */
async function server(environment) {
  const { ready } = await start(["postgres", "--database", "erp", "--set", "archive_mode=on", "--set", "wal_level=replica"], environment);
  const tool = join(ready.socket, "pg-backup");
  copyFileSync(program("pg-backup"), tool);
  chmodSync(tool, 0o755);
  sql(ready.url, `alter system set archive_command = '${tool} wal-push %p'`);
  sql(ready.url, "select pg_reload_conf()");
  return ready;
}

async function demo() {
  const ledger = new Ledger(say, undefined, "the tool or a server");
  const bucket = await start(["s3", join(FOLDER, "bucket")]);
  const store = { ...bucket.ready.environment, PG_BACKUP_STORE: "s3://backups/erp" };
  const { url, socket } = await server(store);
  const environment = { ...store, DATABASE_URL: url, PATH: `${join(TARGET, "debug")}:${process.env.PATH}` };
  const backup = (...words) => run(program("pg-backup"), [...words, "--json"], environment);
  sql(url, `create table orders (id bigint primary key, customer text not null);
    insert into orders select n, 'customer ' || n % 500 from generate_series(1, ${ORDERS}) n`);

  ledger.begin();
  const base = await backup("base", "--fast");
  ledger.expect("a base backup is in the bucket, and PostgreSQL archives its WAL there", base, { exit: 0, result: "good" });
  const failed = Number(sql(url, "select failed_count from pg_stat_archiver"));
  const unproven = await backup("rpo", "--max", "1h");
  ledger.expect("no dump was proven yet: the release may not go", unproven, { exit: 1 });
  const proven = await run("bash", ["-o", "pipefail", "-c", `${PIPE} --json`], environment);
  ledger.expect("backed up, restored into a scratch cluster, compared: now it may", proven, { exit: 0, result: "good" });
  const time = await backup("rto", "--max", "4h");
  ledger.expect("the measured restore says that four hours are enough", time, { exit: 0, result: "good" });

  sql(url, "alter table orders add column status text not null default 'new'");
  sql(url, "insert into orders values (0, 'the last customer', 'paid')");
  const before = sql(url, "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  sql(url, "select pg_sleep(0.05)");
  sql(url, "drop table orders");
  const segment = sql(url, "create table other as select 1; select pg_walfile_name(pg_switch_wal())");
  const isArchived = () => sql(url, `select last_archived_wal >= '${segment}' from pg_stat_archiver`) === "t";
  for (const deadline = Date.now() + 30_000; !isArchived() && Date.now() < deadline; );
  ledger.expect("the migration goes well, and then somebody drops the table", { failed, table: sql(url, "select to_regclass('orders') is null") }, { failed: 0, table: "t" });

  const pgdata = join(socket, "restored");
  const restored = await backup("restore", "--at", before, "--pgdata", pgdata);
  ledger.expect("the cluster is restored to the moment before", restored, { exit: 0, result: "good" });
  const rows = ask(pgdata, "select count(*), count(*) filter (where status = 'paid') from orders");
  ledger.expect("the table is back, with the last order that was paid", { rows }, { rows: `${ORDERS + 1}|1` });
  await end(bucket);
  const gone = await backup("rpo", "--max", "1h", "--timeout", "1s");
  ledger.expect("a bucket that does not answer is never a yes", gone, { exit: 75, reason: "store_unreachable" });
  say(`\nWhat happened, each line as the tool and the servers report it\n\n${ledger.table()}\n`);
}

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(join(FOLDER, "bucket/backups"), { recursive: true });
await stage("A release is backed up and proven, and a dropped table comes back", demo);
