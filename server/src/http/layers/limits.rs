//! Bounds what one request can cost: the size of its body, and its time.

use std::time::Duration;

/// The largest body: a form with every field at its limit is far below.
pub const BODY_BYTES: usize = 64 * 1024;
/// The most bytes of a request line and its headers together.
pub const HEADER_BYTES: usize = 32 * 1024;
/// How long a client may take to send its headers.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a client may pause while it sends its body.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// How long an answer may take.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
