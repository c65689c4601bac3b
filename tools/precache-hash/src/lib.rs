//! Stub.

pub mod ngsw;
