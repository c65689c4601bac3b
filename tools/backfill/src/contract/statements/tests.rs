//! Texts as applications send them, with what each does with `public."Post".published` and `public.orders.total`.

use super::super::subject::{Relation, Subject, Use};
use super::classify;

fn subject(table: &str, column: &str, row: &[&str]) -> Subject {
    let row: Vec<String> = row.iter().map(|name| (*name).to_owned()).collect();
    Subject {
        tables: vec![Relation { schema: "public".to_owned(), name: table.to_owned() }],
        columns: vec![column.to_owned()],
        stored: row.clone(),
        row,
    }
}

#[track_caller]
fn check(cases: &[(&str, Use)], subject: &Subject) {
    for (text, expected) in cases {
        assert_eq!(classify(text, subject), Some(*expected), "{text}");
    }
}

fn orders(cases: &[(&str, Use)]) {
    check(cases, &subject("orders", "total", &["id", "total", "total_cents", "note"]));
}

fn posts(cases: &[(&str, Use)]) {
    check(cases, &subject("Post", "published", &["id", "title", "published", "status", "authorId"]));
}

use Use::{Backup, InsertWithoutList, NamesColumn, NotUsing, Star, Unparsed};

#[test]
fn a_column_is_used_where_it_is_named() {
    orders(&[
        ("select total from orders", NamesColumn),
        ("select TOTAL from ORDERS", NamesColumn),
        ("select o.total from orders o", NamesColumn),
        ("select public.orders.total from public.orders", NamesColumn),
        ("select id from orders where total > $1", NamesColumn),
        ("select id from orders order by total desc limit $1", NamesColumn),
        ("select sum(total) filter (where id > $1) from orders", NamesColumn),
        ("select count(*) from orders group by total having max(total) > $1", NamesColumn),
        ("select row_number() over (partition by id order by total) from orders", NamesColumn),
        ("select row_number() over w from orders window w as (order by total)", NamesColumn),
        ("select distinct on (total) id from orders", NamesColumn),
        ("select (o).total from orders o", NamesColumn),
        ("select id from orders where exists (select from lines where lines.amount = total)", NamesColumn),
        ("select (select max(total) from orders) from users", NamesColumn),
        ("select case when total is null then $1 else $2 end from only orders", NamesColumn),
        ("update orders set total = $1 where id = $2", NamesColumn),
        ("update orders set (note, total) = ($1, $2) where id = $3", NamesColumn),
        ("update orders o set note = $1 from lines l where l.amount = o.total", NamesColumn),
        ("update orders set note = $1 where id = $2 returning total", NamesColumn),
        ("delete from orders where total < $1", NamesColumn),
        ("delete from orders using lines where lines.amount = orders.total", NamesColumn),
        ("insert into orders (id, total) values ($1, $2)", NamesColumn),
        ("insert into orders (id) values ($1) on conflict (total) do nothing", NamesColumn),
        ("insert into orders (id) values ($1) on conflict (id) do update set total = $2", NamesColumn),
        (
            "insert into orders (id) values ($1) on conflict (id) do update set note = excluded.total",
            NamesColumn,
        ),
        ("insert into archive (id, sum) select id, total from orders", NamesColumn),
        ("select * from a join orders using (total)", NamesColumn),
        ("with big as (select id from orders where total > $1) select id from big", NamesColumn),
        ("with gone as (delete from orders where id = $1 returning total) select * from gone", NamesColumn),
        (
            "merge into orders o using lines l on l.id = o.id when matched then update set total = l.amount",
            NamesColumn,
        ),
        (
            "merge into orders o using lines l on l.id = o.id when not matched then insert (id, total) values (l.id, $1)",
            NamesColumn,
        ),
        ("select id from orders union all select total from orders", NamesColumn),
        ("declare c cursor for select total from orders", NamesColumn),
        ("explain select total from orders", NamesColumn),
        ("create temp table x as select total from orders", NamesColumn),
        ("copy (select total from orders) to stdout", NamesColumn),
        ("copy orders (id, total) from stdin", NamesColumn),
        ("select old.total from orders", NamesColumn),
        ("select extract($1 from total) from orders", NamesColumn),
        ("select id from orders where total > date $1 and note < interval $2", NamesColumn),
        ("select id from orders where total = any ($1::int[]) and note ~* $2", NamesColumn),
        ("select id from orders where (id, total) > ($1, $2) fetch first $3 rows only", NamesColumn),
    ]);
}

