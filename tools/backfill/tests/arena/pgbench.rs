//! The load of pgbench's TPC-B, which keeps a sum in three tables equal (manual, pgbench, "What Is the 'Transaction'").

use testbed::{Program, Running};

use super::Arena;

/// Transactions all the time; dropped, they end.
pub(crate) struct Pgbench {
    program: Program,
    running: Running,
}

impl Pgbench {
    /// Makes the tables, 200,000 accounts, and begins.
    pub(crate) fn begin(arena: &Arena) -> Pgbench {
        let pgbench = || Program::new(arena.postgres().program("pgbench"));
        let made = pgbench().args(["-i", "-q", "-s", "2", &arena.url()]).start().unwrap().wait(super::LIMIT);
        assert_eq!(made.unwrap(), 0, "pgbench makes its tables");
        let program = pgbench().args(["-n", "-c", "2", "-R", "100", "-T", "86400", &arena.url()]);
        let running = program.clone().start().unwrap();
        Pgbench { program, running }
    }

    /// Begins again after a stop of the server, which ends its clients.
    pub(crate) fn begin_again(&mut self) {
        assert_ne!(self.running.wait(super::LIMIT).unwrap(), 0, "its server was stopped");
        self.running = self.program.clone().start().unwrap();
    }

    /// Ends it; it had worked, and the sums are equal.
    #[track_caller]
    pub(crate) fn end(self, arena: &Arena) {
        drop(self.running);
        let sums = arena.sql(
            "select count(*) > 0 and sum(delta) = (select sum(abalance) from pgbench_accounts)
                and sum(delta) = (select sum(bbalance) from pgbench_branches)
                and sum(delta) = (select sum(tbalance) from pgbench_tellers) from pgbench_history",
        );
        assert_eq!(sums, "t", "history, accounts, branches and tellers have one sum");
    }
}
