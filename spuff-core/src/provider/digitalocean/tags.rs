//! Adds and removes tags, and deletes tags that no create can use again: tags outlive their
//! droplets.
//!
//! Deleting a tag removes it from every resource, including a droplet that a concurrent create
//! makes with this tag. So only tags that no create can name again are deleted: the tag of one
//! create (of a random key, or of one call under a caller's own key), after all its droplets were
//! destroyed here, and the end of a lease that expired long ago. Tags of callers' own keys may be
//! used again, owners are shared, and other tags are not spuff's: they stay.
//!
//! The tag of its call beside it distinguishes a caller's own key from a random one. That tag
//! disappears first, while lists still show the droplet. Therefore tags read from an ended droplet
//! are ignored, and a client that has not ended the droplet deletes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use http::Method;
use tokio::time::Instant;

use super::wire::{CreateTag, Droplet, List, PER_PAGE, Tag, TagReply, TagResources};
use super::{DigitalOceanProvider, convert};
use crate::clock;
use crate::create;
use crate::http::{Call, Class, Errand, NumberedPage, Reply};
use crate::lease;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;
use crate::provider::{ProviderInstance, labels};

/// The extra time that a destroy may spend on this cleanup.
const TIDYING: Duration = Duration::from_secs(5);
/// The requests of the 250 in a minute that must stay available: no caller waits for this cleanup.
const LEFT: u32 = 125;
/// This long after its end, no create or renewal names a lease. Longer than clocks differ.
const LONG_OVER: TimeDelta = TimeDelta::days(1);
/// The minimum time between two scans of the lease tags.
const SELDOM: Duration = Duration::from_secs(3600);
/// How long to remember a droplet that lists do not show: they lag.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The tags of droplets that outlive them, as far as this provider has seen.
#[derive(Debug, Default)]
pub(super) struct Worn(Mutex<Wearers>);

#[derive(Debug, Default)]
struct Wearers {
    droplets: HashMap<String, Wearer>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Wearer {
    /// The tag that only one create has named.
    tag: Option<String>,
    leased: bool,
    ended: bool,
    seen: Instant,
}

impl Worn {
    fn wearers(&self) -> MutexGuard<'_, Wearers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a droplet's tags.
    pub(super) fn note(&self, id: &str, labels: &HashMap<String, String>) {
        let tag = create::label_of_one(labels).map(|(key, value)| convert::tag(key, value));
        let leased = labels.contains_key(labels::EXPIRES_AT);
        if tag.is_none() && !leased {
            return;
        }
        let mut wearers = self.wearers();
        if wearers.droplets.get(id).is_some_and(|wearer| wearer.ended) {
            return;
        }
        let new = || Wearer { tag: None, leased: false, ended: false, seen: Instant::now() };
        let wearer = wearers.droplets.entry(id.to_string()).or_insert_with(new);
        wearer.tag = tag.or(wearer.tag.take());
        wearer.leased |= leased;
    }

    /// Notes the tags of all droplets, and forgets droplets that are gone.
    pub(super) fn note_all(&self, listed: &[ProviderInstance]) {
        listed.iter().for_each(|instance| self.note(&instance.id, &instance.labels));
        let ids: HashSet<_> = listed.iter().map(|instance| instance.id.as_str()).collect();
        self.wearers()
            .droplets
            .retain(|id, wearer| ids.contains(id.as_str()) || wearer.seen.elapsed() < REMEMBERED);
    }

    /// Notes that a droplet was destroyed. Returns the tag that no other droplet is known to carry,
    /// and whether the droplet was leased.
    fn end(&self, id: &str) -> (Option<String>, bool) {
        let mut wearers = self.wearers();
        let Some(wearer) = wearers.droplets.get_mut(id) else { return (None, false) };
        wearer.ended = true;
        let tag = wearer.tag.clone();
        let leased = wearer.leased;
        let others = wearers.droplets.values().any(|other| !other.ended && other.tag == tag);
        (tag.filter(|_| !others), leased)
    }

    fn has_ended(&self, id: u64) -> bool {
        self.wearers().droplets.get(&id.to_string()).is_some_and(|wearer| wearer.ended)
    }

