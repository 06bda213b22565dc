//! Asks for the proof that an action needs, around every form, and loses nothing of the form: the
//! page that asks holds its fields, and posts them to the same address with the proof beside them.
//! The layer takes the proof out, checks it, and hands the rest on as it came.

use app::error::ApiError;
use app::features::proof::{Confirmation, ProofQuestion};
use app::form::{Answer, FormOutcome, ShownOnce};
use app::server_context::{explain, render_answer};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::confidential::is_confidential;
use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use service::{Actor, KeptForm, RequestFacts, ServiceError, ServiceResult, Services};
use tower_sessions::Session;

use super::session;
use crate::http::{page_context, pages};
use crate::state::AppState;

/// The field with a password or code. No other form has one of this name.
const PROOF: &str = "proof";

/// What a handler answers whose use case needs a proof: nothing was done.
#[derive(Debug, Clone)]
struct Needed;

/// The answer that this layer turns into a question.
#[must_use]
pub fn needed() -> Response {
    let mut response = StatusCode::FORBIDDEN.into_response();
    response.extensions_mut().insert(Needed);
    response
}

/// An error for a script, which shows its words.
#[must_use]
pub fn in_words(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status());
    (status.unwrap_or(StatusCode::FORBIDDEN), error.advice()).into_response()
}

/// The layer.
pub async fn ask(
    State(state): State<AppState>,
    session: Session,
    request: Request,
    next: Next,
) -> Response {
    let actor = request.extensions().get::<Actor>().cloned();
    let (Some(actor), &Method::POST) = (actor, request.method()) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    // The limit of the size of bodies is a layer around every handler.
    let Ok(body) = body.collect().await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "This form is too large.").into_response();
    };
    let (typed, form) = take_proof(body.to_bytes());
    let asked = Asked {
        state,
        parts: parts.clone(),
        form: form.clone(),
        actor,
    };
    if let Some(typed) = typed {
        match asked.prove(&session, &typed).await {
            Ok(proven) => {
                parts.extensions.insert(proven);
            }
            Err(error) => return asked.again(Some(error)).await,
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(form))).await;
    if response.extensions().get::<Needed>().is_some() {
        return asked.again(None).await;
    }
    response
}

/// A form that may have to be sent again.
struct Asked {
    state: AppState,
    parts: Parts,
    form: Bytes,
    actor: Actor,
}

impl Asked {
    fn facts(&self) -> RequestFacts {
        self.parts.extensions.get().cloned().unwrap_or_default()
    }

    async fn prove(&self, session: &Session, typed: &str) -> ServiceResult<Actor> {
        let services = &self.state.services;
        services.prove(&self.actor, typed).await?;
        session::prove(services, session, &self.facts()).await
    }

    /// Asks for the proof, or again for a better one.
    async fn again(self, error: Option<ServiceError>) -> Response {
        let error = error.map(|error| explain(error, Some(&self.facts())));
        // The dialog, which has kept the form itself, only wants to know.
        let accepts = self.parts.headers.get(ACCEPT);
        if accepts.is_some_and(|kinds| kinds == "text/plain") {
            let error = error.unwrap_or(ApiError::ProofNeeded);
            return in_words(&error);
        }
        let fields = form_urlencoded::parse(&self.form).into_owned();
        let form = KeptForm {
            action: self.parts.uri.path().to_owned(),
            // What was pasted by mistake is not kept, and does not go back.
            fields: fields
                .filter(|(_, value)| !is_confidential(value))
                .collect(),
        };
        let question = match question(&self.state.services, &self.actor, &form).await {
            Ok(question) => question,
            Err(error) => return pages::failed(&error),
        };
        let status = error.as_ref().map_or(403, ApiError::status);
        let outcome = error.map(|error| FormOutcome::refused(&form.action, Vec::new(), error));
        let shown = Confirmation {
            action: form.action,
            fields: form.fields,
            question,
        };
        let answer = Answer {
            outcome,
            shown_once: Some(ShownOnce::Confirmation(shown)),
        };
        let context = page_context(&self.state);
        let page = render_answer(
            self.state.leptos.clone(),
            self.parts,
            "/confirm",
            answer,
            context,
        );
        let mut page = page.await;
        *page.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        page
    }
}

/// How the actor is asked. On the way to a provider the form is kept here, sealed.
async fn question(
    services: &Services,
    actor: &Actor,
    form: &KeptForm,
) -> ServiceResult<ProofQuestion> {
    let mut question = ProofQuestion::of(services.proof_way(actor).await?);
    if let ProofQuestion::Provider { href, .. } = &mut question {
        let token = services.keep_form(actor, form).await?;
        let back = format!("/confirm/resume?form={}", token.expose());
        let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
        *href = format!("{href}?prove=true&next={back}");
    }
    Ok(question)
}

/// Takes the proof out of a form; what is left is byte by byte as it was.
fn take_proof(body: Bytes) -> (Option<String>, Bytes) {
    let is_proof = |piece: &&[u8]| {
        let mut fields = form_urlencoded::parse(piece);
        fields.next().is_some_and(|(name, _)| name == PROOF)
    };
    let (proofs, rest): (Vec<_>, Vec<_>) = body.split(|byte| *byte == b'&').partition(is_proof);
    // Twice is not a form of ours: the handler refuses a field that it doesn't know.
    let [proof] = proofs[..] else {
        return (None, body);
    };
    let typed = form_urlencoded::parse(proof).next();
    let typed = typed.map(|(_, value)| value.into_owned());
    (typed, Bytes::from(rest.join(&b'&')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_through_byte_by_byte_without_its_proof() {
        let take = |body: &str| {
            let (proof, rest) = take_proof(Bytes::from(body.to_owned()));
            (proof, String::from_utf8(rest.to_vec()).unwrap())
        };
        for (body, proof, rest) in [
            (
                "a=1&proof=x+y%26&b=%0D%0a&b=2",
                Some("x y&"),
                "a=1&b=%0D%0a&b=2",
            ),
            ("pr%6fof=x", Some("x"), ""),
            ("proof=", Some(""), ""),
            ("a=proof&proofs=1", None, "a=proof&proofs=1"),
            ("", None, ""),
            ("proof=1&a=2&proof=3", None, "proof=1&a=2&proof=3"),
        ] {
            let expected = (proof.map(ToOwned::to_owned), rest.to_owned());
            assert_eq!(take(body), expected, "{body}");
        }
    }
}
