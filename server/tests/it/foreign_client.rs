//! OAuth clients that others wrote, the crate `oauth2` and Go's `golang.org/x/oauth2`, against our endpoints.

use std::convert::Infallible;
use std::process::Command;

use axum::body::Body;
use axum::http::{Request, Response};
use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, HttpRequest, IntrospectionUrl,
    RequestTokenError, RevocationUrl, Scope, StandardRevocableToken,
    TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};
use server::state::GateMode;
use service::GatewayDraft;

use crate::app::{PUBLIC_URL, READ, TestApp};
use crate::gateways::Gateway;

/// What the crate sends, carried to the router.
async fn send(app: &TestApp, request: HttpRequest) -> Result<Response<Vec<u8>>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut request = Request::from_parts(parts, Body::from(body));
    *request.uri_mut() = path.parse().unwrap();
    let answer = app.call(request).await;
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

fn url(path: &str) -> String {
    format!("{PUBLIC_URL}/v1/oauth2/{path}")
}

#[tokio::test]
async fn the_crate_oauth2_gets_asks_about_and_ends_tokens() {
    let app = TestApp::new().await;
    let http = |request| send(&app, request);
    let key = app.issue("client_secret", "accounts=read data=read").await;
    let client = BasicClient::new(ClientId::new(key.id.clone()))
        .set_client_secret(ClientSecret::new(key.secret.clone()))
        .set_token_uri(TokenUrl::new(url("token")).unwrap())
        .set_revocation_url(RevocationUrl::new(url("revoke")).unwrap());
    let draft = GatewayDraft {
        audiences: String::new(),
        name: "reports".to_owned(),
        kind: "introspection".to_owned(),
        addresses: String::new(),
    };
    let (_, secret) = app.services.add_gateway(&app.host, &draft).await.unwrap();
    let gateway = BasicClient::new(ClientId::new("reports".to_owned()))
        .set_client_secret(ClientSecret::new(secret.expose().to_owned()))
        .set_introspection_url(IntrospectionUrl::new(url("introspect")).unwrap());
    let is_active = async |token: &AccessToken| {
        let answer = gateway.introspect(token).request_async(&http).await;
        let answer = answer.unwrap();
        if answer.active() {
            assert_eq!(answer.client_id().unwrap().as_str(), key.id);
            assert_eq!(answer.scopes().unwrap()[0].as_str(), "accounts:read");
        }
        answer.active()
    };

    for method in [AuthType::BasicAuth, AuthType::RequestBody] {
        let client = client.clone().set_auth_type(method);
        let answer = client
            .exchange_client_credentials()
            .add_scope(Scope::new("accounts:read".to_owned()))
            .request_async(&http)
            .await
            .unwrap();
        assert_eq!(answer.expires_in().unwrap().as_secs(), 900);
        assert_eq!(answer.scopes().unwrap()[0].as_str(), "accounts:read");
        let token = answer.access_token();
        app.ask_with_token(READ, token.secret()).await.ok();
        assert!(is_active(token).await);

        let ended = StandardRevocableToken::from(token.clone());
        client
            .revoke_token(ended)
            .unwrap()
            .request_async(&http)
            .await
            .unwrap();
        assert!(!is_active(token).await);
        app.ask_with_token(READ, token.secret())
            .await
            .gate_refuses(401, "invalid_token");
    }

    let refused = client
        .exchange_client_credentials()
        .add_scope(Scope::new("accounts:write".to_owned()))
        .request_async(&http)
        .await;
    let Err(RequestTokenError::ServerResponse(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*error.error(), BasicErrorResponseType::InvalidScope);
    let wrong = client
        .set_client_secret(ClientSecret::new(secret.expose().to_owned()))
        .exchange_client_credentials()
        .request_async(&http)
        .await;
    let Err(RequestTokenError::ServerResponse(error)) = wrong else {
        panic!("{wrong:?}");
    };
    assert_eq!(*error.error(), BasicErrorResponseType::InvalidClient);
}

/// What a client's program prints, while this test serves what it calls.
pub async fn printed_by(mut client: Command) -> String {
    let output = tokio::task::spawn_blocking(move || client.output());
    let output = output.await.unwrap();
    let output = output.expect("tools/setup.sh test installs the clients");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// It asks for tokens in each way that it knows, and calls the API with them through a gateway.
#[tokio::test]
async fn gos_oauth2_gets_tokens_that_a_gateway_takes() {
    let gateway = Gateway::start(GateMode::Nginx).await;
    let keyrack = gateway.app.serve().await;
    let access = "accounts=read data=read";
    let key = gateway.app.issue("client_secret", access).await;
    let signer = gateway.app.issue("private_key_jwt", access).await;
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign_client.go");
    let mut client = Command::new("go");
    client
        .args(["run", program])
        .arg(format!("http://{keyrack}/v1/oauth2/token"))
        .arg(format!("http://{}/v1/accounts", gateway.address))
        .args([&key.id, &key.secret, &signer.id])
        .arg(gateway.app.assertion(&signer))
        // Where Debian's packages of libraries are.
        .env("GOPATH", "/usr/share/gocode")
        .env("GO111MODULE", "off")
        .env_remove("GOFLAGS");
    let printed = printed_by(client).await;
    let expected = [
        "basic 200",
        "post 200",
        "detected 200",
        "jwt 200",
        "other_scope 403",
        "not_granted 400 invalid_scope",
        "wrong_secret 401 invalid_client",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}
