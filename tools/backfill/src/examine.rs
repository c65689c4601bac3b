//! Holds a specification against the database, and refuses what would go wrong later; nothing is changed.
//!
//! PostgreSQL's own parser and planner judge the expressions: they are explained as the update that would run, and put
//! into a view that is rolled back, whose stored tree tells which functions and columns they use.

use release_postgres::{DatabaseError, Identifier, Sqlstate, rows};
use serde::Deserialize;

use crate::catalog::{self, Server};
use crate::connect::Connected;
use crate::error::Error;
use crate::reaction::Reaction;
use crate::spec::{Place, Placed, SpecError};
use crate::statements::Statements;
use crate::target::{Choice, Column, Table, Target, Walk, Wishes};

/// The oldest version with all that is needed (`EXPLAIN (WAL)`, row triggers on partitioned tables).
const OLDEST_VERSION: u32 = 130_000;

/// A specification that the database accepts.
#[derive(Clone, Debug)]
pub(crate) struct Examined {
    pub(crate) placed: Placed,
    pub(crate) server: Server,
    pub(crate) table: Table,
    pub(crate) target: Target,
    /// Why this way through the table.
    pub(crate) why: String,
    /// What the user should know although it is no reason to refuse.
    pub(crate) remarks: Vec<String>,
}

/// Examines `placed`.
pub(crate) async fn examine(connected: &mut Connected, placed: Placed) -> Result<Examined, Error> {
    let server = server(connected).await?;
    let table = table(connected, &placed).await?;
    let columns = set_columns(&placed, &table)?;
    source_columns(&placed, &table)?;
    let mut remarks = Vec::new();
    let must_be_once = expressions(connected, &placed, &table, &columns, &mut remarks).await?;
    let choice = way(&placed, &table, &server, must_be_once)?;
    let target = Target {
        oid: table.oid,
        name: table.quoted(),
        alias: Identifier::new(&table.table),
        walk: once_only(choice.walk, must_be_once, &mut remarks),
        columns,
    };
    let examined = Examined { placed, server, table, target, why: choice.why, remarks };
    explained(connected, &examined).await?;
    Ok(examined)
}

async fn server(connected: &mut Connected) -> Result<Server, Error> {
    let server = catalog::server(&mut connected.session).await;
    let server = server.map_err(|source| connected.error("asking the server", source))?;
    let refuse = |reason: String, hint: &str| {
        let hint = Some(hint.to_owned());
        Err(Error::Server { database: connected.database.shown(), reason, hint })
    };
    if server.version_num < OLDEST_VERSION {
        return refuse(format!("PostgreSQL {} is too old", server.version), "13 is the oldest that will do");
    }
    connected.primary(&server)?;
    if !server.has_state && !server.may_create {
        let reason = format!("role {} may not create the schema backfill", server.role);
        let grant = format!("GRANT CREATE ON DATABASE ... TO {}; it is needed once", server.role);
        return refuse(reason, &grant);
    }
    Ok(server)
}

async fn table(connected: &mut Connected, placed: &Placed) -> Result<Table, Error> {
    let name = placed.spec.table.to_string();
    let found = catalog::table(&mut connected.session, &name).await;
    let found = found.map_err(|source| connected.error("reading the catalog", source))?;
    let refuse = |reason: String, hint: Option<String>| {
        Err(Error::Spec(SpecError { place: placed.table.clone(), reason, hint }))
    };
    let Some(table) = found else {
        let hint = "names are case-sensitive when quoted, as Prisma's are: 'public.\"Post\"'".to_owned();
        return refuse(format!("there is no table {name}"), Some(hint));
    };
    match table.kind.as_str() {
        "r" | "p" => {}
        "v" | "m" => return refuse(format!("{name} is a view"), Some("name the table behind it".to_owned())),
        _ => return refuse(format!("{name} is no ordinary table"), None),
    }
    if !table.can_select {
        let hint = format!("GRANT SELECT, UPDATE ON {} TO ...", table.quoted());
        return refuse(format!("the role may not read {name}"), Some(hint));
    }
    if table.is_row_secured {
        let hint =
            "run as a role with BYPASSRLS, or as the owner without FORCE ROW LEVEL SECURITY".to_owned();
        return refuse(format!("row security hides rows of {name} from this role"), Some(hint));
    }
    Ok(table)
}

