//! Where values come from: the defaults, the file, the environment, which goes before both.

use domain::nearest::nearest;
use toml::{Table, Value};

use super::ConfigError;
use super::settings::{Kind, SETTINGS, Setting};

pub(super) fn defaults() -> Table {
    let mut table = Table::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| !setting.default.is_empty())
    {
        if let Some(value) = setting.default_value() {
            put(&mut table, setting.key, value);
        }
    }
    for section in SETTINGS
        .iter()
        .filter_map(|setting| setting.key.split_once('.'))
    {
        table
            .entry(section.0)
            .or_insert_with(|| Value::Table(Table::new()));
    }
    table
}

pub(super) fn flatten(table: Table) -> Vec<(String, Value)> {
    table
        .into_iter()
        .flat_map(|(key, value)| match value {
            Value::Table(inner) => flatten(inner)
                .into_iter()
                .map(|(name, value)| (format!("{key}.{name}"), value))
                .collect(),
            value => vec![(key, value)],
        })
        .collect()
}

pub(super) fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, key)) => {
            if let Value::Table(inner) = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()))
            {
                put(inner, key, value);
            }
        }
    }
}

/// The setting and value of an environment variable; nothing for variables of others.
pub(super) fn from_variable(
    name: &str,
    text: String,
) -> Result<Option<(&'static Setting, Value)>, ConfigError> {
    // Kubernetes describes a service named keyrack in these; the tests' own begin with KEYRACK_TEST.
    let foreign = ["KEYRACK_SERVICE_", "KEYRACK_PORT", "KEYRACK_TEST_"];
    if !name.starts_with("KEYRACK_") || foreign.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(None);
    }
    let (setting, text) = if let Some(setting) = SETTINGS.iter().find(|s| s.variable() == name) {
        (setting, text)
    } else {
        let from_file = name.strip_suffix("_FILE").and_then(|name| {
            SETTINGS.iter().find(|s| {
                s.variable() == name && (s.kind == Kind::Secret || s.key == "database_url")
            })
        });
        let Some(setting) = from_file else {
            let near = nearest(name, SETTINGS.iter().map(Setting::variable));
            return Err(ConfigError::Unknown(name.to_owned(), near));
        };
        let text = std::fs::read_to_string(&text)
            .map_err(|error| ConfigError::File(text.into(), error.to_string()))?;
        (setting, text.trim_end_matches(['\r', '\n']).to_owned())
    };
    if text.is_empty() {
        return Ok(None);
    }
    let value =
        match setting.kind {
            Kind::Text | Kind::Secret => Value::String(text),
            Kind::Tables => {
                let text = "set this in the configuration file".to_owned();
                return Err(ConfigError::Value(name.to_owned(), text));
            }
            Kind::Number => Value::Integer(text.parse().map_err(|_| {
                ConfigError::Value(name.to_owned(), "use a whole number".to_owned())
            })?),
            Kind::Switch => Value::Boolean(text.parse().map_err(|_| {
                ConfigError::Value(name.to_owned(), "use true or false".to_owned())
            })?),
            Kind::List => Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(Value::from)
                    .collect(),
            ),
        };
    Ok(Some((setting, value)))
}
