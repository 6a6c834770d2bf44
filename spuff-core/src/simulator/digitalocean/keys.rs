//! SSH keys of the account.

use serde_json::Value;

use super::super::account::{Account, Key, fingerprint};
use super::super::backend::Answer;
use super::super::clock::{Moment, delta};
use super::calls::{body, text};
use super::page::{Keyed, respond};
use super::problem::Problem;
use super::{Ask, DigitalOcean, Outcome, number, show};

/// The keys that every account starts with.
const FIRST: [(&str, &str); 2] = [
    (
        "alice@laptop",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICvYBsl/DgCvGh/DMo+nY6kmlyPI24+sT5OvcdsYbW6Q \
         alice@laptop",
    ),
    ("ci", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsViDn4qjOeibtQsWA+kOxo4P1VZf4Qp8sycp/d9wcK ci"),
];

pub(super) fn first(account: &mut Account, now: Moment) {
    // They are as old as the account, so no lag hides them.
    let created = now - chrono::TimeDelta::days(365);
    for (name, public_key) in FIRST {
        let id = account.next_id();
        let fingerprint = fingerprint(public_key).unwrap_or_default();
        account.keys.push(Key {
            id,
            name: name.to_string(),
            fingerprint,
            public_key: public_key.to_string(),
            created,
        });
    }
}

impl DigitalOcean {
    /// Resolves the keys of a create request: ids, as numbers or strings of digits, or
    /// fingerprints. A create accepts a new key only after the list lag.
    pub(super) fn keys_for(&self, given: &[Value], now: Moment) -> Result<Vec<u64>, Problem> {
        let lag = delta(self.account.timings.list_lag);
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for value in given {
            let name = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            match self
                .find_key(&name)
                .and_then(|index| self.account.keys.get(index))
                .filter(|key| key.created + lag <= now)
            {
                Some(key) => known.push(key.id),
                None => unknown.push(name),
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        Err(Problem::refused(format!(
            "{} are invalid key identifiers for Droplet creation.",
            unknown.join(", ")
        )))
    }

    /// The index of a key, by its id or fingerprint.
    fn find_key(&self, name: &str) -> Option<usize> {
        let id = number(name);
        self.account.keys.iter().position(|key| Some(key.id) == id || key.fingerprint == name)
    }

    pub(super) fn list_keys(&self, ask: &Ask<'_>) -> Outcome {
        let page = ask.page();
        let (keys, total) = page.cut(self.account.keys.iter().collect());
        Ok(page.answer("ssh_keys", (keys.into_iter().map(show::key).collect(), total)))
    }

    pub(super) fn show_key(&self, name: &str) -> Outcome {
        let key = self
            .find_key(name)
            .and_then(|index| self.account.keys.get(index))
            .ok_or_else(Problem::not_found)?;
        Ok(respond(200, &Keyed("ssh_key", show::key(key))))
    }

    pub(super) fn create_key(&mut self, ask: &Ask<'_>) -> Outcome {
        let body = body(ask.asked)?;
        let name = text(&body, "name")?.unwrap_or_default();
        let public_key = text(&body, "public_key")?.unwrap_or_default();
        if name.is_empty() {
            return Err(Problem::refused("Name can't be blank"));
        }
        let public_key = public_key.trim();
        let fingerprint = fingerprint(public_key).ok_or_else(|| {
            Problem::refused("Key invalid, key should be of the format `type key [comment]`")
        })?;
        if self.account.keys.iter().any(|key| key.fingerprint == fingerprint) {
            return Err(Problem::refused("SSH Key is already in use on your account"));
        }
        let name = name.to_string();
        let public_key = public_key.to_string();
        let key =
            Key { id: self.account.next_id(), name, fingerprint, public_key, created: ask.now };
        let answer = respond(201, &Keyed("ssh_key", show::key(&key)));
        self.account.keys.push(key);
        Ok(answer)
    }

    pub(super) fn update_key(&mut self, ask: &Ask<'_>, name: &str) -> Outcome {
        let index = self.find_key(name).ok_or_else(Problem::not_found)?;
        let body = body(ask.asked)?;
        let key = self.account.keys.get_mut(index).ok_or_else(Problem::not_found)?;
        if let Some(name) = text(&body, "name")?.filter(|name| !name.is_empty()) {
            key.name = name.to_string();
        }
        Ok(respond(200, &Keyed("ssh_key", show::key(key))))
    }

    pub(super) fn delete_key(&mut self, name: &str) -> Outcome {
        let index = self.find_key(name).ok_or_else(Problem::not_found)?;
        self.account.keys.remove(index);
        Ok(Answer::new(204, ""))
    }
}
