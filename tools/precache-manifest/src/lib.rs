//! The precache manifest.
