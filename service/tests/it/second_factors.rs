//! Second factors, the two steps of a log-in, and the proof that some actions need.

use chrono::TimeDelta;
use domain::audit::{Action, Outcome};
use domain::draft::CredentialDraft;
use domain::gateway::GatewayId;
use domain::limits::LimitsDraft;
use domain::recovery_code::RecoveryCode;
use domain::role::Role;
use serde_json::json;
use service::{
    Actor, CredentialChange, GatewayDraft, HalfLogIn, Invitation, LogInStep, ProofWay,
    PublicKeyDraft, RequestFacts, SecondFactorId, SecondFactorPolicy, ServiceError, ServiceResult,
    Settings,
};
use totp_rs::{Builder, Secret};

use crate::harness::{PASSWORD, Team, open_with, settings};

/// The code of an app at the team's time.
fn code(team: &Team, secret: &str) -> String {
    let secret = Secret::try_from_base32(secret.replace(' ', "")).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    let now = u64::try_from(team.services.now().timestamp()).unwrap();
    totp.generate(now).to_string()
}

/// Gives a person an authenticator app: its secret, and the recovery codes.
async fn set_up(team: &Team, actor: &Actor) -> (String, Vec<RecoveryCode>) {
    let offer = team.services.offer_totp(actor).await.unwrap();
    let code = code(team, &offer.secret);
    let codes = team.services.add_totp(actor, &offer.draft, &code).await;
    // The code is used; the next one is another.
    team.clock.advance(TimeDelta::seconds(30));
    (offer.secret, codes.unwrap())
}

fn facts() -> RequestFacts {
    RequestFacts {
        address: "192.0.2.9".parse().ok(),
        request_id: None,
    }
}

/// The first step with the right password.
async fn half(team: &Team) -> HalfLogIn {
    half_with(team, PASSWORD).await
}

async fn half_with(team: &Team, password: &str) -> HalfLogIn {
    let facts = facts();
    let step = team.services.log_in("mara@example.com", password, &facts);
    match step.await.unwrap() {
        LogInStep::Half(half) => half,
        LogInStep::Done(_) => panic!("no second factor was asked for"),
    }
}

fn is_wrong<T: std::fmt::Debug>(result: &ServiceResult<T>) -> bool {
    matches!(result, Err(ServiceError::Invalid(fields)) if fields[0].field == "proof")
}

#[tokio::test]
async fn a_second_factor_makes_a_log_in_two_steps() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let (secret, codes) = set_up(&team, &mara).await;
    assert_eq!(codes.len(), 10);

    let half = half(&team).await;
    let wrong = team.services.finish_log_in(&half, "000000", &facts()).await;
    assert!(is_wrong(&wrong), "{wrong:?}");
    let right = code(&team, &secret);
    let user = team.services.finish_log_in(&half, &right, &facts()).await;
    assert_eq!(user.unwrap().user.id, team.mara.id);
    let replayed = team.services.finish_log_in(&half, &right, &facts()).await;
    assert!(is_wrong(&replayed), "a code works once: {replayed:?}");
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let log_ins = log
        .iter()
        .filter(|entry| entry.event.action == Action::LogIn);
    let outcomes: Vec<_> = log_ins.map(|entry| entry.event.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Done, Outcome::Failed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_log_ins_with_one_code_one_succeeds() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let (secret, codes) = set_up(&team, &mara).await;
    let half = half(&team).await;
    for typed in [code(&team, &secret), codes[0].grouped()] {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let (services, half, typed) = (team.services.clone(), half.clone(), typed.clone());
                tokio::spawn(async move {
                    services
                        .finish_log_in(&half, &typed, &facts())
                        .await
                        .is_ok()
                })
            })
            .collect();
        let mut passed = 0;
        for one in tries {
            passed += u32::from(one.await.unwrap());
        }
        assert_eq!(passed, 1);
        team.clock.advance(TimeDelta::minutes(1));
    }
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_however_it_is_written() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let (_, codes) = set_up(&team, &mara).await;
    let half = half(&team).await;
    let written = format!(" {} ", codes[3].grouped().to_lowercase());
    let first = team.services.finish_log_in(&half, &written, &facts()).await;
    assert!(first.is_ok(), "{first:?}");
    let again = team.services.finish_log_in(&half, &written, &facts()).await;
    assert!(is_wrong(&again));
    let own = team.services.second_factors(&mara).await.unwrap();
    assert_eq!(own.recovery_codes, 9);

    let mara = team.log_in(team.mara.id).await;
    let new = team.services.renew_recovery_codes(&mara).await.unwrap();
    let half = self::half(&team).await;
    let old = codes[4].grouped();
    let old = team.services.finish_log_in(&half, &old, &facts()).await;
    assert!(is_wrong(&old));
    let new = new[0].grouped();
    let new = team.services.finish_log_in(&half, &new, &facts()).await;
    assert!(new.is_ok());
}

