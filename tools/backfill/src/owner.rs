//! Who holds a chunk, and whether that process is certainly dead.
//!
//! A lease ends by itself after half a minute. Whoever runs in the same process table as the owner need not wait for
//! that: it sees that the process is gone (proc_pid_stat(5)). Being wrong would cost speed only, because the epoch of a
//! claim decides who may write.

use std::fmt;
use std::fs;

use crate::chance;

/// One worker of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Names the process table: boot and namespace.
    table: String,
    pid: u32,
    /// When it started, in clock ticks since boot: a pid comes again.
    start: u64,
    worker: u32,
}

impl Owner {
    /// Worker `worker` of this process.
    pub(crate) fn this(worker: u32) -> Owner {
        let pid = std::process::id();
        // Where there is no process table, no two machines may take each other for themselves.
        Owner {
            table: process_table().unwrap_or_else(chance::name),
            pid,
            start: start_of(pid).unwrap_or(0),
            worker,
        }
    }

    /// Reads what [`Owner`]'s text form holds.
    fn read(text: &str) -> Option<Owner> {
        let mut parts = text.split(' ');
        let owner = Owner {
            table: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            start: parts.next()?.parse().ok()?,
            worker: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether the owner of this text is a process of this machine that has ended.
    pub(crate) fn is_dead(text: &str) -> bool {
        let Some(owner) = Owner::read(text) else { return false };
        let is_here = !owner.table.is_empty() && process_table().is_some_and(|table| table == owner.table);
        is_here && start_of(owner.pid) != Some(owner.start)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {} {}", self.table, self.pid, self.start, self.worker)
    }
}

fn process_table() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}/{digits}", boot.trim()))
}

/// Field 22 of the process's stat; a zombie has ended as well.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // After the state, which is field 3, come 18 more before the start.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Owner;

    #[test]
    fn an_owner_reads_back_what_it_prints_and_this_process_lives() {
        let owner = Owner::this(3);
        assert_eq!(Owner::read(&owner.to_string()), Some(owner.clone()));
        assert!(!Owner::is_dead(&owner.to_string()));
    }

    #[test]
    fn a_process_that_ended_or_whose_number_came_again_is_dead() {
        let reused = Owner { start: 1, ..Owner::this(0) };
        assert!(Owner::is_dead(&reused.to_string()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = Owner { pid: child.id(), ..Owner::this(0) };
        child.wait().unwrap();
        assert!(Owner::is_dead(&gone.to_string()));
    }

    #[test]
    fn nothing_is_known_of_other_machines() {
        let elsewhere = Owner { table: "other-boot/1".into(), ..Owner::this(0) };
        assert!(!Owner::is_dead(&elsewhere.to_string()));
        assert!(!Owner::is_dead("pod-7"));
    }
}
