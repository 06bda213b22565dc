//! Every route and server function, and what whoever asks for it must be allowed.

use domain::audit::Action;
use domain::role::Permission;

/// Each page, and who may see it.
pub const PAGES: &[(&str, Permission)] = &[
    ("/", Permission::See),
    ("/credentials", Permission::See),
    (
        "/credentials?tab=in_use&q=x&sort=-name&after=junk",
        Permission::See,
    ),
    ("/credentials/new", Permission::ManageCredentials),
    ("/credentials/{key_id}", Permission::See),
    ("/credentials/{key_id}/edit", Permission::ManageCredentials),
    ("/catalogue?method=GET&path=/v1/accounts", Permission::See),
    ("/catalogue/changes?before=7", Permission::See),
    (
        "/users?q=x&role=support&state=orphaning&after=junk",
        Permission::See,
    ),
    ("/users/{id}", Permission::ManageUsers),
    ("/account", Permission::See),
    ("/confirm", Permission::See),
    ("/confirm/resume?form=x", Permission::See),
    ("/lookup", Permission::See),
    ("/debugger", Permission::See),
    ("/gateways", Permission::ManageGateways),
    (
        "/audit?actor=&object=&action=credential.issued&until=2030-01-01&after=junk",
        Permission::SeeAuditLog,
    ),
    ("/audit/{file}?outcome=done", Permission::SeeAuditLog),
];

/// The fields that the forms for a new credential and for an edit have in common, and more.
macro_rules! draft {
    ($more:literal) => {
        concat!(
            "name=x&purpose=x&owner={id}&flow=client_secret&expires=30d&expires_at=&expires_at_utc=",
            "&access=custom&scope.accounts=read&key_source=&public_key=&jwks_url=",
            $more
        )
    };
}

/// Each form that needs somebody, its fields, and who may send it.
pub const FORMS: &[(&str, &str, Permission)] = &[
    (
        "/credentials/new",
        draft!("&idempotency_key=k"),
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/edit",
        draft!("&read=2026-01-01T00:00:00Z"),
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/disable",
        "reason=",
        Permission::QuarantineCredential,
    ),
    (
        "/credentials/{key_id}/enable",
        "reason=",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/revoke",
        "reason=",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/limits",
        "addresses=192.0.2.1&per_second=1&burst=1&per_minute=1&tokens_per_hour=1\
         &report_addresses=&report_calls=&report_tokens=&read=2026-01-01T00:00:00Z",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/keys",
        "name=x&public_key=x&expires=x",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/keys/remove",
        "thumbprint=x",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/key-url",
        "jwks_url=x",
        Permission::ManageCredentials,
    ),
    (
        "/credentials/{key_id}/key-url/fetch",
        "",
        Permission::ManageCredentials,
    ),
    (
        "/gateways",
        "name=x&kind=nginx&addresses=&audiences=",
        Permission::ManageGateways,
    ),
    (
        "/gateways/{id}/edit",
        "name=x&kind=nginx&addresses=&audiences=",
        Permission::ManageGateways,
    ),
    ("/gateways/{id}/token", "", Permission::ManageGateways),
    ("/gateways/{id}/remove", "", Permission::ManageGateways),
    (
        "/signing-keys/{kid}/end",
        "reason=x",
        Permission::ManageSettings,
    ),
    (
        "/users",
        "people=x@example.com&role=support",
        Permission::ManageUsers,
    ),
    (
        "/users/{id}/give",
        "which=all&to={id}",
        Permission::ManageCredentials,
    ),
    (
        "/users/{id}/person",
        "name=Mara&email=mara%40example.com",
        Permission::ManageUsers,
    ),
    ("/users/{id}/role", "role=support", Permission::ManageUsers),
    ("/users/{id}/disable", "", Permission::ManageUsers),
    ("/users/{id}/enable", "", Permission::ManageUsers),
    ("/users/{id}/password-link", "", Permission::ManageUsers),
    ("/debugger", "assertion=x", Permission::See),
    (
        "/users/{id}/sessions/end-others",
        "",
        Permission::ManageUsers,
    ),
    (
        "/users/{id}/sessions/{session}/end",
        "",
        Permission::ManageUsers,
    ),
    (
        "/account/password",
        "current_password=x&new_password=x",
        Permission::See,
    ),
    ("/account/confirm", "", Permission::See),
    ("/account/totp", "", Permission::See),
    ("/account/totp/add", "draft=x&code=1", Permission::See),
    ("/account/totp/remove", "", Permission::See),
    ("/account/recovery-codes", "", Permission::See),
    ("/account/passkeys", "name=x&passkey=x", Permission::See),
    ("/account/passkeys/remove", "id=x", Permission::See),
    ("/account/passkeys/new", "", Permission::See),
    ("/account/passkeys/question", "", Permission::See),
    (
        "/users/{id}/second-factor/reset",
        "",
        Permission::ManageUsers,
    ),
    // The last: nothing comes after it.
    ("/logout", "", Permission::See),
];

