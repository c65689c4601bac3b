//! The way to PostgreSQL that every tool shares.
//!
//! A [`Database`] is an address, a [`Session`] an open connection that survives PgBouncer's transaction mode. What is
//! sent is one text, so [`Identifier`], [`TableName`] and [`literal`] quote, and what is refused has a [`Sqlstate`].
//! This crate knows no rule of any single tool: what a refusal means for the work, the tool decides.

mod postgres;
mod sql;
mod sqlstate;

pub use postgres::{Answer, Database, DatabaseError, LIMITS, Session, rows};
pub use sql::{Identifier, NameError, TableName, literal, nullable};
pub use sqlstate::Sqlstate;
