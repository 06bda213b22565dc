//! Many writers at once, and writers that go away.

use std::time::Duration;

use domain::audit::ChainHash;
use domain::credential::Credential;
use domain::scope::Level;
use storage::{
    Conflict, CredentialUse, Epoch, LastUse, SharedStore, StoreError, StoreResult, TokenHash,
};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, Held, at, credential, event, key_id, new, session};

const WRITERS: u8 = 32;

/// Each writer issues a credential, edits it, notes a use, and has a session.
async fn write(store: SharedStore, number: u8, epoch: Epoch) {
    let owner = epoch.user();
    let mut mine = credential(number.into(), owner);
    store.issue_credential(new(&mine), event()).await.unwrap();
    assert!(
        store
            .create_session(session(number, Some(epoch)))
            .await
            .unwrap()
    );
    mine.name = format!("edited-{number}").parse().unwrap();
    mine.updated_at = at(1);
    store
        .update_credential(mine.clone(), at(0), event())
        .await
        .unwrap();
    let last_use = LastUse {
        at: at(number.into()),
        address: "192.0.2.1".to_owned(),
        endpoint: "GET /v1/accounts".to_owned(),
    };
    // Everybody notes everybody's use: the same rows, in opposite orders.
    let mut uses: Vec<CredentialUse> = (0..WRITERS)
        .map(|other| CredentialUse {
            key_id: key_id(other.into()),
            last_use: last_use.clone(),
            public_key: None,
        })
        .collect();
    if number.is_multiple_of(2) {
        uses.reverse();
    }
    store.record_uses(uses).await.unwrap();
    let found = store.find_credential(mine.key_id).await.unwrap().unwrap();
    assert_eq!(found.credential, mine);
}

