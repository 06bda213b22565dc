//! The use cases over a real store (SQLite in memory or in a file), with a clock that tests move.

mod credentials;
mod harness;
mod live;
mod people;
