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

/// What an environment variable says.
pub(super) enum Variable {
    /// It is somebody else's, or empty.
    Nothing,
    /// The value of a setting.
    Value(&'static Setting, Value),
    /// It looks like one of ours and is not; which one it is probably meant to be.
    Unknown(Option<String>),
}

/// Reads an environment variable.
///
/// # Errors
/// A value that can't be used, or a secret's file that can't be read; the text names the variable.
pub(super) fn from_variable(name: &str, text: String) -> Result<Variable, ConfigError> {
    let Some(ours) = name.strip_prefix("KEYRACK_") else {
        return Ok(Variable::Nothing);
    };
    let problem = |problem: String| ConfigError::Value(name.to_owned(), problem);
    let named = |name: &str| SETTINGS.iter().find(|setting| setting.variable() == name);
    let (setting, text) = if let Some(setting) = named(name) {
        (setting, text)
    } else if is_service_link(name, &text) || ours.starts_with("TEST_") {
        // The tests' own begin with KEYRACK_TEST.
        return Ok(Variable::Nothing);
    } else {
        let from_file = name.strip_suffix("_FILE").and_then(named);
        let from_file = from_file.filter(|s| s.kind == Kind::Secret || s.key == "database_url");
        let Some(setting) = from_file else {
            // What all names begin with would make all of them alike.
            let known = SETTINGS.iter().map(Setting::variable);
            let known = known.map(|name| name.trim_start_matches("KEYRACK_").to_owned());
            let near = nearest(ours, known).map(|near| format!("KEYRACK_{near}"));
            return Ok(Variable::Unknown(near));
        };
        let read = std::fs::read_to_string(&text);
        let read = read.map_err(|error| problem(format!("the file {text} can't be read: {error}")));
        (setting, read?.trim_end_matches(['\r', '\n']).to_owned())
    };
    if text.is_empty() {
        return Ok(Variable::Nothing);
    }
    if setting.kind == Kind::Tables {
        return Err(problem("set this in the configuration file".to_owned()));
    }
    let value = read(setting.kind, Value::String(text)).map_err(|text| problem(text.to_owned()))?;
    Ok(Variable::Value(setting, value))
}

/// Whether Kubernetes set this variable: it describes each service of the namespace in some, after the
/// service's name, and one is likely to be called keyrack.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    let is_port = |rest: &str| {
        let parts: Vec<_> = rest.split('_').collect();
        let [port, "TCP" | "UDP" | "SCTP", end @ ..] = &parts[..] else {
            return false;
        };
        port.parse::<u16>().is_ok() && matches!(end, [] | ["PROTO" | "PORT" | "ADDR"])
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && value.contains("://")
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_port(rest))
}

/// Reads the value of a setting as people write it, in the file and in the environment alike.
///
/// # Errors
/// What would be valid. The value is not in it: it may be a secret.
pub(super) fn read(kind: Kind, value: Value) -> Result<Value, &'static str> {
    let number = "use a whole number";
    match (kind, value) {
        (Kind::Text | Kind::Secret, value @ Value::String(_))
        | (Kind::Number, value @ Value::Integer(_))
        | (Kind::Tables, value) => Ok(value),
        (Kind::Text | Kind::Secret, _) => Err("use a text between quotes"),
        (Kind::Number, Value::String(text)) => {
            text.trim().parse().map(Value::Integer).map_err(|_| number)
        }
        (Kind::Number, _) => Err(number),
        (Kind::Switch, value) => switch(&value)
            .map(Value::Boolean)
            .ok_or("use true or false"),
        (Kind::List, Value::String(text)) => list(&text),
        (Kind::List, value) => match &value {
            Value::Array(items) if items.iter().all(Value::is_str) => Ok(value),
            _ => Err("use a list of texts, such as [\"one\", \"other\"]"),
        },
    }
}

fn switch(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Boolean(value) => return Some(*value),
        Value::Integer(number) => number.to_string(),
        Value::String(text) => text.trim().to_lowercase(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A list in one text: between commas, or as a JSON array if commas are in what it lists.
fn list(text: &str) -> Result<Value, &'static str> {
    if text.trim_start().starts_with('[') {
        let items: Result<Vec<String>, _> = serde_json::from_str(text);
        let problem =
            "what begins with [ must be a JSON array of texts, such as [\"one\", \"other\"]";
        return items.map(Value::from).map_err(|_| problem);
    }
    let items = text.split(',').map(str::trim);
    let items = items.filter(|item| !item.is_empty()).map(Value::from);
    Ok(Value::Array(items.collect()))
}
