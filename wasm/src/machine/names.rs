//! Names by number. The machine only compares hashes, ids and epochs, so a number stands for each of them: every state,
//! event and action is a handful of numbers, which keeps the module small and its exploration fast. The numbers are
//! given by `js/names.js`, where the texts are.

use core::num::NonZeroU32;

/// A manifest hash, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

/// The id of an order, or the epoch of a hub, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU32);

impl Version {
    /// The version with this number; zero is none.
    pub fn new(number: u32) -> Option<Version> {
        NonZeroU32::new(number).map(Version)
    }

    /// Its number; zero for none.
    pub fn number(version: Option<Version>) -> u32 {
        version.map_or(0, |version| version.0.get())
    }
}

impl Id {
    /// The id with this number; zero is none.
    pub fn new(number: u32) -> Option<Id> {
        NonZeroU32::new(number).map(Id)
    }

    /// Its number; zero for none.
    pub fn number(id: Option<Id>) -> u32 {
        id.map_or(0, |id| id.0.get())
    }
}
