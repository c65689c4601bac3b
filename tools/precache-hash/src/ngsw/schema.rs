//! Reads objects field by field and says which field of which line is wrong.
//! It knows JSON types and how to name a place; what the fields mean stands in `config.rs`.

use super::duration::{self, DurationError, Milliseconds};
use super::glob::GlobError;
use super::json::{Member, Node, Value};
use super::parse::SyntaxError;

/// A mistake in `ngsw-config.json`, shown as `14: assetGroups[0].installMode: …`; the caller puts the file in front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is no JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A field is wrong.
    #[error("{line}: {field}: {problem}")]
    Field {
        /// Line, counted from 1.
        line: u32,
        /// Path of the field, such as `assetGroups[0].name`.
        field: String,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What can be wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is required and not there.
    #[error("missing")]
    Missing,
    /// Angular knows no such field.
    #[error("unknown field, expected {expected}")]
    Unknown {
        /// The fields that are allowed here.
        expected: String,
    },
    /// Angular no longer reads it.
    #[error("no longer supported, use \"{instead}\"")]
    NoLonger {
        /// The field to use now.
        instead: &'static str,
    },
    /// The value has another type, or is none of the choices.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// What the schema allows.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// It is no duration.
    #[error("not a duration: {text:?}: {reason}")]
    Duration {
        /// The text.
        text: String,
        /// Why not.
        reason: DurationError,
    },
    /// It is no usable glob.
    #[error(transparent)]
    Glob(GlobError),
}

/// A value together with its path.
pub(crate) struct Field {
    path: String,
    node: Node,
}

/// An object whose members are taken out one after another; what is left at the end is unknown.
pub(crate) struct Object {
    path: String,
    line: u32,
    members: Vec<Member>,
    known: Vec<&'static str>,
}

impl Object {
    /// The object that the whole file must be.
    pub(crate) fn root(node: Node) -> Result<Self, ConfigError> {
        Field { path: String::new(), node }.object()
    }

    /// A field that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Field) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.known.push(name);
        let Some(position) = self.position(name) else {
            return Ok(None);
        };
        let node = self.members.remove(position).node;
        read(Field { path: self.path_of(name), node }).map(Some)
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Field) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let missing =
            ConfigError::Field { line: self.line, field: self.path_of(name), problem: Problem::Missing };
        self.optional(name, read)?.ok_or(missing)
    }

    /// Refuses a field of older versions and names its successor.
    pub(crate) fn no_longer(&self, name: &str, instead: &'static str) -> Result<(), ConfigError> {
        match self.members.iter().find(|member| member.key.as_str() == Some(name)) {
            None => Ok(()),
            Some(member) => Err(ConfigError::Field {
                line: member.line,
                field: self.path_of(name),
                problem: Problem::NoLonger { instead },
            }),
        }
    }

    /// Refuses whatever was not asked for.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        let Some(member) = self.members.iter().min_by_key(|member| member.line) else {
            return Ok(());
        };
        let names: Vec<_> = self.known.iter().map(|name| format!("\"{name}\"")).collect();
        Err(ConfigError::Field {
            line: member.line,
            field: self.path_of(&member.key.to_string()),
            problem: Problem::Unknown { expected: any_of(&names) },
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.key.as_str() == Some(name))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }
}

impl Field {
    /// A string without lone surrogates.
    pub(crate) fn text(&self) -> Result<String, ConfigError> {
        match &self.node.value {
            Value::Text(text) => match text.as_str() {
                Some(text) => Ok(text.into()),
                None => Err(self.mismatch("text", "a lone surrogate in a string".into())),
            },
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// One of a few strings.
    pub(crate) fn choice(&self, choices: &[&'static str]) -> Result<&'static str, ConfigError> {
        let names: Vec<_> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
        let Value::Text(found) = &self.node.value else {
            return Err(self.wrong_type(&any_of(&names)));
        };
        match choices.iter().find(|choice| found.as_str() == Some(choice)) {
            Some(choice) => Ok(choice),
            None => Err(self.mismatch(&any_of(&names), format!("\"{found}\""))),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.node.value {
            Value::Boolean(claim) => Ok(claim),
            _ => Err(self.wrong_type("a boolean")),
        }
    }

    /// A whole number, as JSON schema counts: `1.0` is one.
    pub(crate) fn integer(&self) -> Result<f64, ConfigError> {
        match self.node.value {
            Value::Number(number) if number.fract() == 0.0 => Ok(number),
            Value::Number(number) => Err(self.mismatch("a whole number", number.to_string())),
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    /// A duration such as `3d12h`.
    pub(crate) fn duration(&self) -> Result<Milliseconds, ConfigError> {
        let text = self.text()?;
        duration::parse_duration(&text).map_err(|reason| self.error(Problem::Duration { text, reason }))
    }

    /// A string that `read` understands as a glob.
    pub(crate) fn glob<T>(&self, read: impl FnOnce(&str) -> Result<T, GlobError>) -> Result<T, ConfigError> {
        read(&self.text()?).map_err(|reason| self.error(Problem::Glob(reason)))
    }

    /// An object, to be read field by field.
    pub(crate) fn object(self) -> Result<Object, ConfigError> {
        match self.node.value {
            Value::Object(members) => {
                Ok(Object { path: self.path, line: self.node.line, members, known: Vec::new() })
            }
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// An object that is passed on unread.
    pub(crate) fn object_node(self) -> Result<Node, ConfigError> {
        match self.node.value {
            Value::Object(_) => Ok(self.node),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// An array, each item read by `read`.
    pub(crate) fn items<T>(
        self,
        read: impl Fn(Field) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let Value::Array(items) = self.node.value else {
            return Err(self.wrong_type("an array"));
        };
        let fields = items.into_iter().enumerate();
        fields.map(|(index, node)| read(Field { path: format!("{}[{index}]", self.path), node })).collect()
    }

    /// An array of objects, each read by `read`.
    pub(crate) fn objects<T>(
        self,
        read: impl Fn(Object) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        self.items(|item| read(item.object()?))
    }

    fn wrong_type(&self, expected: &str) -> ConfigError {
        self.mismatch(expected, self.node.value.kind().into())
    }

    fn mismatch(&self, expected: &str, found: String) -> ConfigError {
        self.error(Problem::Mismatch { expected: expected.into(), found })
    }

    fn error(&self, problem: Problem) -> ConfigError {
        let field = if self.path.is_empty() { "the file" } else { &self.path };
        ConfigError::Field { line: self.node.line, field: field.into(), problem }
    }
}

fn any_of(names: &[String]) -> String {
    match names {
        [one, other] => format!("{one} or {other}"),
        _ => format!("one of {}", names.join(", ")),
    }
}