#[tokio::test]
async fn check_61_codes_are_guessed_ten_times_an_hour_and_no_more() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let (secret, _) = set_up(&team, &mara).await;
    let half = half(&team).await;
    for _ in 0..10 {
        let wrong = team.services.finish_log_in(&half, "000000", &facts()).await;
        assert!(is_wrong(&wrong));
    }
    let right = code(&team, &secret);
    let tried = team.services.finish_log_in(&half, &right, &facts()).await;
    assert!(
        matches!(tried, Err(ServiceError::Throttled(_))),
        "{tried:?}"
    );
    // The confirmation counts together with the log-in.
    let tried = team.services.prove(&mara, &right).await;
    assert!(
        matches!(tried, Err(ServiceError::Throttled(_))),
        "{tried:?}"
    );
}

#[tokio::test]
async fn check_95_a_half_log_in_ends_with_time_and_with_the_persons_sessions() {
    let team = Team::new().await;
    team.add("Ines Roth", "ines@example.com", "superuser").await;
    let mara = team.log_in(team.mara.id).await;
    let (secret, _) = set_up(&team, &mara).await;
    let ended = async |half: &HalfLogIn| {
        let code = code(&team, &secret);
        let tried = team.services.finish_log_in(half, &code, &facts()).await;
        matches!(tried, Err(ServiceError::LogInEnded))
    };
    let late = half(&team).await;
    team.clock.advance(TimeDelta::minutes(10));
    assert!(ended(&late).await, "too late");

    let disabled = half(&team).await;
    let (host, id) = (&team.host, team.mara.id);
    team.services.disable_person(host, id).await.unwrap();
    assert!(ended(&disabled).await, "disabled");
    team.services.enable_person(host, id).await.unwrap();

    let changed = half(&team).await;
    let new = "otters count nine kettles";
    let user = team.mara.clone();
    team.services
        .reset_password(host, &user, new)
        .await
        .unwrap();
    assert!(ended(&changed).await, "another password");

    let half_way = half_with(&team, new).await;
    let id = team.mara.id;
    team.services.end_other_sessions(host, id).await.unwrap();
    assert!(ended(&half_way).await, "all sessions");
    let half_way = half_with(&team, new).await;
    let support = Role::Support;
    team.services.set_role(host, id, support).await.unwrap();
    assert!(ended(&half_way).await, "another role");
    let half_way = half_with(&team, new).await;
    let mara = team.log_in(id).await;
    let renewed = team.services.renew_recovery_codes(&mara).await;
    renewed.unwrap();
    assert!(ended(&half_way).await, "other recovery codes");
}

#[tokio::test]
async fn what_is_kept_of_second_factors_is_of_no_use_to_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyrack.db");
    let team = Team::at(&format!("sqlite://{}", path.display())).await;
    let mara = team.log_in(team.mara.id).await;
    let (secret, codes) = set_up(&team, &mara).await;
    let shown = format!("{:?}", team.services.offer_totp(&mara).await.unwrap());
    assert_eq!(shown, "TotpOffer(…)");
    let bytes = Secret::try_from_base32(secret.replace(' ', "")).unwrap();
    let mut canaries = vec![
        bytes.as_bytes().to_vec(),
        secret.replace(' ', "").into_bytes(),
    ];
    for code in &codes {
        canaries.extend([code.expose().into(), code.grouped().into_bytes()]);
    }
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let mut kept = format!("{log:?}").into_bytes();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        kept.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    for canary in canaries {
        let found = kept.windows(canary.len()).any(|part| part == canary);
        assert!(!found, "{}", String::from_utf8_lossy(&canary));
    }
}