fn set_columns(placed: &Placed, table: &Table) -> Result<Vec<Column>, Error> {
    let pairs = placed.spec.set.iter().zip(&placed.set);
    let columns = pairs.map(|(one, place)| {
        let name = &one.column;
        let refuse = |reason: String| Error::Spec(SpecError::new(place.clone(), reason));
        let Some(column) = table.column(name.name()) else {
            return Err(unknown_column(place, table, name.name()));
        };
        if column.is_generated {
            return Err(refuse(format!("{name} is a generated column and fills itself")));
        }
        if column.is_always_identity {
            return Err(refuse(format!("{name} is an identity column")));
        }
        if column.is_partition_key {
            return Err(refuse(format!("{name} decides the partition: its rows would move")));
        }
        if !column.can_update {
            let hint = Some(format!("GRANT UPDATE ({name}) ON {} TO ...", table.quoted()));
            let reason = format!("the role may not update {name}");
            return Err(Error::Spec(SpecError { place: place.clone(), reason, hint }));
        }
        Ok(Column {
            name: name.clone(),
            number: column.number,
            type_name: column.type_name.clone(),
            has_equality: column.has_equality,
        })
    });
    columns.collect()
}

fn source_columns(placed: &Placed, table: &Table) -> Result<(), Error> {
    match placed.spec.source.iter().find(|name| table.column(name.name()).is_none()) {
        Some(unknown) => Err(unknown_column(&placed.source, table, unknown.name())),
        None => Ok(()),
    }
}

fn unknown_column(place: &Place, table: &Table, name: &str) -> Error {
    let reason = format!("{} has no column \"{name}\"", table.quoted());
    let folded = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let hint = match folded {
        Some(other) => format!("it has \"{}\": names are case-sensitive when quoted", other.name),
        None => format!("it has {}", names.join(", ")),
    };
    Error::Spec(SpecError { place: place.clone(), reason, hint: Some(hint) })
}

/// What the stored tree of an expression tells.
#[derive(Debug, Deserialize)]
struct Tree {
    volatile: Option<String>,
    stable: Option<String>,
    /// Whether it reads a column that the job fills.
    reads_filled: bool,
    has_limited_subquery: bool,
}

/// Examines every expression; whether one of them reads a column that it fills.
async fn expressions(
    connected: &mut Connected,
    placed: &Placed,
    table: &Table,
    columns: &[Column],
    remarks: &mut Vec<String>,
) -> Result<bool, Error> {
    let mut reads_filled = false;
    for ((one, column), place) in placed.spec.set.iter().zip(columns).zip(&placed.set) {
        // Within a cast, what is no whole expression (such as `a) or (b`) is none here either.
        let text = format!("cast({}\n as {})", one.expression, column.type_name);
        let tree = tree(connected, table, columns, &text, place).await?;
        reads_filled |= tree.reads_filled;
        remarks.extend(
            tree.stable
                .map(|functions| format!("{place} uses {functions}, whose value may depend on the session")),
        );
    }
    let conditions = [(&placed.spec.scope, &placed.scope), (&placed.spec.condition, &placed.condition)];
    for (condition, place) in conditions {
        if let Some(condition) = condition {
            tree(connected, table, columns, &format!("cast(not {condition}\n as bool)"), place).await?;
        }
    }
    Ok(reads_filled)
}

async fn tree(
    connected: &mut Connected,
    table: &Table,
    columns: &[Column],
    text: &str,
    place: &Place,
) -> Result<Tree, Error> {
    let view = format!(
        "create temporary view backfill_examined as select {text} as value from {} as {} /* backfill */",
        table.quoted(),
        Identifier::new(&table.table)
    );
    let numbers: Vec<String> = columns.iter().map(|column| column.number.to_string()).collect();
    let query = TREE.replace("{table}", &table.oid.to_string()).replace("{numbers}", &numbers.join(", "));
    let message = format!("begin; set local statement_timeout = '10s'; {view}; {query}; rollback");
    let answer = connected.session.send(&message).await;
    let answer = answer.map_err(|source| refused(connected, place, source))?;
    let tree = rows::<Tree>(&answer).ok().and_then(|mut trees| trees.pop());
    let tree = tree.ok_or_else(|| {
        connected.error("reading the expression", DatabaseError::Row("no tree of the expression".to_owned()))
    })?;
    let refuse = |reason: String, hint: &str| {
        Err(Error::Spec(SpecError { place: place.clone(), reason, hint: Some(hint.to_owned()) }))
    };
    if let Some(functions) = &tree.volatile {
        let hint = "the same row must give the same value each time, or nothing can be verified";
        return refuse(format!("the expression is volatile: {functions}"), hint);
    }
    if tree.has_limited_subquery {
        return refuse(
            "a subquery takes some row of several".to_owned(),
            "give it an ORDER BY over a unique key",
        );
    }
    Ok(tree)
}

