//! Bounds what one request can cost: the size of its body, and its time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use futures_util::{StreamExt as _, stream};
use http_body_util::Limited;
use tokio::time::{Instant, timeout_at};

/// The largest body: a form with every field at its limit is far below.
pub const BODY_BYTES: usize = 64 * 1024;
/// How many headers a request may have: gateways pass on the hundred of their clients, and add some.
pub const HEADERS: usize = 128;
/// How many bytes of a request line and its headers are waited for: gateways let up to 64 KiB through. A
/// request that comes in larger pieces may have twice as many, never more.
pub const HEADER_BYTES: usize = 72 * 1024;
/// How long a client may take to send its headers.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to send its body.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// How long an answer may take.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The layer that ends bodies which are over [`BODY_BYTES`], or take longer than [`BODY_TIME`], however
/// steadily they drip. Whoever reads one says so in its own words: a layer that answered by the announced
/// length would do it in the same way to programs and to people.
pub async fn bound_body(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let deadline = Instant::now() + BODY_TIME;
    request.map(|body| {
        let body = Body::new(Limited::new(body, BODY_BYTES));
        let chunks = stream::unfold(body.into_data_stream(), move |mut chunks| async move {
            let chunk = match timeout_at(deadline, chunks.next()).await {
                Ok(chunk) => chunk?.map_err(axum::BoxError::from),
                Err(too_late) => Err(too_late.into()),
            };
            Some((chunk, chunks))
        });
        Body::from_stream(chunks)
    })
}
