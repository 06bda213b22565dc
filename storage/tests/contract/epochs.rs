//! What ends all that a person has open ends what is under way as well.

use domain::audit::{ActorKind, AuditEvent, Outcome};
use domain::role::Role;
use domain::user::User;
use storage::{
    Conflict, Epoch, NewSecondFactor, OwnSession, SecondFactorId, StoreError, StoreResult,
    TokenHash, TotpRow,
};

use crate::fixture::{Fixture, at, event, session, token};

const ROUNDS: u8 = 12;

fn totp() -> NewSecondFactor {
    NewSecondFactor::Totp(TotpRow {
        sealed: vec![1],
        last_step: 1,
        created_at: at(0),
    })
}

fn has_ended<T>(outcome: &StoreResult<T>) -> bool {
    matches!(outcome, Err(StoreError::Conflict(Conflict::SessionEnded)))
}

/// The session of a number, in the present epoch of its person.
async fn own(fixture: &Fixture, number: u8, user: &User) -> OwnSession {
    OwnSession {
        epoch: fixture.epoch(user).await,
        id: TokenHash([number; 32]),
    }
}

/// What a superuser, the host, a link or a provider changes.
const CHANGES: [&str; 7] = [
    "password",
    "link",
    "factors",
    "role",
    "mapped role",
    "disabled and enabled",
    "all sessions",
];

async fn change(fixture: &Fixture, user: &User, what: &str) {
    let (store, id) = (&fixture.store, user.id);
    let done = match what {
        "password" => store.set_password(id, "new".to_owned(), event()).await,
        "link" => {
            let offered = store.offer_password_link(id, token(77), event());
            offered.await.unwrap();
            let hash = token(77).hash;
            let redeemed = store.redeem_password_link(hash, at(0), "new".to_owned(), event());
            redeemed.await
        }
        "factors" => store.reset_second_factors(id, event()).await,
        "role" => store.set_role(id, Role::Support, event()).await,
        "mapped role" => {
            let epoch = fixture.epoch(user).await;
            let mapped = store.map_role(epoch, Role::Developer, event()).await;
            mapped.map(drop)
        }
        "disabled and enabled" => {
            store.disable_user(id, at(0), event()).await.unwrap();
            store.enable_user(id, event()).await
        }
        "all sessions" => store.end_sessions_of(id, Vec::new(), event()).await,
        other => panic!("{other}"),
    };
    done.unwrap();
}

/// Nothing that was captured in an epoch is of use any more.
async fn nothing_is_left_of(fixture: &Fixture, epoch: Epoch, open: u8, what: &str) {
    let (store, id) = (&fixture.store, TokenHash([open; 32]));
    assert!(!fixture.is_live(open).await, "{what}");
    let found = store.find_session_owner(id, at(0)).await.unwrap();
    assert!(found.is_none(), "{what}");
    let saved = store.save_session(id, "{}".to_owned(), at(9_000)).await;
    assert!(!saved.unwrap(), "{what}");
    let taken = store.take_session(id, at(0)).await.unwrap();
    assert!(taken.is_none(), "{what}");
    let late = store.create_session(session(200, Some(epoch))).await;
    assert!(has_ended(&late), "{what}: {late:?}");
    assert!(!fixture.is_live(200).await, "{what}");
    let noted = store.record_login(epoch, at(1), event()).await;
    assert!(has_ended(&noted), "{what}: {noted:?}");
    let mapped = store.map_role(epoch, Role::Operations, event()).await;
    assert!(has_ended(&mapped), "{what}: {mapped:?}");
    assert_eq!(store.find_user_at(epoch).await.unwrap(), None, "{what}");
    // A request that was let in before, and arrives only now.
    let by_them = |outcome| AuditEvent {
        actor_kind: ActorKind::Person,
        actor_id: Some(epoch.user().to_string()),
        actor_epoch: Some(epoch.number()),
        outcome,
        ..event()
    };
    let done = store.append_audit(by_them(Outcome::Done)).await;
    assert!(has_ended(&done), "{what}: {done:?}");
    let refused = store.append_audit(by_them(Outcome::Denied)).await;
    assert!(refused.is_ok(), "{what}: a refusal is on record");
    let link = store.find_password_link(token(78).hash, at(0)).await;
    assert_eq!(link.unwrap(), None, "{what}: a link goes on");
}

pub async fn check_95_each_change_ends_what_began_before_it(fixture: &Fixture) {
    // Somebody else stays a superuser, with a session that nothing ends.
    let jon = fixture.add_superuser(2).await;
    fixture.log_in(100, &jon).await;
    let mara = fixture.add_superuser(1).await;
    for (number, what) in (1..).zip(CHANGES) {
        let own = fixture.log_in(number, &mara).await;
        let added = fixture.store.add_second_factor(own, totp(), None, event());
        added.await.unwrap();
        let link = fixture
            .store
            .offer_password_link(mara.id, token(78), event());
        link.await.unwrap();
        let epoch = fixture.epoch(&mara).await;
        assert!(fixture.is_live(number).await);
        assert!(fixture.store.find_user_at(epoch).await.unwrap().is_some());
        change(fixture, &mara, what).await;
        nothing_is_left_of(fixture, epoch, number, what).await;
    }
    assert!(fixture.is_live(100).await, "somebody else's");
}

