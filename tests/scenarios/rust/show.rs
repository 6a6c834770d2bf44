//! What is printed: an outcome in one line, and a list in a line for each item.

use std::collections::HashMap;

use spuff_core::provider::{ErrorParts, ProviderError, ProviderInstance, Snapshot};

use super::Stage;

impl Stage {
    pub(crate) fn machine(&self, machine: &ProviderInstance, with_state: bool) -> String {
        let ProviderInstance { name, region, size, labels, .. } = machine;
        let state = if with_state {
            format!(" status={} ready={}", machine.status, machine.is_ready())
        } else {
            String::new()
        };
        format!(
            "ok id={} name={name} region={region} size={size}{state} {}",
            self.show_id(&machine.id),
            show_labels(labels)
        )
    }

    pub(crate) fn snapshot(&self, snapshot: &Snapshot) -> String {
        format!("id={} name={}", self.show_id(&snapshot.id), snapshot.name)
    }

    pub(crate) fn error(&self, error: &ErrorParts) -> String {
        let mut told = format!("error kind={}", error.kind.name());
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                told.push_str(&format!(" {name}={value}"));
            }
        };
        add("provider", error.provider.clone());
        add("status", error.status.map(|status| status.to_string()));
        add("code", error.code.clone());
        add("retryable", Some(error.retryable.to_string()));
        add("field", error.field.clone());
        add("resource_type", error.resource_type.clone());
        add("feature", error.feature.clone());
        add(
            "operation",
            error
                .operation
                .as_ref()
                .map(|operation| operation.split(' ').next().unwrap_or_default().to_string()),
        );
        add("key", error.key.as_ref().map(|_| "yes".to_string()));
        add(
            "candidates",
            (!error.candidates.is_empty()).then(|| error.candidates.len().to_string()),
        );
        add("instance", error.instance_id.as_ref().map(|id| self.show_id(id)));
        add("exists", error.instance_exists.map(|exists| exists.to_string()));
        told
    }
}

pub(crate) fn kind_of(error: &ProviderError) -> &'static str {
    error.kind().name()
}

pub(crate) fn lines(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.map(|item| format!("\n  {item}")).collect();
    items.sort();
    format!("ok count={}{}", items.len(), items.concat())
}

pub(crate) fn show_labels(labels: &HashMap<String, String>) -> String {
    let hidden = ["spuff-key", "spuff-digest", "spuff-expires"];
    let show = |(key, value): (&String, &String)| {
        format!("{key}:{}", if hidden.contains(&key.as_str()) { "*" } else { value })
    };
    let mut shown: Vec<String> = labels.iter().map(show).collect();
    shown.sort();
    format!("labels={}", shown.join(","))
}
