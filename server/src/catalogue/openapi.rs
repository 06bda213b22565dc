//! The part of an OpenAPI 3 or Swagger 2 document that a catalogue can be drafted from. All else
//! in the document is skipped, not checked.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use domain::catalogue::Kind;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The largest document, in bytes.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML, with bounds for nesting and aliases.
    Yaml,
}

/// A document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    openapi: Option<Text>,
    swagger: Option<Text>,
    pub(super) info: Info,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) servers: Vec<Server>,
    /// Swagger 2 has this instead of servers.
    pub(super) base_path: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    components: Components,
    /// Swagger 2 has this instead of components.
    parameters: Option<BTreeMap<String, Lenient<Parameter>>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tags: Vec<Lenient<Tag>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) paths: Paths,
}

/// What others refer to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Components {
    path_items: Option<BTreeMap<String, PathItem>>,
    parameters: Option<BTreeMap<String, Lenient<Parameter>>>,
    schemas: Option<BTreeMap<String, Lenient<Parameter>>>,
}

/// What is skipped if it is not what we know.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Lenient<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Lenient<T> {
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Other(_) => None,
        }
    }
}

/// A parameter, or the schema of one: Swagger 2 has both in one.
#[derive(Debug, Deserialize)]
pub(super) struct Parameter {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    name: Option<String>,
    #[serde(rename = "in")]
    place: Option<String>,
    schema: Option<Box<Self>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    format: Option<String>,
    minimum: Option<f64>,
}

