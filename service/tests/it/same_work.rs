//! Who is on the team is not told by how much is done for an address: what takes the time on a slow disk
//! is a commit, which waits for it, and there are as many for everybody (check 55).

use std::path::Path;

use service::{AddPerson, PasswordLogIn, RequestFacts, ServiceError, Settings, SsoSettings};

use crate::harness::{PASSWORD, Team, open_with, settings};

/// How many transactions the log of a SQLite database holds: the last page of each says how large the
/// database is then (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
fn commits(database: &Path) -> usize {
    let wal = std::fs::read(database.with_extension("db-wal")).unwrap();
    let (header, frames) = wal.split_at(32);
    let page = u32::from_be_bytes(header[8..12].try_into().unwrap());
    let frame = usize::try_from(page).unwrap() + 24;
    let ends_one = |frame: &&[u8]| frame[4..8] != [0; 4] && frame[8..16] == header[16..24];
    frames.chunks_exact(frame).filter(ends_one).count()
}

const WRONG: &str = "not the password";
const LOCKED: &str = "lock@example.com";
/// With another password than the right one, where there is one.
const ADDRESSES: [(&str, &str); 6] = [
    ("mara@example.com", WRONG),
    ("nobody@example.com", WRONG),
    ("gone@example.com", PASSWORD),
    // By single sign-on only.
    ("away@example.com", PASSWORD),
    // Invited, with no password yet.
    ("soon@example.com", WRONG),
    (LOCKED, PASSWORD),
];

async fn team(database: &Path) -> Team {
    let team = Team::at(&format!("sqlite://{}", database.display())).await;
    let only = ["mara@example.com", LOCKED].map(|email| email.parse().unwrap());
    let settings = Settings {
        sso: SsoSettings {
            passwords: PasswordLogIn::Only(only.into()),
            ..SsoSettings::default()
        },
        ..settings()
    };
    let services = open_with(team.store.clone(), team.clock.clone(), settings).await;
    let team = Team { services, ..team };
    let gone = team.add("Somebody", "gone@example.com", "support").await;
    let disabled = team.services.disable_person(&team.host, gone.id);
    disabled.await.unwrap();
    team.add("Somebody", "away@example.com", "support").await;
    team.add("Somebody", LOCKED, "superuser").await;
    let soon = AddPerson {
        name: "Somebody".to_owned(),
        email: "soon@example.com".to_owned(),
        role: "support".to_owned(),
    };
    team.services.add_person(&team.host, &soon).await.unwrap();
    for _ in 0..100 {
        team.wrong_password(LOCKED).await;
    }
    team
}

#[tokio::test]
async fn check_55_every_failed_log_in_is_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("keyrack.db");
    let team = team(&database).await;
    for (email, password) in ADDRESSES {
        let before = commits(&database);
        let facts = RequestFacts::default();
        let tried = team.services.log_in(email, password, &facts).await;
        assert!(matches!(tried, Err(ServiceError::WrongLogin)), "{email}");
        assert_eq!(commits(&database) - before, 1, "{email}");
    }
}

#[tokio::test]
async fn check_55_every_forgotten_password_is_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("keyrack.db");
    let team = team(&database).await;
    for (email, _) in ADDRESSES {
        let before = commits(&database);
        let facts = RequestFacts::default();
        let link = team.services.reset_link(email, &facts).await.unwrap();
        let may = matches!(email, "mara@example.com" | LOCKED);
        assert_eq!(link.is_some(), may, "{email}");
        assert_eq!(commits(&database) - before, 1, "{email}");
    }
}