#[test]
fn a_column_is_not_used_where_only_its_name_appears() {
    orders(&[
        ("select total_cents as total from orders", NotUsing),
        ("select id, total_cents total from orders o order by total", NotUsing),
        ("select id from orders where note = $1", NotUsing),
        ("select count(*) from orders", NotUsing),
        ("select l.total from orders o join lines l on l.order_id = o.id", NotUsing),
        ("select lines.total from lines, orders where lines.order_id = orders.id", NotUsing),
        ("select total from lines", NotUsing),
        ("select total from other.orders", NotUsing),
        ("select orders.total from other.orders", NotUsing),
        ("select s.total from (select id, total_cents as total from orders) s", NotUsing),
        ("select total from (select total_cents as total from orders) s", NotUsing),
        ("with t as (select total_cents as total from orders) select total from t", NotUsing),
        ("with orders as (select id, amount as total from lines) select total from orders", NotUsing),
        ("insert into orders (id, note) select id, total from lines", NotUsing),
        ("insert into orders default values", NotUsing),
        ("insert into orders (id, total_cents) values ($1, $2) returning id", NotUsing),
        ("update lines set total = $1 from orders where orders.id = lines.order_id", NotUsing),
        ("update orders set note = $1 where id = $2", NotUsing),
        ("update only orders set note = $1 where id = $2", NotUsing),
        ("select id from only orders where note = $1", NotUsing),
        ("delete from orders where id = $1", NotUsing),
        ("select \"Total\" from orders", NotUsing),
        ("select total from \"Orders\"", NotUsing),
        ("select 'total' from orders /* total */", NotUsing),
        ("select l.* from orders o join lines l on l.order_id = o.id", NotUsing),
        (
            "select id from orders o, lateral (select l.total from lines l where l.order_id = o.id) x",
            NotUsing,
        ),
        ("alter table orders drop column total", NotUsing),
        ("create index on orders (total)", NotUsing),
        ("create table orders (id int generated by default as identity, total int)", NotUsing),
        ("vacuum (analyze) orders", NotUsing),
        ("truncate orders", NotUsing),
        ("copy orders (id, note) to stdout", NotUsing),
    ]);
}

#[test]
fn a_star_uses_the_column_where_its_rows_go_out() {
    orders(&[
        ("select * from orders", Star),
        ("select o.* from orders o join lines on true", Star),
        ("select public.orders.* from public.orders", Star),
        ("select o from orders o", Star),
        ("select row_to_json(orders) from orders", Star),
        ("select jsonb_agg(o.*) from orders o", Star),
        ("select (o).* from orders o", Unparsed),
        ("table orders", Unparsed),
        ("delete from orders where id = $1 returning *", Star),
        ("insert into orders (id) values ($1) returning *", Star),
        ("insert into archive select * from orders", Star),
        ("select id from orders natural join lines", Star),
        ("with o as (select * from orders) select * from o", Star),
        ("with o as (select * from orders) select total from o", NamesColumn),
        ("select * from orders union select * from archive", Star),
        ("copy orders to stdout", Star),
        ("select (null::orders).note", Star),
        ("select * from only orders", Star),
        ("select x.b from orders as x (a, b, c, d)", Star),
        ("select * from (select * from orders) s", Star),
        // A subquery's star is only as much as the query around it takes.
        ("select s.id from (select * from orders) s", NotUsing),
        ("with o as (select * from orders) select id from o", NotUsing),
        ("select s.total from (select o.* from orders o) s", NamesColumn),
    ]);
}

