//! The direction rule of ARCHITECTURE.md: which crate of the workspace may use which.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers as well"
)]

use toml::Table;

/// Crate, and the crates of the workspace that it may depend on.
const EDGES: [(&str, &[&str]); 6] = [
    ("domain", &[]),
    ("storage", &["domain"]),
    ("service", &["domain", "storage"]),
    ("app", &["domain", "service"]),
    ("frontend", &["app"]),
    ("server", &["app", "domain", "service"]),
];

fn manifest(name: &str) -> Table {
    let path = format!("{}/../{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap().parse().unwrap()
}

#[test]
fn crates_depend_only_in_the_direction_of_the_architecture() {
    for (name, allowed) in EDGES {
        let manifest = manifest(name);
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for (other, _) in EDGES {
            if dependencies.contains_key(other) {
                assert!(
                    allowed.contains(&other),
                    "{name} must not depend on {other}"
                );
            }
        }
    }
}

#[test]
fn only_storage_knows_sql_and_only_the_front_doors_know_http() {
    for (name, _) in EDGES {
        let manifest = manifest(name);
        let has = |dependency: &str| {
            manifest["dependencies"]
                .as_table()
                .unwrap()
                .contains_key(dependency)
        };
        assert_eq!(has("sqlx"), name == "storage", "sqlx in {name}");
        assert!(
            !has("axum") || matches!(name, "app" | "server"),
            "axum in {name}"
        );
        assert!(
            !has("leptos") || matches!(name, "app" | "frontend" | "server"),
            "leptos in {name}"
        );
        assert!(
            !has("tokio") || !matches!(name, "domain" | "app" | "frontend"),
            "tokio in {name}"
        );
    }
}

#[test]
fn every_crate_of_the_workspace_is_in_the_rule() {
    let root =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).unwrap();
    let root: Table = root.parse().unwrap();
    let mut members: Vec<_> = root["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .filter(|member| member != "bench")
        .collect();
    members.sort();
    let mut known = EDGES.map(|(name, _)| name.to_owned());
    known.sort();
    assert_eq!(members, known);
}
