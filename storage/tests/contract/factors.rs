//! Second factors and recovery codes.

use domain::role::Role;
use domain::user::User;
use storage::{
    Conflict, NewSecondFactor, OwnSession, PasskeyRow, SecondFactorId, SecretHash, StoreError,
    StoreResult, TokenHash, TotpRow,
};

use crate::fixture::{Fixture, at, event, person, refused_event};

fn totp(step: i64) -> TotpRow {
    TotpRow {
        sealed: vec![1, 2, 3],
        last_step: step,
        created_at: at(5),
    }
}

fn passkey(id: &str) -> PasskeyRow {
    PasskeyRow {
        id: id.to_owned(),
        name: "Phone \"%_\\".to_owned(),
        state: "{\"counter\":1}".to_owned(),
        created_at: at(7),
        last_used_at: None,
    }
}

fn codes(numbers: &[u8]) -> Vec<SecretHash> {
    numbers.iter().map(|n| SecretHash([*n; 32])).collect()
}

/// A person with both kinds of factors and two recovery codes.
async fn mara(fixture: &Fixture) -> User {
    let mara = fixture.add_superuser(1).await;
    fixture.log_in(OWN, &mara).await;
    let app = NewSecondFactor::Totp(totp(100));
    let added = add(fixture, &mara, app, Some(codes(&[1, 2]))).await;
    added.unwrap();
    let key = NewSecondFactor::Passkey(passkey("k1"));
    add(fixture, &mara, key, None).await.unwrap();
    mara
}

/// The number of the session in which people change their factors.
const OWN: u8 = 99;

async fn own(fixture: &Fixture, user: &User) -> OwnSession {
    OwnSession {
        epoch: fixture.epoch(user).await,
        id: TokenHash([OWN; 32]),
    }
}

async fn add(
    fixture: &Fixture,
    user: &User,
    factor: NewSecondFactor,
    codes: Option<Vec<SecretHash>>,
) -> StoreResult<()> {
    let own = own(fixture, user).await;
    let added = fixture.store.add_second_factor(own, factor, codes, event());
    added.await
}

fn is(outcome: &StoreResult<()>, conflict: &Conflict) -> bool {
    matches!(outcome, Err(StoreError::Conflict(found)) if found == conflict)
}

pub async fn second_factors_are_found_as_added(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = mara(fixture).await;
    let found = store.find_second_factors(mara.id).await.unwrap();
    assert_eq!(found.totp, Some(totp(100)));
    assert_eq!(found.passkeys, [passkey("k1")]);
    assert_eq!(found.recovery_codes, 2);

    let again = NewSecondFactor::Passkey(passkey("k1"));
    let taken = add(fixture, &mara, again, None).await;
    assert!(is(&taken, &Conflict::PasskeyTaken), "{taken:?}");
    let other = NewSecondFactor::Totp(totp(7));
    let added = add(fixture, &mara, other, Some(codes(&[3]))).await;
    added.unwrap();
    let found = store.find_second_factors(mara.id).await.unwrap();
    assert_eq!((found.totp, found.recovery_codes), (Some(totp(7)), 1));

    let used = store.use_passkey(mara.id, "k1".to_owned(), "{}".to_owned(), at(9));
    assert!(used.await.unwrap());
    let found = store.find_second_factors(mara.id).await.unwrap();
    let key = &found.passkeys[0];
    assert_eq!((key.state.as_str(), key.last_used_at), ("{}", Some(at(9))));
    let liam = person(2, Role::Support).id;
    let foreign = store.use_passkey(liam, "k1".to_owned(), "{}".to_owned(), at(9));
    assert!(!foreign.await.unwrap());
    assert!(store.find_second_factors(liam).await.unwrap().is_empty());

    let record = store.find_person(mara.id, at(0)).await.unwrap().unwrap();
    assert!(record.has_second_factor);
    for number in 2..=20 {
        let key = NewSecondFactor::Passkey(passkey(&format!("k{number}")));
        add(fixture, &mara, key, None).await.unwrap();
    }
    let key = NewSecondFactor::Passkey(passkey("one too many"));
    let many = add(fixture, &mara, key, None).await;
    assert!(is(&many, &Conflict::TooManyPasskeys), "{many:?}");
}

pub async fn a_step_is_used_once_and_never_an_older_one(fixture: &Fixture) {
    let mara = mara(fixture).await;
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let store = fixture.store.clone();
            tokio::spawn(async move { store.use_totp_step(mara.id, 101).await.unwrap() })
        })
        .collect();
    let mut used = 0;
    for one in tries {
        used += u32::from(one.await.unwrap());
    }
    assert_eq!(used, 1);
    let store = &fixture.store;
    assert!(!store.use_totp_step(mara.id, 100).await.unwrap());
    assert!(store.use_totp_step(mara.id, 103).await.unwrap());
    assert!(!store.use_totp_step(mara.id, 102).await.unwrap());
    let nobody = person(9, Role::Support).id;
    assert!(!store.use_totp_step(nobody, 200).await.unwrap());
}