#[tokio::test]
async fn a_sealed_secret_opens_in_the_row_of_its_person_only() {
    let team = Team::new().await;
    let ines = team.add("Ines Roth", "ines@example.com", "support").await;
    let (mara, ines) = (team.log_in(team.mara.id).await, team.log_in(ines.id).await);
    let offer = team.services.offer_totp(&mara).await.unwrap();
    let right = code(&team, &offer.secret);
    let stolen = team.services.add_totp(&ines, &offer.draft, &right).await;
    assert!(
        matches!(stolen, Err(ServiceError::Invalid(_))),
        "{stolen:?}"
    );
    team.clock.advance(TimeDelta::minutes(14));
    let wrong = team.services.add_totp(&mara, &offer.draft, "000000").await;
    assert!(matches!(wrong, Err(ServiceError::Invalid(_))));
    team.clock.advance(TimeDelta::minutes(1));
    let mara = team.log_in(team.mara.id).await;
    let right = code(&team, &offer.secret);
    let late = team.services.add_totp(&mara, &offer.draft, &right).await;
    assert!(matches!(late, Err(ServiceError::Invalid(_))), "{late:?}");
}

/// Tries an action of the table in each way that there is.
async fn tries(team: &Team, actor: &Actor, action: Action) -> Vec<ServiceResult<()>> {
    let (services, mara) = (&team.services, team.mara.id);
    let nobody = "KRAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let gateway = GatewayId(uuid::Uuid::nil());
    let draft = GatewayDraft::default();
    let done = |result: ServiceResult<()>| vec![result];
    match action {
        Action::UserAdded => {
            let (one, several) = (service::AddPerson::default(), Invitation::default());
            vec![
                services.add_person(actor, &one).await.map(drop),
                services.invite_people(actor, &several).await.map(drop),
            ]
        }
        Action::UserRoleChanged => done(services.set_role(actor, mara, Role::Superuser).await),
        Action::UserChanged => {
            let changed = services.change_person(actor, mara, "Mara", "mara@example.com");
            done(changed.await.map(drop))
        }
        Action::UserEnabled => done(services.enable_person(actor, mara).await),
        Action::IdentityLinked => done(services.link_identity(actor, mara, "header", "").await),
        Action::PasswordResetOffered => {
            done(services.offer_password_link(actor, mara).await.map(drop))
        }
        Action::SecondFactorAdded => vec![
            services.offer_totp(actor).await.map(drop),
            services.add_totp(actor, "x", "x").await.map(drop),
        ],
        Action::SecondFactorRemoved => {
            let factor = SecondFactorId::Totp;
            done(services.remove_second_factor(actor, factor).await)
        }
        Action::SecondFactorReset => done(services.reset_second_factors(actor, mara).await),
        Action::RecoveryCodesRenewed => done(services.renew_recovery_codes(actor).await.map(drop)),
        Action::CredentialIssued => {
            let draft = CredentialDraft::default();
            let issued = services.issue_credential(actor, &draft, None).await;
            done(issued.map(drop))
        }
        Action::CredentialEdited => {
            let change = CredentialChange {
                draft: CredentialDraft::default(),
                read: services.now(),
            };
            let given = services.give_credentials(actor, mara, None, mara).await;
            let edited = services.edit_credential(actor, nobody, &change).await;
            vec![edited.map(drop), given.map(drop)]
        }
        Action::CredentialEnabled => done(
            services
                .enable_credential(actor, nobody, "")
                .await
                .map(drop),
        ),
        Action::PublicKeyAdded => {
            let key = PublicKeyDraft::default();
            let added = services.add_public_keys(actor, nobody, &key).await;
            done(added.map(drop))
        }
        Action::KeyUrlSet => done(services.set_key_url(actor, nobody, "x").await),
        Action::LimitsChanged => {
            let (limits, read) = (LimitsDraft::default(), services.now());
            let limited = services.limit_credential(actor, nobody, &limits, read);
            done(limited.await.map(drop))
        }
        Action::GatewayAdded => done(services.add_gateway(actor, &draft).await.map(drop)),
        Action::GatewayEdited => done(
            services
                .edit_gateway(actor, gateway, &draft)
                .await
                .map(drop),
        ),
        Action::GatewayTokenReplaced => {
            let replaced = services.replace_gateway_token(actor, gateway).await;
            done(replaced.map(drop))
        }
        Action::GatewayRemoved => done(services.remove_gateway(actor, gateway).await),
        Action::SigningKeyCompromised => {
            let ended = services.end_signing_key(actor, "nobody", "leaked").await;
            done(ended.map(drop))
        }
        other => panic!("{other} needs a proof and is not tried here"),
    }
}

