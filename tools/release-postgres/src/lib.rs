//! The way to PostgreSQL that every tool shares.
//!
//! A [`Database`] is an address, a [`Session`] an open connection that survives PgBouncer's transaction mode. What is
//! sent is one text, so [`Identifier`], [`TableName`] and [`literal`] quote, and what is refused has a [`Sqlstate`].
//! PostgreSQL's own programs get to the same database by a [`ClientEnvironment`]. This crate knows no rule of any single
//! tool: what a refusal means for the work, the tool decides.

mod client;
mod database;
mod error;
mod parameters;
mod passfile;
mod postgres;
mod secret;
mod service;
mod sql;
mod sqlstate;

pub use client::{ClientEnvironment, ClientEnvironmentError};
pub use database::Database;
pub use error::DatabaseError;
pub use postgres::{Answer, LIMITS, Session, rows};
pub use sql::{Identifier, NameError, TableName, literal, nullable};
pub use sqlstate::Sqlstate;