impl Parameter {
    /// The kind that takes just what it does, if there is one.
    fn as_kind(&self) -> Option<Kind> {
        match (self.kind.as_deref(), self.format.as_deref()) {
            (Some("string"), Some("uuid")) => Some(Kind::Uuid),
            (Some("string"), Some("date")) => Some(Kind::Date),
            (Some("integer"), _) if self.minimum.is_none_or(|minimum| minimum >= 0.0) => {
                Some(Kind::Integer)
            }
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Info {
    #[serde(default)]
    pub title: Text,
    #[serde(default)]
    pub version: Text,
}

/// A text, also where somebody wrote a number or a truth value without quotes, or nothing.
#[derive(Debug, Default)]
pub(super) struct Text(pub String);

#[derive(Debug, Deserialize)]
pub(super) struct Server {
    #[serde(default)]
    pub url: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub variables: BTreeMap<String, Variable>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    #[serde(default)]
    pub default: Text,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    pub name: Text,
    #[serde(default)]
    pub description: Text,
}

/// The path items, without the extensions beside them.
#[derive(Debug, Default)]
pub(super) struct Paths(pub BTreeMap<String, PathItem>);

#[derive(Debug, Deserialize)]
pub(super) struct PathItem {
    #[serde(rename = "$ref")]
    pub reference: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub servers: Vec<Server>,
    #[serde(default, rename = "x-internal", deserialize_with = "or_default")]
    pub internal: bool,
    parameters: Option<Vec<Lenient<Parameter>>>,
    get: Option<Operation>,
    head: Option<Operation>,
    options: Option<Operation>,
    post: Option<Operation>,
    put: Option<Operation>,
    patch: Option<Operation>,
    delete: Option<Operation>,
    trace: Option<Operation>,
    query: Option<Operation>,
}

impl PathItem {
    /// The operations and their methods, in the order of the draft.
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &Operation)> {
        [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("OPTIONS", &self.options),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("PATCH", &self.patch),
            ("DELETE", &self.delete),
            ("TRACE", &self.trace),
            ("QUERY", &self.query),
        ]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<Text>,
    #[serde(default)]
    pub summary: Text,
    #[serde(default)]
    pub description: Text,
    #[serde(default, rename = "operationId")]
    pub id: Text,
    #[serde(default, deserialize_with = "or_default")]
    pub servers: Vec<Server>,
    parameters: Option<Vec<Lenient<Parameter>>>,
    #[serde(default, deserialize_with = "or_default")]
    pub deprecated: bool,
    #[serde(default, rename = "x-internal", deserialize_with = "or_default")]
    pub internal: bool,
}

impl Document {
    /// Reads a file; its name says how it is written.
    ///
    /// # Errors
    /// No such file, too large, or not an OpenAPI document; the text says where.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display();
        let format = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Format::Json,
            Some("yaml" | "yml") => Format::Yaml,
            _ => bail!("the document {name} must be a file .json, .yaml or .yml"),
        };
        let mut text = String::new();
        std::fs::File::open(file)
            .and_then(|open| open.take(MAX_BYTES + 1).read_to_string(&mut text))
            .with_context(|| format!("the document {name} can't be read"))?;
        Self::parse(text.trim_start_matches('\u{feff}'), format)
            .with_context(|| format!("the document {name} can't be imported"))
    }

    /// The kinds of an operation's parameters by their names: what it says of one itself goes before what its
    /// path says.
    pub(super) fn kinds<'a>(
        &'a self,
        item: &'a PathItem,
        operation: &'a Operation,
    ) -> BTreeMap<&'a str, Kind> {
        let mut kinds = BTreeMap::new();
        for parameter in [&item.parameters, &operation.parameters]
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|parameter| self.resolve(parameter.known()?))
            .filter(|parameter| parameter.place.as_deref() == Some("path"))
        {
            let Some(name) = parameter.name.as_deref() else {
                continue;
            };
            let described = match parameter.schema.as_deref() {
                Some(schema) => self.resolve(schema),
                None => Some(parameter),
            };
            match described.and_then(Parameter::as_kind) {
                Some(kind) => kinds.insert(name, kind),
                None => kinds.remove(name),
            };
        }
        kinds
    }

    /// What a parameter or schema refers to in this document, or itself.
    fn resolve<'a>(&'a self, mut described: &'a Parameter) -> Option<&'a Parameter> {
        let known = [
            ("#/components/parameters/", &self.components.parameters),
            ("#/components/schemas/", &self.components.schemas),
            ("#/parameters/", &self.parameters),
        ];
        // One refers to another hardly ever, and never to itself.
        for _ in 0..8 {
            let Some(reference) = described.reference.as_deref() else {
                return Some(described);
            };
            let find =
                |(place, known): &(&str, &'a Option<BTreeMap<String, Lenient<Parameter>>>)| {
                    known.as_ref()?.get(reference.strip_prefix(place)?)?.known()
                };
            described = known.iter().find_map(find)?;
        }
        None
    }

    /// The path item that this one refers to in this document, or itself.
    pub(super) fn item<'a>(&'a self, item: &'a PathItem) -> Option<&'a PathItem> {
        let Some(reference) = item.reference.as_deref() else {
            return Some(item);
        };
        let found = if let Some(name) = reference.strip_prefix("#/components/pathItems/") {
            self.components.path_items.as_ref()?.get(name)
        } else {
            // RFC 6901 writes slashes so.
            let path = reference.strip_prefix("#/paths/")?;
            let path = path.replace("%7B", "{").replace("%7D", "}");
            self.paths
                .0
                .get(&path.replace("~1", "/").replace("~0", "~"))
        };
        found.filter(|item| item.reference.is_none())
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Too large, or not an OpenAPI document; the text says where.
    pub fn parse(text: &str, format: Format) -> anyhow::Result<Self> {
        if text.len() as u64 > MAX_BYTES {
            bail!("it is larger than {} MiB", MAX_BYTES / (1024 * 1024));
        }
        let document: Self = match format {
            Format::Json => serde_json::from_str(text)?,
            Format::Yaml => serde_saphyr::from_str_with_options(text, limits())
                // Its source says the same again.
                .map_err(|error| anyhow!("{error}"))?,
        };
        let version = document.openapi.as_ref().or(document.swagger.as_ref());
        match version.map(|version| version.0.split('.').next()) {
            Some(Some("2" | "3")) => Ok(document),
            Some(_) => bail!("its version is neither OpenAPI 3 nor Swagger 2"),
            None => bail!("it has neither openapi nor swagger, so it is not an OpenAPI document"),
        }
    }
}

/// Room for 32 MiB of real document. What an alias stands for is read again at each, so a small
/// file with many of them could fill the memory; hardly any document has one.
fn limits() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 12_000_000,
            max_events: 30_000_000,
            max_documents: 1,
            max_aliases: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
    }
}

/// The value, or for `null` what there is without one.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Whole(i64),
            Number(f64),
            Truth(bool),
            Other(IgnoredAny),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Whole(number) => number.to_string(),
            Written::Number(number) => format!("{number:?}"),
            Written::Truth(truth) => truth.to_string(),
            Written::Other(_) => String::new(),
        }))
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;

        impl<'de> Visitor<'de> for Items {
            type Value = Paths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("paths and their operations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Paths, A::Error> {
                let mut items = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key.starts_with("x-") {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        let item: Option<PathItem> = map.next_value()?;
                        items.extend(item.map(|item| (key, item)));
                    }
                }
                Ok(Paths(items))
            }
        }

        deserializer.deserialize_map(Items)
    }
}