#[tokio::test]
async fn each_action_of_the_table_is_refused_with_a_stale_proof_and_only_then() {
    let team = Team::new().await;
    let actions: Vec<_> = Action::ALL.iter().filter(|one| one.needs_proof()).collect();
    assert!(actions.len() >= 19, "{actions:?}");
    let stale = team.log_in(team.mara.id).await;
    team.clock.advance(TimeDelta::minutes(15));
    let never = team.log_in_by(team.mara.id, json!("password"), None).await;
    let before = team.store.audit_head().await.unwrap().0;
    for &&action in &actions {
        for actor in [&stale, &never] {
            for tried in tries(&team, actor, action).await {
                let needed = matches!(tried, Err(ServiceError::ProofNeeded));
                assert!(needed, "{action}: {tried:?}");
            }
        }
    }
    // Nothing was done, and nothing had to be written down.
    assert_eq!(team.store.audit_head().await.unwrap().0, before);

    let fresh = team.log_in(team.mara.id).await;
    team.clock.advance(TimeDelta::seconds(15 * 60 - 1));
    for &&action in &actions {
        for tried in tries(&team, &fresh, action).await {
            let needed = matches!(tried, Err(ServiceError::ProofNeeded));
            assert!(!needed, "{action}");
        }
    }
}

#[tokio::test]
async fn stopping_things_never_waits_for_a_proof() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let issued = team.issue("client_secret", &[("accounts", "read")]).await;
    let key_id = issued.credential.key_id;
    let stale = team.log_in(team.mara.id).await;
    team.clock.advance(TimeDelta::minutes(40));
    let services = &team.services;
    services.end_other_sessions(&stale, jonas.id).await.unwrap();
    services.disable_person(&stale, jonas.id).await.unwrap();
    let disabled = services.disable_credential(&stale, key_id, "leaked");
    disabled.await.unwrap();
    let revoked = services.revoke_credential(&stale, key_id, "").await;
    revoked.unwrap();
}

#[tokio::test]
async fn a_proof_is_the_password_without_a_second_factor_and_a_code_with_one() {
    let team = Team::new().await;
    let mara = team.log_in(team.mara.id).await;
    let services = &team.services;
    assert_eq!(services.proof_way(&mara).await.unwrap(), ProofWay::Password);
    assert!(is_wrong(&services.prove(&mara, "wrong").await));
    services.prove(&mara, PASSWORD).await.unwrap();

    let (secret, _) = set_up(&team, &mara).await;
    let mara = team.next_request(&mara).await.unwrap();
    let way = services.proof_way(&mara).await.unwrap();
    assert_eq!(way, ProofWay::SecondFactor { passkey: false });
    assert!(is_wrong(&services.prove(&mara, PASSWORD).await));
    services.prove(&mara, &code(&team, &secret)).await.unwrap();
    let log = team.store.list_audit(0, 1_000).await.unwrap();
    let proven = log
        .iter()
        .filter(|entry| entry.event.action == Action::Proven);
    assert_eq!(proven.count(), 4);
}

#[tokio::test]
async fn a_proxy_vouches_for_each_request_and_a_provider_that_is_gone_for_none() {
    let team = Team::new().await;
    let (mara, services) = (team.mara.id, &team.services);
    let by_header = team.log_in_by(mara, json!("header"), None).await;
    team.clock.advance(TimeDelta::minutes(30));
    let link = services.offer_password_link(&by_header, mara).await;
    assert!(link.is_ok(), "{link:?}");
    let method = json!({ "sso": { "provider": "gone" } });
    let by_sso = team.log_in_by(mara, method, None).await;
    assert_eq!(services.proof_way(&by_sso).await.unwrap(), ProofWay::LogIn);
    let tried = services.prove(&by_sso, PASSWORD).await;
    assert!(matches!(tried, Err(ServiceError::ProofNeeded)), "{tried:?}");
}

