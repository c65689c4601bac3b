//! Entry point of `pg-backup`.

fn main() {}
