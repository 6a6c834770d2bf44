//! SSH keys of the project.

use serde_json::json;

use super::super::account::{Account, Key as SshKey, fingerprint};
use super::super::backend::{Answer, Asked};
use super::super::clock::Moment;
use super::super::fault::Effects;
use super::input::{self, Input};
use super::list::{self, Key};
use super::{Hetzner, Outcome, refusal, reply, show};

/// The keys that every project starts with.
const FIRST: [(&str, &str); 2] = [
    (
        "laptop",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYpf8L/bT//4m2Ie7/YOBY27BC9OqSgAsT+uIFmozfj \
         laptop@example",
    ),
    (
        "ci",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjwUW1xf0LHrKx8Au1/Oz7oYxifURahNv8Sfwy+Vqjn \
         ci@example",
    ),
];

pub(super) fn upload_first(account: &mut Account, now: Moment) {
    for (name, public_key) in FIRST {
        add(
            account,
            name.to_string(),
            public_key.to_string(),
            fingerprint(public_key).unwrap_or_default(),
            now,
        );
    }
}

fn add(
    account: &mut Account,
    name: String,
    public_key: String,
    fingerprint: String,
    created: Moment,
) -> u64 {
    let id = account.next_id();
    account.keys.push(SshKey { id, name, fingerprint, public_key, created });
    id
}

impl Hetzner {
    pub(super) fn list_keys(&self, asked: &Asked<'_>, effects: Effects) -> Outcome {
        let selector = input::selector(asked)?;
        let name = asked.param("name");
        let print = asked.param("fingerprint");
        let mut keys: Vec<&SshKey> = self.account.keys.iter().collect();
        keys.retain(|key| {
            let labels = self.key_labels.get(&key.id).cloned().unwrap_or_default();
            name.as_ref().is_none_or(|name| key.name == **name)
                && print.as_ref().is_none_or(|print| key.fingerprint == **print)
                && selector.as_ref().is_none_or(|selector| selector.matches(&labels))
        });
        list::sort(asked, &mut keys, |key, field| match field {
            "id" => Some(Key::Number(key.id.cast_signed())),
            "name" => Some(Key::Text(key.name.clone())),
            _ => None,
        })?;
        let (page, meta) = list::page(asked, keys, effects)?;
        let keys: Vec<_> = page.into_iter().map(|key| self.show_key(key)).collect();
        Ok(reply(200, &json!({"ssh_keys": keys, "meta": meta})))
    }

    pub(super) fn create_key(&mut self, asked: &Asked<'_>, now: Moment) -> Outcome {
        let mut input = Input::read(asked)?;
        let name = input.required_text("name");
        let public_key = input.required_text("public_key");
        let labels = input.labels();
        let print = fingerprint(&public_key);
        if name.is_empty() && !input.is_wrong("name") {
            input.complain("name", "must not be empty");
        }
        if print.is_none() && !input.is_wrong("public_key") {
            input.complain("public_key", "is not a valid SSH public key");
        }
        input.check()?;
        let print = print.unwrap_or_default();
        self.check_unique(None, &name, &print)?;
        let id = add(&mut self.account, name, public_key, print, now);
        if let Some(labels) = labels {
            self.key_labels.insert(id, labels);
        }
        Ok(reply(201, &json!({"ssh_key": self.show_key(self.find(id)?)})))
    }

    pub(super) fn get_key(&self, id: &str) -> Outcome {
        Ok(reply(200, &json!({"ssh_key": self.show_key(self.find_key(id)?)})))
    }

    pub(super) fn update_key(&mut self, asked: &Asked<'_>, id: &str) -> Outcome {
        let id = self.find_key(id)?.id;
        let mut input = Input::read(asked)?;
        let name = input.text("name").filter(|name| !name.is_empty());
        let labels = input.labels();
        input.check()?;
        if let Some(name) = name {
            self.check_unique(Some(id), &name, "")?;
            if let Some(key) = self.account.keys.iter_mut().find(|key| key.id == id) {
                key.name = name;
            }
        }
        if let Some(labels) = labels {
            self.key_labels.insert(id, labels);
        }
        Ok(reply(200, &json!({"ssh_key": self.show_key(self.find(id)?)})))
    }

    /// Servers created with the key keep it.
    pub(super) fn delete_key(&mut self, id: &str) -> Outcome {
        let id = self.find_key(id)?.id;
        self.account.keys.retain(|key| key.id != id);
        self.key_labels.remove(&id);
        Ok(Answer::new(204, ""))
    }

    fn check_unique(&self, id: Option<u64>, name: &str, print: &str) -> Result<(), Answer> {
        for key in self.account.keys.iter().filter(|key| Some(key.id) != id) {
            if key.name == name {
                return Err(refusal::not_unique("SSH key name is already used", "name"));
            }
            if key.fingerprint == print {
                return Err(refusal::not_unique(
                    "SSH key with the same fingerprint already exists",
                    "public_key",
                ));
            }
        }
        Ok(())
    }

    fn find_key(&self, id: &str) -> Result<&SshKey, Answer> {
        self.find(input::number(id).ok_or_else(|| refusal::not_found("SSH key"))?)
    }

    fn find(&self, id: u64) -> Result<&SshKey, Answer> {
        let found = self.account.keys.iter().find(|key| key.id == id);
        found.ok_or_else(|| refusal::not_found(&format!("SSH key with ID '{id}'")))
    }

    fn show_key<'a>(&self, key: &'a SshKey) -> show::SshKey<'a> {
        show::SshKey::new(key, self.key_labels.get(&key.id))
    }
}