async fn write_in_parallel(fixture: &Fixture, stores: &[SharedStore]) {
    let owner = fixture.add_superuser(1).await;
    let owner = fixture.epoch(&owner).await;
    let mut writers = JoinSet::new();
    for (number, store) in (0..WRITERS).zip(stores.iter().cycle()) {
        writers.spawn(write(store.clone(), number, owner));
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let expected = u64::from(WRITERS);
    assert_eq!(
        fixture.store.count_credentials(at(0)).await.unwrap().all,
        expected
    );
    assert_eq!(
        fixture.audit_log().await.len(),
        1 + 2 * usize::from(WRITERS)
    );
    for number in 0..WRITERS {
        let found = fixture
            .store
            .find_session(session(number, None).id, at(0))
            .await
            .unwrap();
        assert_eq!(found.unwrap().owner, Some(owner));
    }
}

pub async fn check_91_thirty_two_writers_all_succeed(fixture: &Fixture) {
    write_in_parallel(fixture, std::slice::from_ref(&fixture.store)).await;
}

/// Host commands write beside the server.
pub async fn check_91_writers_of_two_processes_all_succeed(fixture: &Fixture) {
    write_in_parallel(
        fixture,
        &[fixture.store.clone(), fixture.connect_again().await],
    )
    .await;
}

pub async fn a_write_goes_on_when_its_caller_goes_away(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    let mut issue = fixture
        .store
        .issue_credential(new(&credential(1, owner)), event());
    // Looked at once, which begins it, and dropped.
    tokio::select! {
        biased;
        done = &mut issue => done.unwrap(),
        () = std::future::ready(()) => {}
    }
    drop(issue);
    for _ in 0..500 {
        if fixture
            .store
            .find_credential(key_id(1))
            .await
            .unwrap()
            .is_some()
        {
            assert_eq!(fixture.audit_log().await.len(), 2);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the credential was never issued");
}

pub async fn parallel_edits_lose_nothing(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let mut editors = JoinSet::new();
    for number in 0..8 {
        let store = fixture.store.clone();
        editors.spawn(async move {
            // Appends a letter to the name, and tries again when somebody else was faster.
            loop {
                let read = store
                    .find_credential(key_id(1))
                    .await
                    .unwrap()
                    .unwrap()
                    .credential;
                let letter = char::from(b'a' + number);
                let name = format!("{}{letter}", read.name).parse().unwrap();
                let edited = Credential {
                    name,
                    ..read.clone()
                };
                match store
                    .update_credential(edited, read.updated_at, event())
                    .await
                {
                    Ok(()) => return,
                    Err(StoreError::Conflict(Conflict::ChangedMeanwhile)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    while let Some(editor) = editors.join_next().await {
        editor.unwrap();
    }
    let name = fixture.credential(key_id(1)).await.name.to_string();
    let mut letters: Vec<char> = name.strip_prefix("worker-1").unwrap().chars().collect();
    letters.sort_unstable();
    assert_eq!(letters.iter().collect::<String>(), "abcdefgh");
}

/// So many people write at once, which are more than there are connections.
const CROWD: usize = 40;

/// Somebody who holds the end of the audit log, and a crowd that wants to write there.
async fn crowd_at_the_audit_log(fixture: &Fixture) -> (Held, JoinSet<StoreResult<()>>) {
    let held = if fixture.url.starts_with("postgres") {
        fixture
            .hold("BEGIN; SELECT seq FROM audit_head FOR UPDATE")
            .await
    } else {
        fixture.hold("BEGIN IMMEDIATE").await
    };
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let store = fixture.store.clone();
        crowd.spawn(async move { store.append_audit(event()).await });
    }
    if fixture.url.starts_with("postgres") {
        fixture.until_all_wait().await;
    }
    (held, crowd)
}

/// Reads what the gate and the feed read.
async fn read_for_the_gate(store: &SharedStore) {
    store.ping().await.unwrap();
    let live = store.find_live_credential(key_id(1)).await.unwrap();
    assert_eq!(live.unwrap().credential.key_id, key_id(1));
    read_for_the_feed(store).await;
}

/// Looks at the feed, and reads what is read anew when it breaks off.
async fn read_for_the_feed(store: &SharedStore) {
    store.list_gateways().await.unwrap();
    store.list_signing_keys().await.unwrap();
    store.list_revoked_tokens(at(0)).await.unwrap();
    let heard = store.changes_after((0, ChainHash::START)).await.unwrap();
    assert!(heard.is_some_and(|changes| !changes.is_empty()));
}

pub async fn writes_that_wait_keep_nobody_from_reading(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let (held, crowd) = crowd_at_the_audit_log(fixture).await;
    read_for_the_gate(&fixture.store).await;
    assert!(fixture.store.find_user(owner).await.unwrap().is_some());
    held.let_go().await;
    for written in crowd.join_all().await {
        written.unwrap();
    }
    assert_eq!(fixture.audit_log().await.len(), 2 + CROWD);
}

pub async fn people_who_write_keep_no_program_from_writing(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let (held, crowd) = crowd_at_the_audit_log(fixture).await;
    let store = &fixture.store;
    let id = TokenHash([1; 32]);
    let used = store.use_assertion_id(key_id(1), id, at(9000), at(0)).await;
    assert!(used.unwrap());
    let usage = vec![crate::gate::usage(1, 0, "data", Level::Read, (1, 1))];
    store.add_usage(usage).await.unwrap();
    held.let_go().await;
    for written in crowd.join_all().await {
        written.unwrap();
    }
}

pub async fn people_who_read_keep_the_gate_and_the_feed_from_nothing(fixture: &Fixture) {
    let owner = fixture.add_superuser(1).await.id;
    fixture.issue(&credential(1, owner)).await;
    let held = fixture.hold("BEGIN; LOCK TABLE sessions").await;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let store = fixture.store.clone();
        let id = session(1, None).id;
        crowd.spawn(async move { store.find_session(id, at(0)).await });
    }
    fixture.until_all_wait().await;
    read_for_the_gate(&fixture.store).await;
    held.let_go().await;
    for read in crowd.join_all().await {
        assert!(read.unwrap().is_none());
    }
}

/// All connections of the gate wait, and more look-ups for them.
pub async fn look_ups_that_wait_keep_the_feed_from_nothing(fixture: &Fixture) {
    fixture.add_superuser(1).await;
    let held = fixture.hold("BEGIN; LOCK TABLE credentials").await;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let store = fixture.store.clone();
        crowd.spawn(async move { store.find_live_credential(key_id(1)).await });
    }
    fixture.until_all_wait().await;
    // Well before the last of the crowd could have had a connection: each has it for a second.
    let reading = read_for_the_feed(&fixture.store);
    let read = tokio::time::timeout(Duration::from_secs(5), reading).await;
    read.expect("the feed waits for look-ups");
    held.let_go().await;
}