#[test]
fn an_insert_without_a_list_writes_by_place() {
    orders(&[
        ("insert into orders values ($1, $2, $3, $4)", InsertWithoutList),
        ("insert into orders select id, a, b, c from lines", InsertWithoutList),
        ("copy orders from stdin", InsertWithoutList),
        (
            "merge into orders o using l on l.id = o.id when not matched then insert values (l.id, $1)",
            InsertWithoutList,
        ),
    ]);
}

#[test]
fn prisma_names_every_column() {
    posts(&[
        (
            "SELECT \"public\".\"Post\".\"id\", \"public\".\"Post\".\"title\", \"public\".\"Post\".\"published\" FROM \
          \"public\".\"Post\" WHERE (\"public\".\"Post\".\"id\" = $1 AND $2=$3) LIMIT $4 OFFSET $5",
            NamesColumn,
        ),
        (
            "SELECT \"public\".\"Post\".\"id\", \"public\".\"Post\".\"status\"::text FROM \"public\".\"Post\" WHERE $1=$2 \
          ORDER BY \"public\".\"Post\".\"id\" ASC LIMIT $3 OFFSET $4",
            NotUsing,
        ),
        (
            "INSERT INTO \"public\".\"Post\" (\"title\",\"published\",\"authorId\") VALUES ($1,$2,$3) RETURNING \
          \"public\".\"Post\".\"id\"",
            NamesColumn,
        ),
        (
            "INSERT INTO \"public\".\"Post\" (\"title\",\"status\") VALUES ($1,CAST($2::text AS \"public\".\"Status\")) \
          RETURNING \"public\".\"Post\".\"id\", \"public\".\"Post\".\"title\"",
            NotUsing,
        ),
        (
            "UPDATE \"public\".\"Post\" SET \"published\" = $1 WHERE (\"public\".\"Post\".\"id\" = $2 AND $3=$4) RETURNING \
          \"public\".\"Post\".\"id\"",
            NamesColumn,
        ),
        (
            "SELECT COUNT(*) FROM (SELECT \"public\".\"Post\".\"id\" FROM \"public\".\"Post\" WHERE $1=$2 OFFSET $3) AS \
          \"sub\"",
            NotUsing,
        ),
        (
            "SELECT \"public\".\"User\".\"id\", COALESCE(\"aggr_selection_0_Post\".\"_aggr_count_posts\", $1) AS \
          \"_aggr_count_posts\" FROM \"public\".\"User\" LEFT JOIN (SELECT \"public\".\"Post\".\"authorId\", COUNT(*) AS \
          \"_aggr_count_posts\" FROM \"public\".\"Post\" WHERE $2=$3 GROUP BY \"public\".\"Post\".\"authorId\") AS \
          \"aggr_selection_0_Post\" ON (\"public\".\"User\".\"id\" = \"aggr_selection_0_Post\".\"authorId\")",
            NotUsing,
        ),
        (
            "SELECT \"t0\".\"id\", \"User_posts\".\"__prisma_data__\" AS \"posts\" FROM \"public\".\"User\" AS \"t0\" LEFT \
          JOIN LATERAL (SELECT COALESCE(JSONB_AGG(\"__prisma_data__\"), $1) AS \"__prisma_data__\" FROM (SELECT \
          \"t3\".\"__prisma_data__\" FROM (SELECT JSONB_BUILD_OBJECT($2, \"t2\".\"id\", $3, \"t2\".\"published\") AS \
          \"__prisma_data__\" FROM (SELECT \"t1\".* FROM \"public\".\"Post\" AS \"t1\" WHERE \"t0\".\"id\" = \
          \"t1\".\"authorId\") AS \"t2\") AS \"t3\") AS \"t4\") AS \"User_posts\" ON $4",
            NamesColumn,
        ),
        (
            "SELECT \"t0\".\"id\", \"User_posts\".\"__prisma_data__\" AS \"posts\" FROM \"public\".\"User\" AS \"t0\" LEFT \
          JOIN LATERAL (SELECT COALESCE(JSONB_AGG(\"__prisma_data__\"), $1) AS \"__prisma_data__\" FROM (SELECT \
          \"t3\".\"__prisma_data__\" FROM (SELECT JSONB_BUILD_OBJECT($2, \"t2\".\"id\", $3, \"t2\".\"status\") AS \
          \"__prisma_data__\" FROM (SELECT \"t1\".* FROM \"public\".\"Post\" AS \"t1\" WHERE \"t0\".\"id\" = \
          \"t1\".\"authorId\") AS \"t2\") AS \"t3\") AS \"t4\") AS \"User_posts\" ON $4",
            NotUsing,
        ),
    ]);
}

