//! Pages rendered in answer to a POST: the status, what was typed, the page's own address, and
//! nothing that must not come back.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers as well"
)]

use app::error::ApiError;
use app::features::users::{Mailed, WelcomeLink};
use app::form::{Answer, FormOutcome, ShownOnce};
use app::server_context::render_answer;
use axum::response::Response;
use domain::draft::FieldError;
use http::Request;
use http_body_util::BodyExt;
use leptos::config::LeptosOptions;

async fn answer(page: &str, answer: Answer) -> (u16, String) {
    // As the server does at its start; this also readies the runtime that renders.
    leptos_axum::generate_route_list(app::App);
    let (parts, ()) = Request::post("/posted/here").body(()).unwrap().into_parts();
    let options = LeptosOptions::builder().output_name("keyrack").build();
    let response: Response = render_answer(options, parts, page, answer, || ()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn log_in_refused(error: ApiError) -> Answer {
    let typed = vec![
        ("email".to_owned(), "mara@example.com".to_owned()),
        ("next".to_owned(), "/users".to_owned()),
    ];
    Answer {
        outcome: Some(FormOutcome::refused("/login", typed, error)),
        shown_once: None,
    }
}

#[tokio::test]
async fn a_refused_log_in_keeps_what_was_typed_and_says_why() {
    let fields = vec![FieldError::new(
        "",
        "the address and the password don't match",
    )];
    let (status, page) = answer("/login", log_in_refused(ApiError::Invalid { fields })).await;
    assert_eq!(status, 422);
    for part in [
        r#"value="mara@example.com""#,
        r#"name="next" value="/users""#,
        "The address and the password don&#39;t match",
        r#"role="alert""#,
        r#"<meta name="page" content="/login""#,
        "<title>Log in · Keyrack</title>",
    ] {
        let either = part.replace("&#39;", "'");
        assert!(
            page.contains(part) || page.contains(&either),
            "{part} in {page}"
        );
    }
}

#[tokio::test]
async fn each_error_answers_with_its_own_status() {
    for (error, expected) in [
        (ApiError::Unauthenticated, 401),
        (
            ApiError::Forbidden {
                message: "no".to_owned(),
            },
            403,
        ),
        (
            ApiError::NotFound {
                what: "page".to_owned(),
            },
            404,
        ),
        (
            ApiError::Conflict {
                message: "no".to_owned(),
            },
            409,
        ),
        (
            ApiError::Throttled {
                retry_after_seconds: 7,
            },
            429,
        ),
        (
            ApiError::Internal {
                request_id: "r-1".to_owned(),
            },
            500,
        ),
        (ApiError::Unavailable, 503),
    ] {
        let (status, _) = answer("/login", log_in_refused(error.clone())).await;
        assert_eq!(status, expected, "{error:?}");
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_a_404_with_a_way_back() {
    let (status, page) = answer("/nowhere", Answer::default()).await;
    assert_eq!(status, 404);
    // Nobody is logged in.
    assert!(page.contains("There is no such page") && page.contains(r#"href="/login""#));
}

#[test]
fn what_is_shown_once_is_not_printed_by_debug() {
    let link = WelcomeLink {
        name: "Mara".to_owned(),
        email: "mara@example.com".to_owned(),
        url: "https://keyrack.example.com/welcome?token=secret".to_owned(),
        expires_at: chrono::DateTime::UNIX_EPOCH,
        mailed: Mailed::Off,
    };
    assert!(!format!("{link:?}").contains("secret"));
    let shown = ShownOnce::WelcomeLinks { links: vec![link] };
    assert!(!format!("{shown:?}").contains("secret"));
}
