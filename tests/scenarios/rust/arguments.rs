//! The words of a step: `name=value`.

use std::collections::HashMap;
use std::time::Duration;

use spuff_core::blocking::CancelToken;

/// A step's arguments.
pub(crate) struct Arguments<'a>(pub(crate) Vec<(&'a str, String)>);

impl Arguments<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        self.get(name)
            .map(|value| value.parse().map_err(|error| format!("{name}: {error}")))
            .transpose()
    }

    pub(crate) fn millis(&self, name: &str, default: u64) -> Result<Duration, String> {
        Ok(Duration::from_millis(self.number(name)?.unwrap_or(default)))
    }

    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let pair = |label: &str| {
            label.split_once(':').map(|(key, value)| (key.to_string(), value.to_string()))
        };
        self.0
            .iter()
            .filter(|(name, _)| *name == "label")
            .filter_map(|(_, label)| pair(label))
            .collect()
    }

    pub(crate) fn cancel(&self) -> Result<CancelToken, String> {
        let limit = self.number("deadline")?;
        Ok(limit.map_or_else(CancelToken::new, |limit| {
            CancelToken::with_deadline(Duration::from_millis(limit))
        }))
    }
}
