//! What the pages of people tell to whom: the HTML holds all that its functions answered.

use axum::http::StatusCode;
use domain::role::Role;
use serde_json::{Value, json};
use service::{AddPerson, Invitation, RequestFacts};

use crate::dashboard::{Dashboard, text};

/// The people whom the users page's function gives to a cookie.
async fn people(dashboard: &Dashboard, cookie: &str, state: Option<&str>) -> Vec<Value> {
    let arguments = json!({ "params": { "state": state } }).to_string();
    let list = "/_fn/users/list";
    let answer = dashboard
        .call_function(list, Some(cookie), &arguments)
        .await;
    let answer = answer.ok();
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list["people"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn how_somebody_comes_in_is_told_to_superusers_only() {
    let dashboard = Dashboard::new().await;
    let (services, host) = (&dashboard.app.services, &dashboard.app.host);
    let invitation = Invitation {
        people: "soon@example.com".to_owned(),
        role: "developer".to_owned(),
    };
    services.invite_people(host, &invitation).await.unwrap();
    let came = AddPerson {
        name: "Came In".to_owned(),
        email: "came@example.com".to_owned(),
        role: "developer".to_owned(),
    };
    let link = services.add_person(host, &came).await.unwrap();
    let (token, facts) = (link.token.expose(), RequestFacts::default());
    let chosen = services.choose_password(token, "nine drums under the bridge", &facts);
    chosen.await.unwrap();
    let is = |email: &'static str| move |person: &&Value| person["email"] == email;
    let columns = [
        "Second factor",
        "Last seen",
        "Logs in",
        "link ends",
        "Invited",
    ];

    let cookie = dashboard.log_in(Role::Superuser).await;
    let everybody = people(&dashboard, &cookie, None).await;
    let soon = everybody.iter().find(is("soon@example.com")).unwrap();
    assert_eq!(soon["access"]["second_factor"], false);
    assert_eq!(soon["access"]["invited"], true);
    assert!(soon["access"]["link_ends_at"].is_string());
    let page = text(&dashboard.get("/users", Some(&cookie)).await.ok());
    for column in columns {
        assert!(page.contains(column), "{column}");
    }

    for role in [Role::Developer, Role::Operations, Role::Support] {
        let cookie = dashboard.log_in(role).await;
        let everybody = people(&dashboard, &cookie, None).await;
        assert!(
            everybody
                .iter()
                .any(|person| person["email"] == "soon@example.com")
        );
        for person in &everybody {
            assert_eq!(person["access"], Value::Null, "{role}: {person}");
        }
        // But for name, address and id, who was invited is as anybody else.
        let facts = |email| {
            let mut person = everybody.iter().find(is(email)).unwrap().clone();
            for own in ["id", "name", "email"] {
                person[own] = Value::Null;
            }
            person
        };
        assert_eq!(
            facts("soon@example.com"),
            facts("came@example.com"),
            "{role}"
        );
        assert!(
            people(&dashboard, &cookie, Some("invited"))
                .await
                .is_empty()
        );
        let active = people(&dashboard, &cookie, Some("active")).await;
        assert_eq!(active.len(), everybody.len(), "{role}");
        let page = text(&dashboard.get("/users", Some(&cookie)).await.ok());
        assert!(page.contains("soon@example.com"), "{role}");
        for column in columns {
            assert!(!page.contains(column), "{role}: {column}");
        }
        let other = format!("/users/{}", dashboard.app.owner.id);
        let other = dashboard.get(&other, Some(&cookie)).await;
        assert_eq!(other.status, StatusCode::FORBIDDEN, "{role}");
    }
}
