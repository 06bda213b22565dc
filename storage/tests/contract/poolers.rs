//! Poolers before PostgreSQL, and databases that will not do: what the start finds out, and says.

use sqlx::{Connection as _, PgConnection};
use storage::{IfMissing, Location, StoreError};

use crate::fixture::{Fixture, at_server, execute_at, new_database, on_postgres, variable};

fn location(url: &str, direct: Option<&str>) -> Location {
    let location: Location = url.parse().unwrap();
    match direct {
        None => location,
        Some(direct) => location.past_pooler(direct).unwrap(),
    }
}

/// Why it does not open, or does not take its tables.
async fn refusal(location: &Location) -> String {
    let store = match storage::open(location, IfMissing::Make).await {
        Ok(store) => store,
        Err(error) => return tell(error),
    };
    match store.migrate().await {
        Ok(()) => "none".to_owned(),
        Err(error) => tell(error),
    }
}

fn tell(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(cause) => cause.to_string(),
        error => error.to_string(),
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_noticed() {
    let server = variable("KEYRACK_TEST_POSTGRES");
    let pooled = variable("KEYRACK_TEST_PGBOUNCER_TRANSACTION");
    let session = variable("KEYRACK_TEST_PGBOUNCER_SESSION");
    let (name, other) = (new_database(&server).await, new_database(&server).await);
    let at = |server: &str| at_server(server, &name);
    for (url, direct, expected) in [
        (at(&pooled), None, "set database.direct_url"),
        (at(&pooled), Some(at(&pooled)), "as well"),
        (
            at(&pooled),
            Some(at_server(&server, &other)),
            "lead to different databases",
        ),
        (at(&pooled), Some(at(&session)), "none"),
        (at(&session), None, "none"),
    ] {
        // Again, with what was left in the pooler's sessions.
        for _ in 0..2 {
            let refusal = refusal(&location(&url, direct.as_deref())).await;
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
    for name in [name, other] {
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        on_postgres(&server, &drop).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let server = variable("KEYRACK_TEST_POSTGRES");
    let name = format!("keyrack_latin_{}", std::process::id());
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    on_postgres(&server, &create).await.unwrap();
    let refusal = refusal(&location(&at_server(&server, &name), None)).await;
    assert!(
        refusal.contains("LATIN1") && refusal.contains("ENCODING 'UTF8'"),
        "{refusal}"
    );
    on_postgres(&server, &format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}

/// As PostgreSQL 15 has it: only the owner of the database may make tables in `public`.
#[tokio::test]
async fn an_account_that_may_make_no_tables_is_told_what_to_grant() {
    let server = variable("KEYRACK_TEST_POSTGRES");
    let name = new_database(&server).await;
    let url = at_server(&server, &name);
    let account = format!("{name}_guest");
    let set_up = |sql: String| {
        let url = url.clone();
        async move { execute_at(&url, &sql).await.unwrap() }
    };
    set_up(format!("CREATE ROLE {account} LOGIN PASSWORD 'guest'")).await;
    let (_, place) = url.rsplit_once('@').unwrap();
    let guest = location(&format!("postgres://{account}:guest@{place}"), None);
    let refused = refusal(&guest).await;
    assert!(
        refused.contains(&format!("GRANT CREATE ON SCHEMA public TO {account}")),
        "{refused}"
    );
    set_up(format!("GRANT CREATE ON SCHEMA public TO {account}")).await;
    let refused = refusal(&guest).await;
    assert!(refused.contains("GRANT CREATE ON DATABASE"), "{refused}");
    set_up(format!("GRANT CREATE ON DATABASE {name} TO {account}")).await;
    assert_eq!(refusal(&guest).await, "none");
    set_up(format!("DROP OWNED BY {account}; DROP ROLE {account}")).await;
    on_postgres(&server, &format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_named_where_tables_are_missing() {
    let server = variable("KEYRACK_TEST_POSTGRES");
    let name = new_database(&server).await;
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    on_postgres(&server, &read_only).await.unwrap();
    let refused = refusal(&location(&at_server(&server, &name), None)).await;
    assert!(refused.contains("takes no writes"), "{refused}");
    on_postgres(&server, &format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_server_refuses_comes_with_its_cure() {
    let server = variable("KEYRACK_TEST_POSTGRES");
    let (_, place) = server.rsplit_once('@').unwrap();
    let pooler = variable("KEYRACK_TEST_PGBOUNCER_SESSION");
    for (url, expected) in [
        (
            format!("postgres://keyrack:wrong@{place}"),
            "password or the user",
        ),
        (at_server(&server, "nowhere"), "make the database first"),
        (
            at_server(&pooler, "nowhere"),
            "an entry for it under [databases]",
        ),
        (
            format!("{pooler}?options=-c%20geqo%3Doff"),
            "leave it out of the URL",
        ),
    ] {
        let refused = refusal(&location(&url, None)).await;
        assert!(refused.contains(expected), "{url}: {refused}");
        assert!(!refused.contains("wrong@"), "{refused}");
    }
}

/// The limits hold, however the connection was made: a statement that waits for a lock gives up.
pub async fn what_holds_for_statements_holds_on_every_connection(fixture: &Fixture) {
    let mut db = PgConnection::connect(&fixture.url).await.unwrap();
    let follow = "CREATE TABLE seen (name text, value text);
        CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen SELECT name, current_setting(name)
            FROM unnest('{statement_timeout,lock_timeout,idle_in_transaction_session_timeout,
                plan_cache_mode,transaction_isolation}'::text[]) name;
            RETURN NULL;
        END $$;
        CREATE TRIGGER see AFTER INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION see();";
    sqlx::raw_sql(follow).execute(&mut db).await.unwrap();
    for _ in 0..3 {
        fixture
            .store
            .append_audit(crate::fixture::event())
            .await
            .unwrap();
    }
    let seen: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT name, value, count(*) FROM seen GROUP BY 1, 2 ORDER BY 1")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let expected = [
        ("idle_in_transaction_session_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("plan_cache_mode", "force_custom_plan"),
        ("statement_timeout", "30s"),
        ("transaction_isolation", "read committed"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned(), 3));
    assert_eq!(seen, expected);
}
