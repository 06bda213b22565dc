//! The audit log.

use domain::audit::{
    Action, ActorKind, AuditEvent, BrokenChain, ChainHash, ChainVerifier, ObjectKind, Outcome,
};
use domain::role::Role;
use storage::{
    AuditQuery, Change, Identity, Named, OwnSession, RevokedToken, SigningKeyRow, StoreError,
    TokenHash,
};

use crate::fixture::{
    Fixture, at, credential, event, gateway, key_id, new, person, public_key, refused_event,
    session, token,
};

pub async fn the_chain_is_whole_and_ends_at_its_head(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.audit_head().await.unwrap(), (0, ChainHash::START));
    let mara = fixture.add_superuser(1).await;
    fixture.issue(&credential(1, mara.id)).await;
    store.append_audit(event()).await.unwrap();
    let log = fixture.audit_log().await;
    assert_eq!(
        log.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let page = store.list_audit(1, 1).await.unwrap();
    assert_eq!(page, log[1..2]);
}

/// Check 89: a change whose event can't be written does not happen.
pub async fn an_event_that_is_refused_takes_the_change_with_it(fixture: &Fixture) {
    let store = &fixture.store;
    store.offer_set_up(token(1), event()).await.unwrap();
    let (mara, jon) = (person(1, Role::Superuser), person(2, Role::Support));
    let hash = || "hash".to_owned();
    let refused = store
        .complete_set_up(token(1).hash, mara.clone(), hash(), refused_event())
        .await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(!store.has_users().await.unwrap());

    store
        .complete_set_up(token(1).hash, mara.clone(), hash(), event())
        .await
        .unwrap();
    let kept = credential(1, mara.id);
    fixture.issue(&kept).await;
    let own = fixture.log_in(1, &mara).await;
    store
        .offer_password_link(mara.id, token(2), event())
        .await
        .unwrap();
    let before = fixture.audit_log().await.len();

    let mut edited = kept.clone();
    edited.name = "edited".parse().unwrap();
    let id = mara.id;
    for outcome in [
        store
            .add_user(jon.clone(), None, None, refused_event())
            .await,
        store
            .set_password(id, "new".to_owned(), refused_event())
            .await,
        store
            .change_password(own, hash(), "new".to_owned(), refused_event())
            .await,
        store
            .offer_password_link(id, token(3), refused_event())
            .await,
        store
            .redeem_password_link(token(2).hash, at(0), "new".to_owned(), refused_event())
            .await,
        store.record_login(own.epoch, at(1), refused_event()).await,
        store
            .issue_credential(new(&credential(2, id)), refused_event())
            .await,
        store
            .update_credential(edited, at(0), refused_event())
            .await,
        store.append_audit(refused_event()).await,
    ] {
        assert!(
            matches!(outcome, Err(StoreError::Unavailable(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(store.find_user(jon.id).await.unwrap(), None);
    assert_eq!(store.find_user(id).await.unwrap(), Some(mara.clone()));
    assert_eq!(store.find_password_hash(id).await.unwrap(), Some(hash()));
    assert_eq!(
        store
            .find_password_link(token(2).hash, at(0))
            .await
            .unwrap(),
        Some(mara)
    );
    assert!(
        store
            .find_session(session(1, None).id, at(0))
            .await
            .unwrap()
            .is_some()
    );
    assert!(store.find_credential(key_id(2)).await.unwrap().is_none());
    assert_eq!(fixture.credential(kept.key_id).await, kept);
    assert_eq!(fixture.audit_log().await.len(), before);
}

/// Check 89, for people, their sessions and identities, and the log itself.
pub async fn check_89_an_event_that_is_refused_leaves_people_and_their_sessions(fixture: &Fixture) {
    let store = &fixture.store;
    let offered = store.offer_set_up(token(1), refused_event()).await;
    assert!(matches!(offered, Err(StoreError::Unavailable(_))));
    let is_valid = store.set_up_token_is_valid(token(1).hash, at(0)).await;
    assert!(!is_valid.unwrap());
    let mara = fixture.add_superuser(1).await;
    let (jon, nina) = (person(2, Role::Support), person(3, Role::Support));
    let identity = |subject: &str| Identity {
        issuer: "https://id.example.com".to_owned(),
        subject: subject.to_owned(),
    };
    for user in [&jon, &nina] {
        let added = store.add_user(user.clone(), None, None, event());
        added.await.unwrap();
    }
    store.disable_user(nina.id, at(5), event()).await.unwrap();
    let linked = store.link_identity(mara.id, identity("mara"), event());
    linked.await.unwrap();
    for number in 1..=2 {
        fixture.log_in(number, &jon).await;
    }
    let people = async || {
        let (found, log) = (
            async |id| store.find_user(id).await.unwrap(),
            fixture.audit_log().await,
        );
        let everybody = [
            found(mara.id).await,
            found(jon.id).await,
            found(nina.id).await,
        ];
        let sessions = store.list_sessions_of(jon.id, at(0)).await.unwrap();
        let sessions: Vec<_> = sessions.into_iter().map(|session| session.id).collect();
        let base = store.audit_base().await.unwrap();
        (everybody, sessions, log, base)
    };
    let before = people().await;
    assert_eq!(before.1.len(), 2);
    let (base, new) = (&before.2[0], person(4, Role::Support));
    let maras = fixture.epoch(&mara).await;
    let own = OwnSession {
        epoch: fixture.epoch(&jon).await,
        id: session(1, None).id,
    };
    for outcome in [
        store
            .set_role(jon.id, Role::Developer, refused_event())
            .await,
        store.disable_user(jon.id, at(6), refused_event()).await,
        store.enable_user(nina.id, refused_event()).await,
        store
            .end_session(jon.id, session(1, None).id, refused_event())
            .await,
        store
            .end_sessions_of(jon.id, Vec::new(), refused_event())
            .await,
        store.end_other_sessions(own, refused_event()).await,
        store
            .map_role(own.epoch, Role::Developer, refused_event())
            .await
            .map(drop),
        store
            .add_user_with_identity(new.clone(), identity("new"), refused_event())
            .await
            .map(drop),
        store
            .link_identity(jon.id, identity("jon"), refused_event())
            .await,
        store
            .record_identity_login(maras, identity("mara"), at(7), refused_event())
            .await,
        store
            .trim_audit((base.seq, base.hash), refused_event())
            .await,
    ] {
        assert!(
            matches!(outcome, Err(StoreError::Unavailable(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(people().await, before);
    assert_eq!(store.find_user(new.id).await.unwrap(), None);
    for nobody in ["new", "jon"] {
        let found = store.find_user_by_identity(identity(nobody)).await;
        assert_eq!(found.unwrap(), None, "{nobody}");
    }
}

/// Check 89, for what the issuer and the gate keep.
pub async fn an_event_that_is_refused_leaves_keys_tokens_and_gateways(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = fixture.add_superuser(1).await;
    let kept = credential(1, mara.id);
    fixture.issue(&kept).await;
    store
        .add_public_keys(kept.key_id, vec![public_key(1), public_key(2)], event())
        .await
        .unwrap();
    let edge = gateway(1, "edge");
    store
        .add_gateway(edge.clone(), TokenHash([1; 32]), event())
        .await
        .unwrap();
    let gateways = store.list_gateways().await.unwrap();
    let signing_key = SigningKeyRow {
        kid: "kid".to_owned(),
        public_jwk: "{}".to_owned(),
        encrypted_private_key: Some(vec![1]),
        created_at: at(0),
        used_from: at(0),
        compromised_at: None,
    };
    let added = store.add_first_signing_key(signing_key.clone(), refused_event());
    assert!(added.await.is_err());
    assert!(store.list_signing_keys().await.unwrap().is_empty());
    let first = SigningKeyRow {
        kid: "first".to_owned(),
        ..signing_key.clone()
    };
    store.add_signing_key(first.clone(), event()).await.unwrap();
    let before = fixture.audit_log().await.len();

    let renamed = gateway(1, "renamed");
    let (key, thumbprint) = (kept.key_id, public_key(1).thumbprint);
    let revoked = RevokedToken {
        jti: "jti".to_owned(),
        key_id: key,
        expires_at: at(9),
    };
    for outcome in [
        store
            .add_public_keys(key, vec![public_key(3)], refused_event())
            .await,
        store
            .remove_public_key(key, thumbprint, refused_event())
            .await,
        store
            .revoke_token(revoked, refused_event())
            .await
            .map(|_| ()),
        store
            .add_gateway(gateway(2, "other"), TokenHash([2; 32]), refused_event())
            .await,
        store.update_gateway(renamed, refused_event()).await,
        store
            .replace_gateway_token(edge.id, TokenHash([2; 32]), refused_event())
            .await,
        store.remove_gateway(edge.id, at(1), refused_event()).await,
        store
            .add_signing_key(signing_key.clone(), refused_event())
            .await,
        store
            .delete_private_half("first".to_owned(), refused_event())
            .await
            .map(|_| ()),
        store
            .end_signing_key(
                "first".to_owned(),
                at(1),
                Some(signing_key),
                refused_event(),
            )
            .await,
    ] {
        assert!(
            matches!(outcome, Err(StoreError::Unavailable(_))),
            "{outcome:?}"
        );
    }
    let live = store.find_live_credential(key).await.unwrap().unwrap();
    assert_eq!(live.public_keys, [public_key(1), public_key(2)]);
    assert_eq!(store.list_revoked_tokens(at(0)).await.unwrap(), []);
    assert_eq!(store.list_gateways().await.unwrap(), gateways);
    assert_eq!(store.list_signing_keys().await.unwrap(), [first]);
    assert_eq!(fixture.audit_log().await.len(), before);
}

pub async fn changes_are_fed_in_order(fixture: &Fixture) {
    let store = &fixture.store;
    let objects = [
        (ObjectKind::Credential, Some("KRQ7M2XZLP4TAVJ6NDB3EH")),
        (ObjectKind::User, Some("1")),
        (ObjectKind::System, None),
    ];
    for (kind, id) in objects {
        let event = AuditEvent {
            object_kind: kind,
            object_id: id.map(str::to_owned),
            ..event()
        };
        store.append_audit(event).await.unwrap();
    }
    let log = fixture.audit_log().await;
    let expected: Vec<Change> = log
        .iter()
        .zip(objects)
        .map(|(entry, (kind, id))| Change {
            seq: entry.seq,
            hash: entry.hash,
            at: entry.event.at,
            kind,
            id: id.map(str::to_owned),
            key_url: None,
            token_ends_at: None,
        })
        .collect();
    let places = log.iter().map(|entry| (entry.seq, entry.hash));
    for (read, place) in [(0, ChainHash::START)]
        .into_iter()
        .chain(places)
        .enumerate()
    {
        let changes = store.changes_after(place).await.unwrap();
        assert_eq!(changes.as_deref(), Some(&expected[read..]));
    }
}

pub async fn a_change_of_a_credential_comes_with_its_key_url(fixture: &Fixture) {
    let store = &fixture.store;
    let owner = fixture.add_superuser(1).await.id;
    let url = "https://app.example.com/jwks.json";
    let about = |number| AuditEvent {
        object_kind: ObjectKind::Credential,
        object_id: Some(key_id(number).to_string()),
        ..event()
    };
    let with_url = storage::NewCredential {
        key_set_url: Some(url.to_owned()),
        ..new(&credential(1, owner))
    };
    store.issue_credential(with_url, about(1)).await.unwrap();
    let without = new(&credential(2, owner));
    store.issue_credential(without, about(2)).await.unwrap();
    let changes = store.changes_after((0, ChainHash::START)).await.unwrap();
    let urls = changes.unwrap().into_iter().map(|change| change.key_url);
    let urls: Vec<_> = urls.collect();
    assert_eq!(urls, [None, Some(url.to_owned()), None]);
}

pub async fn a_log_that_does_not_go_on_is_noticed(fixture: &Fixture) {
    let store = &fixture.store;
    let start = (0, ChainHash::START);
    assert_eq!(store.changes_after(start).await.unwrap(), Some(vec![]));
    for number in 1..=3 {
        let event = AuditEvent {
            at: at(number),
            ..event()
        };
        store.append_audit(event).await.unwrap();
    }
    let log = fixture.audit_log().await;
    let [first, second, third] = [0, 1, 2].map(|index| (log[index].seq, log[index].hash));
    let other = ChainHash([7; 32]);
    for (place, changes) in [
        (start, Some(3)),
        (first, Some(2)),
        (third, Some(0)),
        // Another entry has its number: another log, be it as long or longer.
        ((first.0, other), None),
        ((third.0, second.1), None),
        // It is gone, and maybe nothing has come since.
        ((4, other), None),
        ((400, third.1), None),
    ] {
        let heard = store.changes_after(place).await.unwrap();
        assert_eq!(heard.map(|changes| changes.len()), changes, "{place:?}");
    }
    store.trim_audit(second, event()).await.unwrap();
    store.delete_expired(at(100), at(100)).await.unwrap();
    for (place, changes) in [
        (start, None),
        (first, None),
        (second, None),
        (third, Some(1)),
    ] {
        let heard = store.changes_after(place).await.unwrap();
        assert_eq!(heard.map(|changes| changes.len()), changes, "{place:?}");
    }
}

pub async fn the_story_of_one_object_comes_newest_first(fixture: &Fixture) {
    let store = &fixture.store;
    for (kind, id) in [
        (ObjectKind::Credential, "a"),
        (ObjectKind::User, "a"),
        (ObjectKind::Credential, "b"),
        (ObjectKind::Credential, "a"),
        (ObjectKind::Credential, "a"),
    ] {
        let event = AuditEvent {
            object_kind: kind,
            object_id: Some(id.to_owned()),
            ..event()
        };
        store.append_audit(event).await.unwrap();
    }
    let told = async |limit| {
        let entries = store
            .list_audit_of(ObjectKind::Credential, "a".to_owned(), limit)
            .await;
        entries
            .unwrap()
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(10).await, [5, 4, 1]);
    assert_eq!(told(2).await, [5, 4]);
}

pub async fn an_event_comes_back_as_written(fixture: &Fixture) {
    let written = AuditEvent {
        at: at(123),
        actor_kind: ActorKind::Person,
        actor_id: Some("0197…".to_owned()),
        actor_epoch: None,
        actor_name: "Mära 'x' \"y\" \\".to_owned(),
        action: Action::CredentialRevoked,
        object_kind: ObjectKind::Credential,
        object_id: Some(String::new()),
        object_name: "worker".to_owned(),
        outcome: Outcome::Denied,
        address: Some("2001:db8::1".to_owned()),
        request_id: Some("req".to_owned()),
        detail: "{\"reason\": \"it  leaked\"}".to_owned(),
    };
    fixture.store.append_audit(written.clone()).await.unwrap();
    assert_eq!(fixture.audit_log().await[0].event, written);
}

pub async fn an_audit_event_cannot_be_changed_or_deleted(fixture: &Fixture) {
    fixture.add_superuser(1).await;
    let before = fixture.audit_log().await;
    let mut statements = vec![
        "UPDATE audit_events SET actor_name = 'nobody'",
        "UPDATE audit_events SET seq = 7 WHERE seq = 1",
        "DELETE FROM audit_events",
        "DELETE FROM credentials",
    ];
    if fixture.url.starts_with("postgres") {
        statements.extend(["TRUNCATE audit_events", "TRUNCATE credentials CASCADE"]);
    } else {
        statements.push(
            "REPLACE INTO audit_events SELECT seq, at, actor_kind, actor_id, 'nobody', action,
                 object_kind, object_id, object_name, outcome, address, request_id, detail, hash
             FROM audit_events",
        );
    }
    fixture
        .issue(&credential(1, person(1, Role::Superuser).id))
        .await;
    for statement in statements {
        fixture.refuses(statement, "are never").await;
    }
    let after = fixture.audit_log().await;
    assert_eq!(after[..1], before);
    assert!(
        fixture
            .store
            .find_credential(key_id(1))
            .await
            .unwrap()
            .is_some()
    );
}

/// Check 89: whoever can remove the triggers can still not hide that something is missing.
pub async fn a_lost_audit_event_is_noticed(fixture: &Fixture) {
    for _ in 0..3 {
        fixture.store.append_audit(event()).await.unwrap();
    }
    let on = if fixture.url.starts_with("postgres") {
        "ON audit_events"
    } else {
        ""
    };
    let statements = format!(
        "DROP TRIGGER audit_events_are_never_deleted {on}; DELETE FROM audit_events WHERE seq = 3"
    );
    fixture.execute(&statements).await.unwrap();
    let mut verifier = ChainVerifier::default();
    for entry in fixture.store.list_audit(0, 10).await.unwrap() {
        verifier.take(&entry).unwrap();
    }
    let head = fixture.store.audit_head().await.unwrap();
    assert_eq!(
        verifier.finish(head),
        Err(BrokenChain::Truncated {
            expected: 3,
            found: 2
        })
    );
}

pub async fn a_search_finds_by_each_filter_from_both_ends(fixture: &Fixture) {
    let store = &fixture.store;
    let by = |number: i64, name: &str, action, outcome| AuditEvent {
        at: at(number),
        actor_id: Some(format!("id-{name}")),
        actor_name: name.to_owned(),
        action,
        object_id: Some(format!("o{number}")),
        object_name: format!("object {number}"),
        outcome,
        ..event()
    };
    let (done, denied) = (Outcome::Done, Outcome::Denied);
    for event in [
        by(10, "Mara", Action::LogIn, done),
        by(20, "Jon", Action::LogIn, done),
        by(30, "Jon", Action::CredentialIssued, denied),
        by(40, "Mara", Action::CredentialIssued, done),
    ] {
        store.append_audit(event).await.unwrap();
    }
    let base = AuditQuery {
        newest_first: true,
        limit: 10,
        ..AuditQuery::default()
    };
    let id = |text: &str| Some(Named::Id(text.to_owned()));
    let name = |text: &str| Some(Named::Name(text.to_owned()));
    #[rustfmt::skip]
    let table = [
        (base.clone(), &[4, 3, 2, 1][..]),
        (AuditQuery { newest_first: false, ..base.clone() }, &[1, 2, 3, 4]),
        (AuditQuery { limit: 2, beyond: Some(4), ..base.clone() }, &[3, 2]),
        (AuditQuery { newest_first: false, beyond: Some(2), ..base.clone() }, &[3, 4]),
        (AuditQuery { actor: id("id-Jon"), ..base.clone() }, &[3, 2]),
        (AuditQuery { actor: name("Mara"), ..base.clone() }, &[4, 1]),
        (AuditQuery { object: id("o3"), ..base.clone() }, &[]),
        (AuditQuery { object: name("\0"), ..base.clone() }, &[]),
        (AuditQuery { object: id("o30"), ..base.clone() }, &[3]),
        (AuditQuery { object: name("object 20"), ..base.clone() }, &[2]),
        (AuditQuery { action: Some(Action::LogIn), actor: name("Jon"), ..base.clone() }, &[2]),
        (AuditQuery { outcome: Some(denied), ..base.clone() }, &[3]),
        (AuditQuery { from: Some(at(20)), until: Some(at(40)), ..base.clone() }, &[3, 2]),
        (AuditQuery { from: Some(at(41)), ..base.clone() }, &[]),
        (AuditQuery { until: Some(at(10)), ..base.clone() }, &[]),
    ];
    for (query, expected) in table {
        let found = store.search_audit(query.clone()).await.unwrap();
        let found: Vec<_> = found.iter().map(|entry| entry.seq).collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

/// Check 89.
pub async fn a_trimmed_log_begins_later_and_is_whole(fixture: &Fixture) {
    let store = &fixture.store;
    for number in 1..=4 {
        let event = AuditEvent {
            at: at(number),
            ..event()
        };
        store.append_audit(event).await.unwrap();
    }
    let log = fixture.audit_log().await;
    let base = |seq: usize| (log[seq - 1].seq, log[seq - 1].hash);
    let wrong = (2, log[0].hash);
    assert!(store.trim_audit(wrong, event()).await.is_err());
    assert_eq!(store.audit_base().await.unwrap(), (0, ChainHash::START));

    store.trim_audit(base(2), event()).await.unwrap();
    assert!(store.trim_audit(base(1), event()).await.is_err());
    assert_eq!(store.audit_base().await.unwrap(), base(2));
    assert_eq!(store.delete_expired(at(100), at(100)).await.unwrap(), 2);
    let left = fixture.audit_log().await;
    assert_eq!(
        left.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [3, 4, 5]
    );
    for (statement, words) in [
        ("DELETE FROM audit_events", "are never deleted"),
        ("DELETE FROM audit_base", "is never deleted"),
        ("UPDATE audit_base SET seq = 0", "is trimmed forwards"),
    ] {
        fixture.refuses(statement, words).await;
    }
}
