//! Hears what every crate logs at every level, while it listens.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::prelude::*;

static LISTENS: AtomicBool = AtomicBool::new(false);
static HEARD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Ear;

impl Write for Ear {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        HEARD.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to listen. Tests that run beside this one are heard as well: a thread of its own, such as
/// the database's, says nothing to a subscriber of one test.
pub fn listen() {
    static SET_UP: OnceLock<()> = OnceLock::new();
    SET_UP.get_or_init(|| {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(|| Ear)
            .with_ansi(false);
        let listens = dynamic_filter_fn(|_, _| LISTENS.load(Ordering::Relaxed));
        tracing_subscriber::registry()
            .with(lines.with_filter(listens))
            .init();
    });
    LISTENS.store(true, Ordering::Relaxed);
}

/// Ends listening: everything that was logged meanwhile.
pub fn heard() -> String {
    LISTENS.store(false, Ordering::Relaxed);
    let heard = std::mem::take(&mut *HEARD.lock().unwrap());
    String::from_utf8(heard).unwrap()
}
