//! What the operating system asks of the process by signals. The README lists them all.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that a server listens for, from its first moment on: unheard, each would end it at once.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user: [Signal; 2],
}

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

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            user: [
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ],
        })
    }

    /// The next signal, by name.
    pub async fn next(&mut self) -> (&'static str, Asked) {
        let [first, second] = &mut self.user;
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", Asked::End),
            _ = self.interrupt.recv() => ("SIGINT", Asked::End),
            _ = self.quit.recv() => ("SIGQUIT", Asked::End),
            _ = self.hang_up.recv() => ("SIGHUP", Asked::Reload),
            _ = first.recv() => ("SIGUSR1", Asked::Nothing),
            _ = second.recv() => ("SIGUSR2", Asked::Nothing),
        }
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
