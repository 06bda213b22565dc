//! What the operating system asks of the process by signals. The README lists them all.
//!
//! One rule decides: no signal that somebody or a limit can send breaks Keyrack off. What asks for the end, or says
//! that time is up, gets an orderly one; what tells of a failed write changes nothing, as the write
//! itself fails. Two kinds keep their meaning: what pauses a job at a terminal, as its owner wants, and what
//! the system sends for a fault in the program, which nobody should go on after.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// An orderly end.
    End,
    /// To take up what has changed in files.
    Reload,
    /// Nothing that is known.
    Nothing,
}

/// Each signal that a server listens for: unheard, it would end it at once.
const HEARD: [(SignalKind, &str, Asked); 11] = [
    (SignalKind::terminate(), "SIGTERM", Asked::End),
    (SignalKind::interrupt(), "SIGINT", Asked::End),
    (SignalKind::quit(), "SIGQUIT", Asked::End),
    (SignalKind::alarm(), "SIGALRM", Asked::End),
    (
        SignalKind::from_raw(libc::SIGVTALRM),
        "SIGVTALRM",
        Asked::End,
    ),
    (SignalKind::from_raw(libc::SIGPROF), "SIGPROF", Asked::End),
    (SignalKind::from_raw(libc::SIGXCPU), "SIGXCPU", Asked::End),
    (SignalKind::hangup(), "SIGHUP", Asked::Reload),
    (SignalKind::user_defined1(), "SIGUSR1", Asked::Nothing),
    (SignalKind::user_defined2(), "SIGUSR2", Asked::Nothing),
    (SignalKind::io(), "SIGIO", Asked::Nothing),
];

/// The signals that a server listens for, from its first moment on.
#[derive(Debug)]
pub struct Signals(Vec<(Signal, &'static str, Asked)>);

/// Lets a write beyond the largest size of a file (`ulimit -f`) fail like one on a full disk. Unheard, its
/// signal, SIGXFSZ, would end any command in the middle. What is heard once is heard until the end.
///
/// # Errors
/// The operating system refuses.
pub fn outlive_file_limit() -> std::io::Result<()> {
    signal(SignalKind::from_raw(libc::SIGXFSZ)).map(drop)
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn listen() -> std::io::Result<Self> {
        let heard = HEARD.map(|(kind, name, asked)| Ok((signal(kind)?, name, asked)));
        heard.into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// The next signal, by name.
    pub async fn next(&mut self) -> (&'static str, Asked) {
        poll_fn(|context| {
            for (signal, name, asked) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready((*name, *asked));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Comes when a signal asks for the end; `reload` does what the others ask for.
    pub async fn asked_to_end(&mut self, reload: impl Fn()) {
        loop {
            match self.next().await {
                (name, Asked::End) => {
                    tracing::info!("{name}: Keyrack ends when open requests have their answers");
                    return;
                }
                (_, Asked::Reload) => reload(),
                (name, Asked::Nothing) => tracing::info!("{name} means nothing to Keyrack"),
            }
        }
    }

    /// Comes when a signal asks for the end once more: somebody does not want to wait. What is noted in
    /// memory is written even so, so that a signal that a shell and its parent both pass on loses nothing.
    pub async fn asked_again(&mut self) {
        self.asked_to_end(|| {}).await;
    }
}