/// The functions in a stored tree are numbers after these words; of sorting and limits only the first is a decision.
const TREE: &str = "
select row_to_json(answer)::text from (
  with stored as (
    select r.oid, r.ev_action::text as tree from pg_rewrite r
    where r.ev_class = 'pg_temp.backfill_examined'::regclass
  ), used as (
    select distinct p.oid::regprocedure::text as name, p.provolatile
    from stored, regexp_matches(tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') as found
    join pg_proc p on p.oid = found[1]::oid
  )
  select (select string_agg(name, ', ' order by name) from used where provolatile = 'v') as volatile,
         (select string_agg(name, ', ' order by name) from used where provolatile = 's') as stable,
         exists (select from pg_depend d, stored where d.classid = 'pg_rewrite'::regclass and d.objid = stored.oid
                 and d.refobjid = {table} and d.refobjsubid in ({numbers})) as reads_filled,
         exists (select from stored where tree ~ ':sortClause <> (?:(?!:sortClause).)*:limitCount \\{') as has_limited_subquery
) answer";

fn way(placed: &Placed, table: &Table, server: &Server, must_be_once: bool) -> Result<Choice, Error> {
    let wishes = Wishes {
        order: placed.spec.order,
        key: placed.spec.key.as_deref(),
        server_version: server.version_num,
        must_be_once,
    };
    let place = if placed.spec.key.is_some() { &placed.key } else { &placed.table };
    let choice = table.choose(&wishes);
    let choice = choice.map_err(|reason| Error::Spec(SpecError::new(place.clone(), reason)))?;
    if let Walk::Key { columns, .. } = &choice.walk {
        let mut pairs = placed.spec.set.iter().zip(&placed.set);
        let clash = pairs.find(|(one, _)| columns.iter().any(|column| column.name == one.column));
        if let Some((one, place)) = clash {
            let reason = format!("{} is part of the key that the job walks along", one.column);
            return Err(Error::Spec(SpecError::new(place.clone(), reason)));
        }
    }
    Ok(choice)
}

/// A closing pass would fill a row twice where the expression reads what it fills.
fn once_only(walk: Walk, must_be_once: bool, remarks: &mut Vec<String>) -> Walk {
    match walk {
        Walk::Key { columns, is_scattered: true } if must_be_once => {
            remarks.push(
                "the expression reads the column it fills, so that no second pass can look for rows that are \
                 inserted behind the cursor"
                    .to_owned(),
            );
            Walk::Key { columns, is_scattered: false }
        }
        walk => walk,
    }
}

/// The planner's word on the update itself: it refuses aggregates and what else a view would allow.
async fn explained(connected: &mut Connected, examined: &Examined) -> Result<(), Error> {
    let (spec, target) = (&examined.placed.spec, &examined.target);
    for (number, place) in examined.placed.set.iter().enumerate() {
        let mut single = spec.clone();
        single.set = spec.set.iter().skip(number).take(1).cloned().collect();
        let mut target = target.clone();
        target.columns = target.columns.iter().skip(number).take(1).cloned().collect();
        let update = Statements::new(0, &single, &target).update(None, None);
        let message = format!("begin; set local lock_timeout = '5s'; explain {update}; rollback");
        connected.session.send(&message).await.map_err(|source| refused(connected, place, source))?;
    }
    Ok(())
}

/// A refusal of the server's about something the user wrote.
pub(crate) fn refused(connected: &Connected, place: &Place, source: DatabaseError) -> Error {
    let is_about_text = |code: Sqlstate| {
        Reaction::to(code) == Reaction::Bisect || matches!(code.class(), "42" | "0A" | "2F" | "3F")
    };
    let Some(code) = source.sqlstate().filter(|code| is_about_text(*code)) else {
        return connected.error("examining the job", source);
    };
    let (message, advice) = match &source {
        DatabaseError::Server { message, advice, .. } => (message.clone(), advice.clone()),
        _ => (source.to_string(), None),
    };
    let error = SpecError { place: place.clone(), reason: format!("{message} ({code})"), hint: advice };
    Error::Spec(error)
}