/// Changes of one's own, each in the session that asks.
async fn change_own(fixture: &Fixture, own: OwnSession, what: usize) -> StoreResult<()> {
    let store = &fixture.store;
    let audit: AuditEvent = event();
    match what {
        0 => {
            let (checked, new) = ("hash".to_owned(), "hash".to_owned());
            store.change_password(own, checked, new, audit).await
        }
        1 => store.add_second_factor(own, totp(), None, audit).await,
        2 => store.renew_recovery_codes(own, Vec::new(), audit).await,
        3 => {
            let factor = SecondFactorId::Totp;
            store.remove_second_factor(own, factor, false, audit).await
        }
        _ => store.end_other_sessions(own, audit).await,
    }
}

pub async fn check_95_a_change_of_ones_own_keeps_the_session_that_asks_and_no_other(
    fixture: &Fixture,
) {
    // Somebody else is a superuser, so that her role could be another.
    fixture.add_superuser(2).await;
    let mara = fixture.add_superuser(1).await;
    fixture.log_in(1, &mara).await;
    for what in 0..5 {
        let asks = own(fixture, 1, &mara).await;
        fixture.log_in(2, &mara).await;
        change_own(fixture, asks, what).await.unwrap();
        assert!(fixture.is_live(1).await, "{what}");
        let what_ended = format!("change {what}");
        nothing_is_left_of(fixture, asks.epoch, 2, &what_ended).await;
        // What began before asks in vain, and so does who has no session.
        let again = change_own(fixture, asks, what).await;
        assert!(has_ended(&again), "{what}: {again:?}");
        let nobody = own(fixture, 3, &mara).await;
        let refused = change_own(fixture, nobody, what).await;
        assert!(has_ended(&refused), "{what}: {refused:?}");
        assert!(fixture.is_live(1).await, "{what}");
    }
}

pub async fn check_95_a_change_under_way_never_undoes_a_newer_one(fixture: &Fixture) {
    let (store, mara) = (&fixture.store, fixture.add_superuser(1).await);
    let hash = async || store.find_password_hash(mara.id).await.unwrap().unwrap();
    for number in 0..ROUNDS {
        let asks = fixture.log_in(number, &mara).await;
        let (checked, reset) = (hash().await, format!("reset {number}"));
        let (changed, done) = tokio::join!(
            store.change_password(asks, checked, "own".to_owned(), event()),
            store.set_password(mara.id, reset.clone(), event())
        );
        done.unwrap();
        assert!(changed.is_ok() || has_ended(&changed), "{changed:?}");
        assert_eq!(hash().await, reset, "round {number}");
        assert!(!fixture.is_live(number).await, "round {number}");
    }
    // Another hash than was checked stays, even if nothing has ended.
    let asks = fixture.log_in(ROUNDS, &mara).await;
    let other = store.change_password(asks, "other".to_owned(), "bad".to_owned(), event());
    let other = other.await;
    assert!(has_ended(&other), "{other:?}");
    assert_ne!(hash().await, "bad");
    assert!(fixture.is_live(ROUNDS).await, "nothing was done");
}

pub async fn check_95_of_log_ins_and_a_new_password_at_once_no_session_is_left(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    for round in 0..ROUNDS {
        let epoch = fixture.epoch(&mara).await;
        let log_ins: Vec<_> = (1..=8)
            .map(|number| {
                let store = fixture.store.clone();
                tokio::spawn(async move {
                    // A log-in ends with these two.
                    store.record_login(epoch, at(1), event()).await?;
                    store.create_session(session(number, Some(epoch))).await
                })
            })
            .collect();
        let new = format!("new {round}");
        let changed = fixture.store.set_password(mara.id, new, event()).await;
        changed.unwrap();
        for one in log_ins {
            let made = one.await.unwrap();
            assert!(made.is_ok() || has_ended(&made), "{made:?}");
        }
        for number in 1..=8 {
            assert!(!fixture.is_live(number).await, "round {round}: {number}");
            let id = TokenHash([number; 32]);
            fixture.store.delete_session(id).await.unwrap();
        }
    }
}

pub async fn check_95_a_renewal_under_way_does_not_outlive_the_end_of_all_sessions(
    fixture: &Fixture,
) {
    let (store, mara) = (&fixture.store, fixture.add_superuser(1).await);
    for round in 0..ROUNDS {
        let id = fixture.log_in(1, &mara).await.id;
        let renew = async {
            let taken = store.take_session(id, at(0)).await.unwrap();
            if let Some(taken) = taken {
                let renewed = store.create_session(session(2, taken.owner)).await;
                assert!(renewed.is_ok() || has_ended(&renewed), "{renewed:?}");
            }
        };
        let ((), ended) = tokio::join!(renew, store.end_sessions_of(mara.id, Vec::new(), event()));
        ended.unwrap();
        for number in [1, 2] {
            assert!(!fixture.is_live(number).await, "round {round}: {number}");
            store.delete_session(TokenHash([number; 32])).await.unwrap();
        }
    }
}

pub async fn the_same_role_ends_nothing(fixture: &Fixture) {
    let mara = fixture.add_superuser(1).await;
    fixture.log_in(1, &mara).await;
    let same = fixture.store.set_role(mara.id, Role::Superuser, event());
    same.await.unwrap();
    assert!(fixture.is_live(1).await);
}
