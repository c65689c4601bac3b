-- Everything that backfill remembers, in the database whose table it fills: rows and checkpoint commit together.
-- Run by `init` within one transaction; harmless when all of it is there.
create schema if not exists backfill;
comment on schema backfill is 'State of backfill jobs (slipway). List it outside of Prisma''s schemas.';

create table if not exists backfill.layout (version int not null);
insert into backfill.layout select 1 where not exists (select from backfill.layout);

create table if not exists backfill.job (
    id bigint generated always as identity primary key,
    name text not null unique,
    spec jsonb not null,
    fingerprint text not null,
    -- What the catalog said: table, key, order, types. See table.rs.
    target jsonb not null,
    system_identifier text,
    state text not null default 'ready' check (state in ('ready', 'running', 'done', 'failed', 'cancelled')),
    desired text not null default 'run' check (desired in ('run', 'pause', 'cancel')),
    -- Set by `rate` while it runs; null means the specification's.
    duty double precision,
    pass int not null default 1,
    reason text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null,
    started_at timestamptz,
    done_at timestamptz
);

-- Fill factor and no index on what changes: a checkpoint is a heap-only update.
create table if not exists backfill.chunk (
    job_id bigint not null references backfill.job on delete cascade,
    pass int not null,
    n int not null,
    -- Keys as arrays of texts; lo is exclusive, null is unbounded. In ctid order: the number of a block.
    lo jsonb,
    hi jsonb,
    cursor jsonb,
    is_done boolean not null default false,
    keys_seen bigint not null default 0,
    rows_written bigint not null default 0,
    -- Counts checkpoints: after a lost answer it tells whether the commit took place.
    seq bigint not null default 0,
    -- Counts claims: a worker whose epoch is old writes nothing any more.
    epoch bigint not null default 0,
    owner text,
    lease_until timestamptz,
    primary key (job_id, pass, n)
) with (fillfactor = 50);

create table if not exists backfill.deadletter (
    id bigint generated always as identity primary key,
    job_id bigint not null references backfill.job on delete cascade,
    key jsonb not null,
    sqlstate text not null,
    message text not null,
    tries int not null default 1,
    at timestamptz not null default clock_timestamp(),
    unique (job_id, key)
);

create table if not exists backfill.event (
    id bigint generated always as identity primary key,
    job_id bigint references backfill.job on delete set null,
    job text not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    kind text not null,
    -- 'simulated' when a test moved the time.
    clock text not null default 'system',
    detail jsonb not null default '{}'
);

create table if not exists backfill.sample (
    job_id bigint not null references backfill.job on delete cascade,
    at timestamptz not null default clock_timestamp(),
    signals jsonb not null
);
create index if not exists sample_job_id_at on backfill.sample (job_id, at);

create table if not exists backfill.verification (
    id bigint generated always as identity primary key,
    job_id bigint not null references backfill.job on delete cascade,
    kind text not null check (kind in ('full', 'sample')),
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    -- Exclusive; null at the beginning. A stopped verification goes on from here.
    cursor jsonb,
    rows_checked bigint not null default 0,
    rows_different bigint not null default 0,
    rows_repaired bigint not null default 0
);

create table if not exists backfill.difference (
    verification_id bigint not null references backfill.verification on delete cascade,
    key jsonb not null,
    found_at timestamptz not null default clock_timestamp()
);

create table if not exists backfill.contract_observation (
    job_id bigint not null references backfill.job on delete cascade,
    at timestamptz not null default clock_timestamp(),
    clock text not null default 'system',
    observation jsonb not null
);
create index if not exists contract_observation_job_id_at on backfill.contract_observation (job_id, at);

-- The event log is append only.
create or replace function backfill.refuse_change() returns trigger language plpgsql as $body$
begin
    if tg_op = 'UPDATE' and new.job_id is null and old.job_id is not null
        and (new.id, new.job, new.at, new.actor, new.kind, new.clock, new.detail)
            is not distinct from (old.id, old.job, old.at, old.actor, old.kind, old.clock, old.detail) then
        return new;
    end if;
    raise exception 'backfill.event is append only';
end
$body$;
drop trigger if exists append_only on backfill.event;
create trigger append_only before update or delete on backfill.event
    for each row execute function backfill.refuse_change();

-- Ends the transaction of a worker whose chunk belongs to another one now.
create or replace function backfill.lost_lease() returns int language plpgsql as $body$
begin
    raise exception 'the chunk belongs to another worker now' using errcode = 'BF001';
end
$body$;
