//! Columns as the domain's values. A value that can't be one names its table and column.

use std::str::FromStr;

use chrono::DateTime;
use domain::Instant;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Decode, Row as _, Type};

use super::{Db, Row, unavailable};
use crate::{StoreError, StoreResult};

/// A row, as far as its columns come from one table.
#[derive(Clone, Copy)]
pub(super) struct Columns<'r> {
    table: &'static str,
    row: &'r Row,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(table: &'static str, row: &'r Row) -> Self {
        Self { table, row }
    }

    /// The error for a column whose value can't be. `problem` never holds the value.
    pub(super) fn inconsistent(
        &self,
        column: &'static str,
        problem: impl std::fmt::Display,
    ) -> StoreError {
        StoreError::Inconsistent {
            table: self.table,
            column,
            problem: problem.to_string(),
        }
    }

    pub(super) fn get<T: Decode<'r, Db> + Type<Db>>(&self, column: &'static str) -> StoreResult<T> {
        self.row.try_get(column).map_err(|error| match error {
            sqlx::Error::ColumnDecode { .. } => {
                self.inconsistent(column, "it has another type than expected, or is missing")
            }
            error => error.into(),
        })
    }

    pub(super) fn parse<T>(&self, column: &'static str) -> StoreResult<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text: String = self.get(column)?;
        text.parse()
            .map_err(|problem| self.inconsistent(column, problem))
    }

    pub(super) fn parse_optional<T>(&self, column: &'static str) -> StoreResult<Option<T>>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text: Option<String> = self.get(column)?;
        let value = text.as_deref().map(str::parse).transpose();
        value.map_err(|problem| self.inconsistent(column, problem))
    }

    pub(super) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        problem: &'static str,
    ) -> StoreResult<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|_| self.inconsistent(column, problem))
    }

    /// A number that counts something, and so is not negative.
    pub(super) fn count(&self, column: &'static str) -> StoreResult<u64> {
        let number: i64 = self.get(column)?;
        u64::try_from(number).map_err(|_| self.inconsistent(column, "it is negative"))
    }

    pub(super) fn instant(&self, column: &'static str) -> StoreResult<Instant> {
        self.to_instant(column, self.get(column)?)
    }

    pub(super) fn optional_instant(&self, column: &'static str) -> StoreResult<Option<Instant>> {
        let millis: Option<i64> = self.get(column)?;
        millis
            .map(|millis| self.to_instant(column, millis))
            .transpose()
    }

    pub(super) fn hash(&self, column: &'static str) -> StoreResult<[u8; 32]> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes
            .try_into()
            .map_err(|_| self.inconsistent(column, "it is not 32 bytes long"))
    }

    fn to_instant(self, column: &'static str, millis: i64) -> StoreResult<Instant> {
        DateTime::from_timestamp_millis(millis)
            .ok_or_else(|| self.inconsistent(column, "it is not an instant"))
    }
}

/// A value as the JSON text that [`Columns::json`] reads.
pub(super) fn json(value: &impl Serialize) -> StoreResult<String> {
    serde_json::to_string(value).map_err(unavailable)
}

/// An instant as both databases keep it.
pub(super) const fn millis(at: Instant) -> i64 {
    at.timestamp_millis()
}

/// An instant that may be missing, as both databases keep it.
pub(super) fn optional_millis(at: Option<Instant>) -> Option<i64> {
    at.map(millis)
}
