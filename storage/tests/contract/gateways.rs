//! Gateways.

use domain::gateway::{Gateway, GatewayKind};
use storage::{Conflict, GatewayRecord, GatewaySeen, StoreError, StoreResult, TokenHash};

use crate::fixture::{Fixture, at, event, gateway};

const TOKEN: TokenHash = TokenHash([1; 32]);

async fn add(fixture: &Fixture, gateway: &Gateway) -> StoreResult<()> {
    let store = &fixture.store;
    store.add_gateway(gateway.clone(), TOKEN, event()).await
}

fn record(gateway: &Gateway) -> GatewayRecord {
    GatewayRecord {
        gateway: gateway.clone(),
        token: Some(TOKEN),
        last_seen: None,
    }
}

async fn list(fixture: &Fixture) -> Vec<GatewayRecord> {
    fixture.store.list_gateways().await.unwrap()
}

fn is_taken(outcome: &StoreResult<()>) -> bool {
    matches!(
        outcome,
        Err(StoreError::Conflict(Conflict::GatewayNameTaken))
    )
}

pub async fn a_gateway_is_found_as_added(fixture: &Fixture) {
    assert_eq!(list(fixture).await, []);
    let mut all = Vec::new();
    for (number, kind) in (1..).zip(GatewayKind::ALL) {
        let gateway = Gateway {
            kind,
            addresses: "192.0.2.0/24, 2001:db8::1".parse().unwrap(),
            audiences: "https://a.example, https://b.example".parse().unwrap(),
            ..gateway(number, &format!("Gateway {number}"))
        };
        add(fixture, &gateway).await.unwrap();
        all.push(record(&gateway));
    }
    let anywhere = gateway(9, "anywhere");
    add(fixture, &anywhere).await.unwrap();
    all.insert(0, record(&anywhere));
    assert_eq!(list(fixture).await, all);
    assert_eq!(fixture.audit_log().await.len(), all.len());
}

pub async fn a_name_is_taken_in_any_case(fixture: &Fixture) {
    let store = &fixture.store;
    let (edge, other) = (gateway(1, "Ädge"), gateway(2, "other"));
    add(fixture, &edge).await.unwrap();
    add(fixture, &other).await.unwrap();
    for name in ["Ädge", "äDGE"] {
        let refused = add(fixture, &gateway(3, name)).await;
        assert!(is_taken(&refused), "{name}: {refused:?}");
        let refused = store.update_gateway(gateway(2, name), event()).await;
        assert!(is_taken(&refused), "{name}: {refused:?}");
        // Its own name is free for itself.
        store
            .update_gateway(gateway(1, name), event())
            .await
            .unwrap();
    }
    store.remove_gateway(edge.id, at(1), event()).await.unwrap();
    add(fixture, &gateway(4, "ädge")).await.unwrap();
}

pub async fn a_gateway_is_edited(fixture: &Fixture) {
    let store = &fixture.store;
    let before = gateway(1, "edge");
    add(fixture, &before).await.unwrap();
    let after = Gateway {
        name: "proxy".parse().unwrap(),
        kind: GatewayKind::Envoy,
        addresses: "10.0.0.0/8".parse().unwrap(),
        ..before
    };
    let edit = Gateway {
        created_by: "Somebody else".to_owned(),
        created_at: at(99),
        ..after.clone()
    };
    store.update_gateway(edit, event()).await.unwrap();
    assert_eq!(list(fixture).await, [record(&after)]);
}

pub async fn a_new_token_replaces_the_one_before(fixture: &Fixture) {
    let store = &fixture.store;
    let edge = gateway(1, "edge");
    add(fixture, &edge).await.unwrap();
    let new = TokenHash([2; 32]);
    store
        .replace_gateway_token(edge.id, new, event())
        .await
        .unwrap();
    let replaced = GatewayRecord {
        token: Some(new),
        ..record(&edge)
    };
    assert_eq!(list(fixture).await, [replaced]);
}

pub async fn a_removed_gateway_stays_without_its_token(fixture: &Fixture) {
    let store = &fixture.store;
    let (gone, kept) = (gateway(1, "a"), gateway(2, "b"));
    add(fixture, &gone).await.unwrap();
    add(fixture, &kept).await.unwrap();
    store.remove_gateway(gone.id, at(7), event()).await.unwrap();
    let tombstone = GatewayRecord {
        gateway: Gateway {
            removed_at: Some(at(7)),
            ..gone.clone()
        },
        token: None,
        last_seen: None,
    };
    let expected = [record(&kept), tombstone];
    assert_eq!(list(fixture).await, expected);

    let audited = fixture.audit_log().await.len();
    for id in [gone.id, gateway(9, "nowhere").id] {
        let edit = Gateway {
            id,
            ..gateway(1, "x")
        };
        for outcome in [
            store.update_gateway(edit, event()).await,
            store.replace_gateway_token(id, TOKEN, event()).await,
            store.remove_gateway(id, at(8), event()).await,
        ] {
            assert!(
                matches!(outcome, Err(StoreError::NotFound("gateway"))),
                "{outcome:?}"
            );
        }
    }
    assert_eq!(list(fixture).await, expected);
    assert_eq!(fixture.audit_log().await.len(), audited);
}

pub async fn an_older_call_never_replaces_a_newer_one(fixture: &Fixture) {
    let store = &fixture.store;
    let (edge, other) = (gateway(1, "edge"), gateway(2, "other"));
    add(fixture, &edge).await.unwrap();
    add(fixture, &other).await.unwrap();
    let seen = |millis: i64| GatewaySeen {
        at: at(millis),
        address: format!("192.0.2.{millis}"),
    };
    let nowhere = gateway(9, "nowhere").id;
    for (calls, expected) in [
        (vec![(edge.id, seen(5)), (nowhere, seen(6))], 5),
        (vec![(edge.id, seen(4))], 5),
        (vec![(edge.id, seen(8)), (edge.id, seen(7))], 8),
    ] {
        store.record_gateways_seen(calls).await.unwrap();
        let listed = list(fixture).await;
        assert_eq!(listed[0].last_seen, Some(seen(expected)));
        assert_eq!(listed[1].last_seen, None);
    }
    assert_eq!(fixture.audit_log().await.len(), 2);
}
