//! Tags: put on, taken off, and deleted when nobody can want them any more, as they outlive what
//! they were on.
//!
//! A tag that is deleted is taken off everything, also off a droplet that a create makes at that
//! moment with this tag among others. So only those are deleted that no create can name any more:
//! the tag that one create alone has named, of a random key or of one call under a caller's own,
//! after all of its droplets were destroyed here; and the end of a lease that was over long ago.
//! Tags of callers' own keys may come again, owners are shared, and other tags are not spuff's:
//! they stay.
//!
//! A caller's own key is told from a random one by the tag of its call beside it. That goes first,
//! while lists still show the droplet: what a droplet carries is not believed any more after its
//! end, and who has not ended it deletes nothing.

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
use crate::provider::shared::validate;
use crate::provider::{ProviderInstance, labels};

/// How much longer a destroy may take for this.
const TIDYING: Duration = Duration::from_secs(5);
/// So many requests must be left to the account, of the 250 in a minute: nobody waits for this.
const LEFT: u32 = 125;
/// How long after the end of a lease no create or renewal names it any more: longer than clocks
/// differ.
const LONG_OVER: TimeDelta = TimeDelta::days(1);
/// How often the tags of leases are looked through.
const SELDOM: Duration = Duration::from_secs(3600);
/// How long a droplet is remembered that lists do not show: they lag.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What droplets carry of tags that outlive them, as far as this provider has seen.
#[derive(Debug, Default)]
pub(super) struct Worn(Mutex<Wearers>);

#[derive(Debug, Default)]
struct Wearers {
    droplets: HashMap<String, Wearer>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Wearer {
    /// That one create alone has named.
    tag: Option<String>,
    leased: bool,
    ended: bool,
    seen: Instant,
}

impl Worn {
    fn wearers(&self) -> MutexGuard<'_, Wearers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a droplet carries.
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

    /// Notes what all droplets carry, and forgets those that are gone.
    pub(super) fn note_all(&self, listed: &[ProviderInstance]) {
        listed.iter().for_each(|instance| self.note(&instance.id, &instance.labels));
        let ids: HashSet<_> = listed.iter().map(|instance| instance.id.as_str()).collect();
        self.wearers()
            .droplets
            .retain(|id, wearer| ids.contains(id.as_str()) || wearer.seen.elapsed() < REMEMBERED);
    }

    /// Notes that a droplet was destroyed. Tells the tag that nobody else is known to carry, and
    /// whether it was leased.
    fn end(&self, id: &str) -> (Option<String>, bool) {
        let mut wearers = self.wearers();
        let Some(wearer) = wearers.droplets.get_mut(id) else { return (None, false) };
        wearer.ended = true;
        let (tag, leased) = (wearer.tag.clone(), wearer.leased);
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
    /// Puts tags on a snapshot, which cannot be done in the call that makes it, or on a droplet.
    pub(super) async fn tag(
        &self,
        (operation, errand): (&'static str, &Errand),
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
                    // A tag that is there already is refused as invalid.
                    Ok(_)
                    | Err(ProviderError::InvalidConfig { .. } | ProviderError::Conflict { .. }) => {
                    }
                    Err(error) => return Err(error),
                }
                Ok(self.http.told(&call, Reply::no_content).await?)
            };
            match put().await {
                // The tag may be what is not there: somebody has deleted it meanwhile. Made twice,
                // it is not.
                Err(ProviderError::NotFound { .. }) => put().await?,
                done => done?,
            }
        }
        Ok(())
    }

    /// Takes tags off a droplet. One that is gone is off.
    pub(super) async fn untag(
        &self,
        errand: &Errand,
        id: &str,
        tags: impl Iterator<Item = &String>,
    ) -> ProviderResult<()> {
        for tag in tags {
            let path = format!("/v2/tags/{tag}/resources");
            let call = Call::new("set_labels", Class::Idempotent, Method::DELETE, path)
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

    /// After a destroy, deletes tags that nobody can want any more: as far as the account's pace
    /// has room for it, for a short time, and whether or not it succeeds.
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
        // What is not done then is left.
        let _ = tokio::time::timeout(TIDYING, work).await;
    }

    /// The droplets of one batch share it.
    async fn delete_worn(&self, tag: &str) -> Option<()> {
        let call = Call::get("destroy_instance", "/v2/droplets")
            .query("tag_name", tag)
            .query("per_page", PER_PAGE.to_string());
        let carriers: List<Droplet> = self.http.spare(&call, LEFT).await?.json().ok()?;
        let all_ended = carriers.is_last()
            && carriers.into_items().iter().all(|droplet| self.worn.has_ended(droplet.id));
        if all_ended { self.delete_tag(tag).await } else { None }
    }

    /// Ends of leases that were over long ago, and that nothing carries any more.
    async fn delete_old_leases(&self) -> Option<()> {
        for page in 1_usize.. {
            let call =
                Call::get("destroy_instance", "/v2/tags").query("per_page", PER_PAGE.to_string());
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
        let call = Call::delete("destroy_instance", format!("/v2/tags/{name}"));
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
