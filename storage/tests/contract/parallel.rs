//! Many writers at once, and writers that go away.

use std::time::Duration;

use domain::credential::Credential;
use storage::{Conflict, CredentialUse, Epoch, LastUse, SharedStore, StoreError};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, at, credential, event, key_id, new, session};

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