pub async fn a_recovery_code_is_used_once_and_audited(fixture: &Fixture) {
    let mara = mara(fixture).await;
    let before = fixture.audit_log().await.len();
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let (store, code) = (fixture.store.clone(), SecretHash([1; 32]));
            tokio::spawn(async move { store.use_recovery_code(mara.id, code, event()).await })
        })
        .collect();
    let mut used = 0;
    for one in tries {
        used += u32::from(one.await.unwrap().unwrap());
    }
    assert_eq!(used, 1);
    assert_eq!(fixture.audit_log().await.len(), before + 1);
    let store = &fixture.store;
    let liam = fixture.add_superuser(2).await;
    for (user, code) in [(mara.id, 9), (liam.id, 2)] {
        let code = SecretHash([code; 32]);
        assert!(!store.use_recovery_code(user, code, event()).await.unwrap());
    }
    let left = store.find_second_factors(mara.id).await.unwrap();
    assert_eq!(left.recovery_codes, 1);

    let new = codes(&[1, 2, 3]);
    let own = own(fixture, &mara).await;
    store
        .renew_recovery_codes(own, new.clone(), event())
        .await
        .unwrap();
    let left = store.find_second_factors(mara.id).await.unwrap();
    assert_eq!(left.recovery_codes, 3);
    let liams = fixture.log_in(1, &liam).await;
    let none = store.renew_recovery_codes(liams, new, event()).await;
    assert!(matches!(none, Err(StoreError::NotFound("second factor"))));
}

pub async fn the_last_factor_takes_the_recovery_codes_along(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = mara(fixture).await;
    let remove = async |factor: SecondFactorId, keep_one: bool| {
        let own = own(fixture, &mara).await;
        let removed = store.remove_second_factor(own, factor, keep_one, event());
        removed.await
    };
    let unknown = remove(SecondFactorId::Passkey("k9".to_owned()), false).await;
    assert!(matches!(
        unknown,
        Err(StoreError::NotFound("second factor"))
    ));
    remove(SecondFactorId::Totp, true).await.unwrap();
    let left = store.find_second_factors(mara.id).await.unwrap();
    assert_eq!((left.totp.is_none(), left.recovery_codes), (true, 2));
    let key = || SecondFactorId::Passkey("k1".to_owned());
    let last = remove(key(), true).await;
    assert!(is(&last, &Conflict::LastSecondFactor), "{last:?}");
    remove(key(), false).await.unwrap();
    let left = store.find_second_factors(mara.id).await.unwrap();
    assert!(left.is_empty() && left.recovery_codes == 0);
}

pub async fn of_two_parallel_removals_one_factor_stays_where_one_must(fixture: &Fixture) {
    let mara = mara(fixture).await;
    let own = own(fixture, &mara).await;
    let tries: Vec<_> = [
        SecondFactorId::Totp,
        SecondFactorId::Passkey("k1".to_owned()),
    ]
    .into_iter()
    .map(|factor| {
        let store = fixture.store.clone();
        tokio::spawn(async move { store.remove_second_factor(own, factor, true, event()).await })
    })
    .collect();
    let mut done = 0;
    for one in tries {
        done += u32::from(one.await.unwrap().is_ok());
    }
    assert_eq!(done, 1);
    let left = fixture.store.find_second_factors(mara.id).await.unwrap();
    assert!(!left.is_empty());
}

pub async fn a_change_of_factors_ends_other_sessions(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = mara(fixture).await;
    let left = async || {
        let rows = store.list_sessions_of(mara.id, at(0)).await.unwrap();
        rows.iter().map(|row| row.id.0[0]).collect::<Vec<_>>()
    };
    fixture.log_in(1, &mara).await;
    let app = NewSecondFactor::Totp(totp(1));
    add(fixture, &mara, app, None).await.unwrap();
    assert_eq!(left().await, [OWN]);
    fixture.log_in(1, &mara).await;
    let asks = own(fixture, &mara).await;
    store
        .renew_recovery_codes(asks, codes(&[7]), event())
        .await
        .unwrap();
    assert_eq!(left().await, [OWN]);
    fixture.log_in(1, &mara).await;
    let asks = own(fixture, &mara).await;
    store
        .remove_second_factor(asks, SecondFactorId::Totp, false, event())
        .await
        .unwrap();
    assert_eq!(left().await, [OWN]);
    store.reset_second_factors(mara.id, event()).await.unwrap();
    assert!(left().await.is_empty());
}

pub async fn a_reset_takes_everything_away(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = mara(fixture).await;
    store.reset_second_factors(mara.id, event()).await.unwrap();
    let left = store.find_second_factors(mara.id).await.unwrap();
    assert!(left.is_empty() && left.recovery_codes == 0);
    let record = store.find_person(mara.id, at(0)).await.unwrap().unwrap();
    assert!(!record.has_second_factor);
    let again = store.reset_second_factors(mara.id, event()).await;
    assert!(matches!(again, Err(StoreError::NotFound("second factor"))));
}

pub async fn an_event_that_is_refused_leaves_the_factors(fixture: &Fixture) {
    let store = &fixture.store;
    let mara = mara(fixture).await;
    let before = format!("{:?}", store.find_second_factors(mara.id).await.unwrap());
    let (id, bad) = (mara.id, refused_event);
    let own = own(fixture, &mara).await;
    let app = NewSecondFactor::Totp(totp(1));
    let added = store.add_second_factor(own, app, Some(codes(&[])), bad());
    assert!(added.await.is_err());
    let removed = store.remove_second_factor(own, SecondFactorId::Totp, false, bad());
    assert!(removed.await.is_err());
    assert!(store.reset_second_factors(id, bad()).await.is_err());
    let renewed = store.renew_recovery_codes(own, Vec::new(), bad());
    assert!(renewed.await.is_err());
    let used = store.use_recovery_code(id, SecretHash([1; 32]), bad());
    assert!(used.await.is_err());
    let after = format!("{:?}", store.find_second_factors(mara.id).await.unwrap());
    assert_eq!(before, after);
}
