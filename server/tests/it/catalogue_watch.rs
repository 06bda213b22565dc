//! The catalogue's file while the server runs: taken up when it changes, however that is done, and
//! never when it can't be used.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use server::catalogue::watch::Watch;
use server::state::GateMode;
use tempfile::TempDir;

use crate::app::{TestApp, UNKNOWN, default_catalogue};
use crate::faulty::Health;

const SHIPPED: &str = include_str!("../../../catalogue/alpaca-broker.toml");

/// The shipped catalogue as another version, with one more call.
fn second() -> String {
    let (_, path) = UNKNOWN;
    let more = format!(
        "\n[[scope]]\nname = \"extra\"\ntitle = \"Extra\"\ndescription = \"\"\n\
         endpoints = [{{ method = \"GET\", path = \"{path}\", summary = \"\" }}]\n"
    );
    let version = default_catalogue().version().to_owned();
    SHIPPED.replacen(&version, "2", 1) + &more
}

struct Watched {
    app: TestApp,
    folder: TempDir,
    watch: Watch,
}

impl Watched {
    async fn new() -> Self {
        let app = TestApp::with(GateMode::Nginx, default_catalogue()).await;
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("catalogue.toml");
        std::fs::write(&file, SHIPPED).unwrap();
        let mut watch = Watch::new(file, app.services.clone(), app.metrics.clone());
        for _ in 0..2 {
            watch.look(false).await;
        }
        Self { app, folder, watch }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, content: &str) {
        std::fs::write(self.path("catalogue.toml"), content).unwrap();
    }

    fn version(&self) -> String {
        self.app.services.catalogue().version().to_owned()
    }

    fn problems(&self) -> Option<Vec<String>> {
        let status = self.app.services.catalogue_status(&self.app.host).unwrap();
        status.fault.map(|fault| fault.problems)
    }

    fn is_unusable(&self) -> bool {
        let text = self.app.metrics.to_text().unwrap();
        text.contains("keyrack_catalogue_file_unusable 1")
    }
}

#[tokio::test]
async fn a_change_counts_when_the_file_stands_still() {
    let mut watched = Watched::new().await;
    let shipped = watched.version();
    assert_ne!(shipped, "2");
    let whole = second();
    // Somebody writes the file bit by bit.
    for end in [1, 3, 10] {
        watched.write(&whole[..whole.len() * end / 10]);
        watched.watch.look(false).await;
        assert_eq!(watched.version(), shipped);
        assert_eq!(watched.problems(), None);
    }
    watched.watch.look(false).await;
    assert_eq!(watched.version(), "2");
}

#[tokio::test]
async fn asked_to_the_server_looks_at_once() {
    let mut watched = Watched::new().await;
    watched.write(&second());
    watched.watch.look(true).await;
    assert_eq!(watched.version(), "2");
}

#[tokio::test]
async fn the_gate_tokens_and_metadata_follow_the_file() {
    let mut watched = Watched::new().await;
    let key = watched.app.issue("legacy", "full").await;
    let client = watched.app.issue("client_secret", "full").await;
    let supported = async |app: &TestApp| {
        let request = Request::get("/.well-known/oauth-authorization-server/v1");
        let answer = app.call(request.body(Body::empty()).unwrap()).await;
        answer.ok().json()["scopes_supported"].to_string()
    };
    let headers = [("Authorization", key.basic())];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let ask = async |app: &TestApp| app.ask_gate(UNKNOWN, &headers).await;
    assert_eq!(ask(&watched.app).await.status, 403);
    assert!(!supported(&watched.app).await.contains("extra:read"));
    let old = watched.app.token(&client).await;

    watched.write(&second());
    watched.watch.look(true).await;
    ask(&watched.app).await.ok();
    assert!(supported(&watched.app).await.contains("extra:read"));
    // A token never grows: it has the scopes that it was issued with.
    let refused = watched.app.ask_with_token(UNKNOWN, &old).await;
    refused.gate_refuses(403, "insufficient_scope");
    let new = watched.app.token(&client).await;
    watched.app.ask_with_token(UNKNOWN, &new).await.ok();

    watched.write(SHIPPED);
    watched.watch.look(true).await;
    for token in [&old, &new] {
        let refused = watched.app.ask_with_token(UNKNOWN, token).await;
        refused.gate_refuses(403, "path_not_allowed");
    }
    assert!(!supported(&watched.app).await.contains("extra:read"));
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let mut watched = Watched::new().await;
    let shipped = watched.version();
    watched.write(&SHIPPED.replacen("level = \"read\"", "level = \"reed\"", 1));
    watched.watch.look(true).await;
    assert_eq!(watched.version(), shipped);
    let line = SHIPPED
        .lines()
        .position(|line| line.contains("level = \"read\""));
    let problem = format!(
        "line {}: level must be \"read\" or \"write\"",
        line.unwrap() + 1
    );
    assert_eq!(watched.problems().unwrap(), [problem]);
    assert!(watched.is_unusable());

    std::fs::remove_file(watched.path("catalogue.toml")).unwrap();
    watched.watch.look(true).await;
    assert!(watched.problems().unwrap()[0].contains("No such file"));

    watched.write(SHIPPED);
    for _ in 0..2 {
        watched.watch.look(false).await;
    }
    assert_eq!(watched.problems(), None);
    assert!(!watched.is_unusable());
    assert_eq!(watched.version(), shipped);
}

#[tokio::test]
async fn a_file_that_is_moved_into_place_is_taken_up() {
    let mut watched = Watched::new().await;
    let new = watched.path("new.toml");
    std::fs::write(&new, second()).unwrap();
    std::fs::rename(new, watched.path("catalogue.toml")).unwrap();
    for _ in 0..2 {
        watched.watch.look(false).await;
    }
    assert_eq!(watched.version(), "2");
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_map_that_is_swapped_is_taken_up() {
    use std::os::unix::fs::symlink;

    let mut watched = Watched::new().await;
    // As Kubernetes lays a volume out: file -> ..data/file, ..data -> a folder of one version.
    let at = |name: &str| watched.folder.path().join(name);
    let volume = |name: &str, content: &str| {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("catalogue.toml"), content).unwrap();
    };
    volume("..1", SHIPPED);
    volume("..2", &second());
    symlink("..1", at("..data")).unwrap();
    std::fs::remove_file(at("catalogue.toml")).unwrap();
    symlink(Path::new("..data/catalogue.toml"), at("catalogue.toml")).unwrap();
    symlink("..2", at("..data_tmp")).unwrap();
    let (from, to) = (at("..data_tmp"), at("..data"));
    watched.watch.look(false).await;
    let shipped = watched.version();
    std::fs::rename(from, to).unwrap();
    for _ in 0..2 {
        assert_eq!(watched.version(), shipped);
        watched.watch.look(false).await;
    }
    assert_eq!(watched.version(), "2");
}

#[tokio::test]
async fn a_change_waits_for_a_store_that_fails() {
    let mut watched = Watched::new().await;
    let shipped = watched.version();
    watched.write(&second());
    watched.app.store.set(Health::Failing);
    watched.watch.look(true).await;
    assert_eq!(watched.version(), shipped);
    watched.app.store.set(Health::Well);
    watched.watch.look(false).await;
    assert_eq!(watched.version(), "2");
}