#[test]
fn typeorm_qualifies_by_alias() {
    posts(&[
        (
            "SELECT \"Post\".\"id\" AS \"Post_id\", \"Post\".\"published\" AS \"Post_published\" FROM \"Post\" \"Post\" WHERE \
          ((\"Post\".\"id\" = $1)) LIMIT $2",
            NamesColumn,
        ),
        (
            "SELECT \"Post\".\"id\" AS \"Post_id\", \"Post\".\"status\" AS \"Post_status\" FROM \"Post\" \"Post\" LIMIT $1",
            NotUsing,
        ),
        (
            "SELECT \"p\".\"id\" AS \"p_id\", \"u\".\"published\" AS \"u_published\" FROM \"Post\" \"p\" LEFT JOIN \"User\" \"u\" \
          ON \"u\".\"id\"=\"p\".\"authorId\"",
            NotUsing,
        ),
        (
            "INSERT INTO \"Post\"(\"id\", \"title\", \"published\", \"status\") VALUES (DEFAULT, $1, DEFAULT, $2) RETURNING \
          \"id\", \"published\"",
            NamesColumn,
        ),
        (
            "SELECT DISTINCT \"distinctAlias\".\"Post_id\" AS \"ids_Post_id\" FROM (SELECT \"Post\".\"id\" AS \"Post_id\", \
          \"Post\".\"published\" AS \"Post_published\" FROM \"Post\" \"Post\") \"distinctAlias\" ORDER BY \"Post_id\" ASC \
          LIMIT $1",
            NamesColumn,
        ),
    ]);
}

#[test]
fn what_cannot_be_read_counts_by_its_words() {
    orders(&[
        ("do $$ begin perform frobnicate the orders; end $$", NotUsing),
        ("select from from orders where", Unparsed),
        ("select frobnicate the lines where", NotUsing),
        ("select \"unfinished from orders", Unparsed),
    ]);
    let long = format!("select id from orders where {} id = 1", "id = 1 or ".repeat(5000));
    orders(&[(&long, Unparsed)]);
}

#[test]
fn a_backup_is_known_by_its_form() {
    orders(&[
        ("COPY public.orders (id, total, total_cents, note) TO stdout;", Backup),
        ("COPY public.orders (id, total, total_cents, note) TO stdout", Backup),
        ("COPY public.orders (id, total) TO stdout", NamesColumn),
        ("COPY orders (id, total, total_cents, note) TO STDOUT", NamesColumn),
        ("DECLARE _pg_dump_cursor CURSOR FOR SELECT id, total FROM public.orders", Backup),
    ]);
}

#[test]
fn our_own_statements_do_not_count() {
    let subject = subject("orders", "total", &["id", "total"]);
    for text in [
        "update orders set note = total where id > $1 /* backfill */",
        "select key from backfill.job, orders where total = $1",
        "select total from orders, \"backfill\".\"chunk\"",
    ] {
        assert_eq!(classify(text, &subject), None, "{text}");
    }
    let theirs = "select total from orders join backfill on backfill.id = orders.id";
    assert_eq!(classify(theirs, &subject), Some(NamesColumn));
}
