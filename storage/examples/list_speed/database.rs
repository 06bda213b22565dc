//! The database beside the store: rows in bulk, and what a server does to keep house.

use std::fmt;

use domain::audit::{AuditEvent, ChainHash};
use domain::user::User;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use self::Kind::{Bytes, Number, Text};
use crate::Result;

/// How many rows go into one statement.
const ROWS_AT_ONCE: usize = 5000;

/// A connection of our own.
pub enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// What a column holds. Bytes come in hexadecimal.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
}

const USERS: &[(&str, Kind)] = &[
    ("id", Text),
    ("email", Text),
    ("name", Text),
    ("name_key", Text),
    ("role", Text),
    ("password_hash", Text),
    ("disabled_at", Number),
    ("created_at", Number),
    ("last_login_at", Number),
];

const SESSIONS: &[(&str, Kind)] = &[
    ("id", Bytes),
    ("user_id", Text),
    ("data", Text),
    ("created_at", Number),
    ("idle_until", Number),
    ("absolute_until", Number),
];

const AUDIT_EVENTS: &[(&str, Kind)] = &[
    ("seq", Number),
    ("at", Number),
    ("actor_kind", Text),
    ("actor_id", Text),
    ("actor_name", Text),
    ("action", Text),
    ("object_kind", Text),
    ("object_id", Text),
    ("object_name", Text),
    ("outcome", Text),
    ("address", Text),
    ("request_id", Text),
    ("detail", Text),
    ("hash", Bytes),
];

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        })
    }
}

impl Database {
    /// Connects to what the store has migrated.
    pub async fn connect(url: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            return Ok(Self::Postgres(PgConnection::connect(url).await?));
        }
        let mut database = Self::Sqlite(SqliteConnection::connect(url).await?);
        // Enough for a big transaction: what does not fit is written again and again.
        database.run("PRAGMA cache_size = -1000000").await?;
        Ok(database)
    }

    /// What PostgreSQL does by itself after a while.
    pub async fn keep_house(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.run("VACUUM ANALYZE").await,
        }
    }

    /// Adds people, of whom the audit log says nothing yet. No password fits theirs; those who have come
    /// in have a session.
    pub async fn add_people(&mut self, people: &[User]) -> Result<()> {
        let rows = people.iter().map(|user| {
            json!([
                user.id,
                user.email,
                user.name,
                user.name.as_str().to_lowercase(),
                user.role,
                user.last_login_at.map(|_| "none"),
                user.disabled_at.map(|at| at.timestamp_millis()),
                user.created_at.timestamp_millis(),
                user.last_login_at.map(|at| at.timestamp_millis()),
            ])
        });
        self.insert("users", USERS, rows).await?;
        let sessions = people.iter().enumerate().filter_map(|(number, user)| {
            let at = user.last_login_at?.timestamp_millis();
            Some(json!([format!("{number:064x}"), user.id, "{}", at, at, at]))
        });
        self.insert("sessions", SESSIONS, sessions).await
    }

    /// Disables one person in ten, whatever they own.
    pub async fn disable_some_people(&mut self) -> Result<()> {
        self.run("UPDATE users SET disabled_at = created_at WHERE email LIKE '%9@example.com'")
            .await
    }

    /// Chains events to the head of the log, in one transaction.
    pub async fn add_events(
        &mut self,
        (mut seq, mut hash): (i64, ChainHash),
        events: impl Iterator<Item = AuditEvent>,
    ) -> Result<()> {
        let rows = events.map(|event| {
            seq += 1;
            hash = hash.after(seq, &event);
            json!([
                seq,
                event.at.timestamp_millis(),
                event.actor_kind,
                event.actor_id,
                event.actor_name,
                event.action,
                event.object_kind,
                event.object_id,
                event.object_name,
                event.outcome,
                event.address,
                event.request_id,
                event.detail,
                hash.to_string(),
            ])
        });
        self.run("BEGIN").await?;
        self.insert("audit_events", AUDIT_EVENTS, rows).await?;
        self.run(
            "UPDATE audit_head SET (seq, hash) =
                 (SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1)",
        )
        .await?;
        self.run("COMMIT").await
    }

    async fn run(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlx::raw_sql(sql).execute(db).await.map(drop),
            Self::Postgres(db) => sqlx::raw_sql(sql).execute(db).await.map(drop),
        }?;
        Ok(())
    }

    /// Inserts rows, each of them a JSON array with a value for each column.
    async fn insert(
        &mut self,
        table: &str,
        columns: &[(&str, Kind)],
        mut rows: impl Iterator<Item = Value>,
    ) -> Result<()> {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(at, (_, kind))| self.value(at, *kind))
            .collect();
        let source = match self {
            Self::Sqlite(_) => "json_each($1)",
            Self::Postgres(_) => "json_array_elements($1::json)",
        };
        let sql = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {source}",
            names.join(", "),
            values.join(", ")
        );
        loop {
            let some: Vec<_> = rows.by_ref().take(ROWS_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            let some = Value::Array(some).to_string();
            let sql = AssertSqlSafe(sql.as_str());
            match self {
                Self::Sqlite(db) => sqlx::query(sql).bind(some).execute(db).await.map(drop),
                Self::Postgres(db) => sqlx::query(sql).bind(some).execute(db).await.map(drop),
            }?;
        }
    }

    /// The value at a place of a row, in SQL.
    fn value(&self, at: usize, kind: Kind) -> String {
        let text = format!("value->>{at}");
        match (self, kind) {
            (_, Text) | (Self::Sqlite(_), Number) => text,
            (Self::Postgres(_), Number) => format!("({text})::bigint"),
            (Self::Sqlite(_), Bytes) => format!("unhex({text})"),
            (Self::Postgres(_), Bytes) => format!("decode({text}, 'hex')"),
        }
    }
}