/// What whoever may not send a form is written down to have tried.
pub const TRIED: &[(&str, Action)] = &[
    ("/credentials/new", Action::CredentialIssued),
    ("/credentials/{key_id}/edit", Action::CredentialEdited),
    ("/credentials/{key_id}/disable", Action::CredentialDisabled),
    ("/credentials/{key_id}/enable", Action::CredentialEnabled),
    ("/credentials/{key_id}/revoke", Action::CredentialRevoked),
    ("/credentials/{key_id}/limits", Action::LimitsChanged),
    ("/credentials/{key_id}/keys", Action::PublicKeyAdded),
    (
        "/credentials/{key_id}/keys/remove",
        Action::PublicKeyRemoved,
    ),
    ("/credentials/{key_id}/key-url", Action::KeyUrlSet),
    ("/credentials/{key_id}/key-url/fetch", Action::KeysFetched),
    ("/gateways", Action::GatewayAdded),
    ("/gateways/{id}/edit", Action::GatewayEdited),
    ("/gateways/{id}/token", Action::GatewayTokenReplaced),
    ("/gateways/{id}/remove", Action::GatewayRemoved),
    ("/signing-keys/{kid}/end", Action::SigningKeyCompromised),
    ("/users", Action::UserAdded),
    ("/users/{id}/give", Action::CredentialEdited),
    ("/users/{id}/person", Action::UserChanged),
    ("/users/{id}/role", Action::UserRoleChanged),
    ("/users/{id}/disable", Action::UserDisabled),
    ("/users/{id}/enable", Action::UserEnabled),
    ("/users/{id}/password-link", Action::PasswordResetOffered),
    ("/users/{id}/sessions/end-others", Action::SessionEnded),
    ("/users/{id}/sessions/{session}/end", Action::SessionEnded),
    ("/users/{id}/second-factor/reset", Action::SecondFactorReset),
];

/// Each server function, arguments that it understands, and who may call it.
pub const FUNCTIONS: &[(&str, &str, Permission)] = &[
    ("/_fn/account/proof", "", Permission::See),
    ("/_fn/account/second-factors", "", Permission::See),
    (
        "/_fn/audit/search",
        r#"{"params":{}}"#,
        Permission::SeeAuditLog,
    ),
    ("/_fn/catalogue/get", "", Permission::See),
    ("/_fn/catalogue/status", "", Permission::See),
    (
        "/_fn/catalogue/versions",
        r#"{"before":null}"#,
        Permission::See,
    ),
    (
        "/_fn/credentials/filters",
        r#"{"owner":""}"#,
        Permission::See,
    ),
    ("/_fn/credentials/form", "", Permission::See),
    (
        "/_fn/credentials/get",
        r#"{"key_id":"{key_id}"}"#,
        Permission::See,
    ),
    (
        "/_fn/credentials/issue",
        ISSUE,
        Permission::ManageCredentials,
    ),
    ("/_fn/credentials/list", r#"{"params":{}}"#, Permission::See),
    (
        "/_fn/credentials/try-out",
        r#"{"key_id":"{key_id}","secret":"x"}"#,
        Permission::See,
    ),
    (
        "/_fn/credentials/preview-keys",
        r#"{"public_key":"x"}"#,
        Permission::ManageCredentials,
    ),
    ("/_fn/gateways/list", "", Permission::ManageGateways),
    (
        "/_fn/requests/find",
        r#"{"request_id":"x"}"#,
        Permission::See,
    ),
    (
        "/_fn/sessions/list",
        r#"{"person":"{id}"}"#,
        Permission::ManageUsers,
    ),
    ("/_fn/signing-keys/list", "", Permission::ManageSettings),
    (
        "/_fn/users/get",
        r#"{"id":"{id}"}"#,
        Permission::ManageUsers,
    ),
    ("/_fn/users/list", r#"{"params":{}}"#, Permission::See),
];
const ISSUE: &str = r#"{"draft":{"name":"","purpose":"","owner":"","flow":"","expires":"",
    "expires_at":"","access":"","levels":{},"public_key":""},"idempotency_key":"k"}"#;

/// What is no page, form or function of somebody: the way in, and what programs ask, which
/// has tests of its own about who may.
pub const OPEN: &[&str] = &[
    "GET /login",
    "POST /login",
    "GET /login/second-factor",
    "POST /login/second-factor",
    "POST /login/second-factor/passkey",
    "GET /setup",
    "POST /setup",
    "GET /welcome",
    "POST /welcome",
    "GET /forgot",
    "POST /forgot",
    "GET /sso/{provider}",
    "GET /sso/{provider}/callback",
    "POST /sso/{provider}/backchannel",
    "ANY /favicon.svg",
    "POST /v1/oauth2/token",
    "ANY /v1/oauth2/introspect",
    "POST /v1/oauth2/revoke",
    "GET /v1/oauth2/keys",
    "GET /.well-known/oauth-authorization-server/v1",
    "GET /v1/.well-known/oauth-authorization-server",
    "GET /healthz",
    "GET /readyz",
    "ANY /v1/verify",
    "ANY /v1/verify/",
    "ANY /v1/verify/{*path}",
    // Whatever has no row of its own is not found.
    "POST /_fn/{*function}",
];
