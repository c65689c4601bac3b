//! Starts real programs for tests and scripts, and stops them whatever happens to their owner.
//!
//! A test asks for a program and gets it ready to use, on a free port, with a scratch folder of its own. When the
//! owner drops it, panics, is signalled or is killed with SIGKILL, the program, all that it started and the folder go.
//! [`Program`] tells how; [`Chromium`], [`Site`], [`Postgres`], [`PgBouncer`], [`S3Server`] and [`Moto`] are the programs
//! known so far, and the `testbed` command offers most of them to shell scripts and Node. A [`CutProxy`] fails the wire
//! between two of them, a [`FaultProxy`] the requests to an object store.

mod account;
mod chromium;
mod cli;
mod cluster;
mod cut_proxy;
mod data_folder;
mod distribution;
mod error;
mod fault;
mod fault_answer;
mod fault_proxy;
mod free_port;
mod http_server;
mod moto;
mod output;
mod owner;
mod pgbouncer;
mod postgres;
mod program;
mod psql;
mod readiness;
mod s3_server;
mod setting;
mod site;

pub use account::{Account, account};
pub use chromium::Chromium;
pub use cli::{Cli, run};
pub use cut_proxy::CutProxy;
pub use data_folder::DataFolder;
pub use distribution::Distribution;
pub use error::Error;
pub use fault::{Fault, Rule};
pub use fault_proxy::FaultProxy;
pub use moto::Moto;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, PostgresOptions, Stop};
pub use program::{Program, Running};
pub use readiness::Ready;
pub use rustix::process::Signal;
pub use s3_server::S3Server;
pub use setting::Setting;
pub use site::{Request, Site, SiteOptions};
