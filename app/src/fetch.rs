//! Sending a form from a script, for what pages can't be loaded for.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

use crate::error::ApiError;

/// Posts a form. Gives what came back; what went wrong, in words.
pub(crate) async fn post(path: &str, body: &str) -> Result<String, String> {
    let answer = async {
        let headers = Headers::new()?;
        headers.set("accept", "text/plain")?;
        headers.set("content-type", "application/x-www-form-urlencoded")?;
        let request = RequestInit::new();
        request.set_method("POST");
        request.set_headers(&headers);
        request.set_body(&JsValue::from_str(body));
        let sent = window().fetch_with_str_and_init(path, &request);
        let answer: Response = JsFuture::from(sent).await?.dyn_into()?;
        let words = JsFuture::from(answer.text()?).await?;
        Ok::<_, JsValue>((answer.ok(), words.as_string().unwrap_or_default()))
    };
    match answer.await {
        Ok((true, words)) => Ok(words),
        Ok((false, words)) => Err(words),
        Err(_) => Err(ApiError::Unavailable.advice()),
    }
}