    fn sweep_is_due(&self) -> bool {
        let mut wearers = self.wearers();
        let is_due = wearers.swept.is_none_or(|swept| swept.elapsed() >= SELDOM);
        if is_due {
            wearers.swept = Some(Instant::now());
        }
        is_due
    }
}

impl DigitalOceanProvider {
    /// Adds tags to a snapshot, which its create call cannot do, or to a droplet.
    pub(super) async fn tag(
        &self,
        (operation, errand): (Operation, &Errand),
        (id, kind): (&str, &'static str),
        tags: &[String],
    ) -> ProviderResult<()> {
        let resource_type = if kind == "droplet" { "instance" } else { "snapshot" };
        for name in tags {
            let tag = Call::new(operation, Class::Idempotent, Method::POST, "/v2/tags")
                .json(&CreateTag { name })?
                .within(errand);
            let path = format!("/v2/tags/{name}/resources");
            let call = Call::new(operation, Class::Idempotent, Method::POST, path)
                .json(&TagResources::of(id, kind))?;
            let call = call.about(resource_type, id).within(errand);
            let put = || async {
                match self.http.json::<TagReply>(&tag).await.map(|made| drop(made.tag)) {
                    // The API refuses an existing tag as invalid.
                    Ok(_)
                    | Err(ProviderError::InvalidConfig { .. } | ProviderError::Conflict { .. }) => {
                    }
                    Err(error) => return Err(error),
                }
                Ok(self.http.told(&call, Reply::no_content).await?)
            };
            match put().await {
                // Another client may have deleted the tag in between. The second attempt creates it
                // again.
                Err(ProviderError::NotFound { .. }) => put().await?,
                done => done?,
            }
        }
        Ok(())
    }

    /// Removes tags from a droplet. Succeeds if the tag or the droplet is gone.
    pub(super) async fn untag(
        &self,
        errand: &Errand,
        id: &str,
        tags: impl Iterator<Item = &String>,
    ) -> ProviderResult<()> {
        for tag in tags {
            let path = format!("/v2/tags/{tag}/resources");
            let call = Call::new(Operation::SetLabels, Class::Idempotent, Method::DELETE, path)
                .json(&TagResources::of(id, "droplet"))?;
            validate::absent_is_none(
                self.http
                    .told(&call.within(errand), Reply::no_content)
                    .await
                    .map_err(ProviderError::from),
            )?;
        }
        Ok(())
    }

    /// After a destroy, deletes tags that no create can use again. Uses only spare rate limit and a
    /// limited time, and ignores failures.
    pub(super) async fn tidy_after(&self, id: &str, was_there: bool) {
        let (tag, leased) = self.worn.end(id);
        let work = async {
            if let Some(tag) = tag.filter(|_| was_there) {
                self.delete_worn(&tag).await;
            }
            if leased && self.worn.sweep_is_due() {
                self.delete_old_leases().await;
            }
        };
        // Work left at the timeout is dropped.
        let _ = tokio::time::timeout(TIDYING, work).await;
    }

    /// Deletes the tag if all its droplets have ended: those of a batch share it.
    async fn delete_worn(&self, tag: &str) -> Option<()> {
        let call = Call::get(Operation::DestroyInstance, "/v2/droplets")
            .query("tag_name", tag)
            .query("per_page", PER_PAGE.to_string());
        let carriers: List<Droplet> = self.http.spare(&call, LEFT).await?.json().ok()?;
        let all_ended = carriers.is_last()
            && carriers.into_items().iter().all(|droplet| self.worn.has_ended(droplet.id));
        if all_ended { self.delete_tag(tag).await } else { None }
    }

    /// Deletes ends of leases that expired long ago and that no resource carries.
    async fn delete_old_leases(&self) -> Option<()> {
        for page in 1_usize.. {
            let call = Call::get(Operation::DestroyInstance, "/v2/tags")
                .query("per_page", PER_PAGE.to_string());
            let tags: List<Tag> =
                self.http.spare(&call.query("page", page.to_string()), LEFT).await?.json().ok()?;
            let is_last = tags.is_last();
            let before = clock::utc() - LONG_OVER;
            let is_over = |name: &str| {
                let label = convert::label(name).filter(|(key, _)| key == labels::EXPIRES_AT);
                label
                    .and_then(|label| lease::expires_at(&HashMap::from([label])))
                    .is_some_and(|end| end < before)
            };
            for tag in tags
                .into_items()
                .into_iter()
                .filter(|tag| tag.is_on_nothing() && is_over(&tag.name))
            {
                self.delete_tag(&tag.name).await?;
            }
            if is_last {
                break;
            }
        }
        Some(())
    }

    async fn delete_tag(&self, name: &str) -> Option<()> {
        let call = Call::delete(Operation::DestroyInstance, format!("/v2/tags/{name}"));
        self.http.spare(&call, LEFT).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::labels;

    fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect()
    }

    #[test]
    fn a_nonce_is_wanted_as_long_as_one_droplet_carries_it() {
        let worn = Worn::default();
        let batch = labels(&[(labels::CREATE_KEY, "abc")]);
        worn.note("1", &batch);
        worn.note("2", &batch);
        worn.note(
            "3",
            &labels(&[
                (labels::CREATE_KEY, "def"),
                (labels::REQUEST_DIGEST, "0"),
                (labels::EXPIRES_AT, "7"),
            ]),
        );
        assert_eq!(worn.end("1"), (None, false), "the other one carries it");
        worn.note("1", &batch);
        assert_eq!(
            worn.end("2"),
            (Some("spuff-key:abc".to_string()), false),
            "one that has ended may be listed for a while"
        );
        assert_eq!(worn.end("3"), (None, true), "a caller's own key may come again");
        let call = "50e8bf4cbb453f830123456789abcdef";
        worn.note("5", &labels(&[(labels::CREATE_KEY, "def"), (labels::REQUEST_DIGEST, call)]));
        assert_eq!(worn.end("5"), (Some(format!("spuff-digest:{call}")), false), "a call does not");
        worn.note("5", &labels(&[(labels::CREATE_KEY, "def")]));
        assert_eq!(
            worn.end("5").0,
            Some(format!("spuff-digest:{call}")),
            "its call was taken off before lists have caught up"
        );
        assert_eq!(worn.end("4"), (None, false));
        assert!(worn.has_ended(1) && worn.has_ended(2) && !worn.has_ended(4));
    }

    #[test]
    fn what_lists_do_not_show_is_forgotten_in_time() {
        let worn = Worn::default();
        worn.note("1", &labels(&[(labels::CREATE_KEY, "abc")]));
        worn.note_all(&[]);
        assert_eq!(worn.end("1").0.as_deref(), Some("spuff-key:abc"), "lists lag");
    }

    #[test]
    fn leases_are_looked_through_seldom() {
        let worn = Worn::default();
        assert!(worn.sweep_is_due() && !worn.sweep_is_due());
    }
}