#[tokio::test]
async fn a_demotion_in_between_wins_over_a_proof() {
    let team = Team::new().await;
    let ines = team.add("Ines Roth", "ines@example.com", "superuser").await;
    let actor = team.log_in(ines.id).await;
    team.services.prove(&actor, PASSWORD).await.unwrap();
    let (host, support) = (&team.host, Role::Support);
    team.services
        .set_role(host, ines.id, support)
        .await
        .unwrap();
    let again = team.log_in(ines.id).await;
    let tried = team.services.set_role(&again, ines.id, Role::Superuser);
    assert!(matches!(tried.await, Err(ServiceError::Denied(_))));
}

#[tokio::test]
async fn a_superuser_who_must_have_a_second_factor_makes_one_before_anything_else() {
    let team = Team::new().await;
    let strict = Settings {
        second_factor: SecondFactorPolicy::Superusers,
        ..settings()
    };
    let services = open_with(team.store.clone(), team.clock.clone(), strict).await;
    let team = Team { services, ..team };
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let jonas = team.log_in(jonas.id).await;
    assert!(!jonas.person().unwrap().lacks_second_factor);
    let mara = team.log_in(team.mara.id).await;
    assert!(mara.person().unwrap().lacks_second_factor);
    let seen = team.services.count_credentials(&mara).await;
    assert!(matches!(seen, Err(ServiceError::Denied(_))), "{seen:?}");
    let by_header = team.log_in_by(team.mara.id, json!("header"), None).await;
    assert!(!by_header.person().unwrap().lacks_second_factor);

    set_up(&team, &mara).await;
    let mara = team.log_in(team.mara.id).await;
    assert!(team.services.count_credentials(&mara).await.is_ok());
    let last = team
        .services
        .remove_second_factor(&mara, SecondFactorId::Totp);
    let last = last.await;
    assert!(matches!(last, Err(ServiceError::Conflict(_))), "{last:?}");
}

#[tokio::test]
async fn a_reset_is_for_superusers_and_the_host_and_ends_sessions() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let there = team.log_in(jonas.id).await;
    set_up(&team, &there).await;
    let (services, id) = (&team.services, jonas.id);
    let denied = services.reset_second_factors(&there, id).await;
    assert!(matches!(denied, Err(ServiceError::Denied(_))));
    let mara = team.log_in(team.mara.id).await;
    services.reset_second_factors(&mara, id).await.unwrap();
    assert!(services.sessions_of(&mara, id).await.unwrap().is_empty());
    let facts = facts();
    let step = services.log_in("jonas@example.com", PASSWORD, &facts);
    assert!(matches!(step.await.unwrap(), LogInStep::Done(_)));

    set_up(&team, &team.log_in(id).await).await;
    services.reset_second_factors(&team.host, id).await.unwrap();
    let none = services.reset_second_factors(&team.host, id).await;
    assert!(matches!(none, Err(ServiceError::NotFound("second factor"))));
}

#[tokio::test]
async fn a_kept_form_comes_back_to_its_sender_once_and_sealed() {
    let team = Team::new().await;
    let jonas = team.add("Jonas Lind", "jonas@example.com", "support").await;
    let (mara, jonas) = (team.log_in(team.mara.id).await, team.log_in(jonas.id).await);
    let form = service::KeptForm {
        action: "/credentials/new".to_owned(),
        fields: vec![("name".to_owned(), "canary & \r\n ünd".to_owned())],
    };
    let services = &team.services;
    let token = services.keep_form(&mara, &form).await.unwrap();
    let row = team.store.find_session(token.hash(), services.now()).await;
    assert!(!row.unwrap().unwrap().data.contains("canary"));
    let back = services.take_form(&mara, token.expose()).await.unwrap();
    assert_eq!(back, Some(form.clone()));
    let again = services.take_form(&mara, token.expose()).await.unwrap();
    assert_eq!(again, None);
    let token = services.keep_form(&mara, &form).await.unwrap();
    let stolen = services.take_form(&jonas, token.expose()).await.unwrap();
    assert_eq!(stolen, None);
    let token = services.keep_form(&mara, &form).await.unwrap();
    team.clock.advance(TimeDelta::minutes(10));
    let late = services.take_form(&mara, token.expose()).await.unwrap();
    assert_eq!(late, None);
}
