//! Exactly-once creates: what came of a create is found out before anything is sent again, and a create whose caller has
//! left is brought to an end all the same.
//!
//! Stands on the pipeline's failures. Every room makes machines and snapshots through [`Create`], inside [`see_through`].

mod background;
mod batch;
mod ending;
mod follow;
mod keyed;
mod keys;
mod looking;
mod mark;
mod room;
mod under_way;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

pub(crate) use background::{Cancel, background, contained, see_through};
pub(crate) use batch::{Batch, instances, named_alike, part_of_key};
pub(crate) use ending::Ending;
pub(crate) use follow::{End, follow, still_open};
pub(crate) use keyed::{keyed, resolve_keyed, wait_for_end};
pub(crate) use keys::Keys;
pub(crate) use looking::{Answer, Looking};
pub(crate) use mark::{Mark, nonce_of, place_of_key};
pub(crate) use mark::{check_owner, expiry, label_of_one};
pub(crate) use room::{Room, is_leaving};
pub(crate) use under_way::{About, Here, Site};
pub use under_way::{Group, UnderWay, settled, under_way};

use crate::http::{Call, Deadline, Failure, HttpClient, Reply, Sight};
use crate::progress;
use crate::provider::config::OnCancel;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::provider::{Provider, ProviderInstance};
use crate::wait::Pauses;

/// What a look for something that a create may have made has shown.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// It was made.
    Ours(T),
    /// Another call has made this under the key, or something else: what this one has sent may come to light beside it.
    Others(ProviderResult<T>),
    /// These may be it; a later look will tell.
    Unsure(Vec<String>),
    /// It cannot have been made: its name, which there is once only, belongs to another.
    Taken,
    /// As `Taken`, by one of this id that is being destroyed: then the name is free.
    Leaving(String),
    Nothing,
}

impl<T> Found<T> {
    pub(crate) fn ours(found: Option<T>) -> Self {
        found.map_or(Self::Nothing, Self::Ours)
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Ours(made) => Found::Ours(change(made)),
            Self::Others(made) => Found::Others(made.map(change)),
            Self::Unsure(candidates) => Found::Unsure(candidates),
            Self::Taken => Found::Taken,
            Self::Leaving(id) => Found::Leaving(id),
            Self::Nothing => Found::Nothing,
        }
    }
}

/// What keeps a second one from being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The cloud: sent again, the same call makes nothing new, and is answered or refused for what there is.
    Cloud,
    /// Nothing but looking first, until lists that lag must have caught up.
    Looking,
}

/// How a create has come by what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The first call that may have made it was answered with it.
    Answered,
    /// Of a call that was sent here it was not known what had come.
    Recovered,
    /// Nothing that was sent here can have made it: it was there before.
    Found,
}

impl Origin {
    fn unless(self, unclear: &Option<ProviderError>) -> Self {
        if unclear.is_some() { Self::Recovered } else { self }
    }
}

/// The call that makes something, however it is sent.
pub(crate) trait Making: Send + Sync {
    type Reply: Send;

    /// The verb.
    fn operation(&self) -> &'static str;

    fn sight(&self) -> Sight;

    /// Sends it, also again where it was certainly not carried out: not when its caller has left meanwhile.
    fn send(&self, cancel: &Cancel) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// A call through the pipeline.
impl Making for (&HttpClient, Call<'_>) {
    type Reply = Reply;

    fn operation(&self) -> &'static str {
        self.1.operation
    }

    fn sight(&self) -> Sight {
        self.0.sight()
    }

    async fn send(&self, cancel: &Cancel) -> Result<Reply, Failure> {
        self.0.send_checked(&self.1, || std::future::ready(cancel.check())).await
    }
}

/// One create.
pub(crate) struct Create<'a, M> {
    pub(crate) call: M,
    pub(crate) mark: &'a Mark,
    pub(crate) guard: Guard,
    pub(crate) deadline: Deadline,
    pub(crate) cancel: &'a Cancel,
}

impl<M: Making> Create<'_, M> {
    /// Sends the call until one thing is made and known, or it is certain that none is. `read` takes a reply apart;
    /// `look` looks for what was made under the mark.
    ///
    /// # Errors
    /// That of the cloud, when it has not carried the call out; [`ProviderError::UnknownOutcome`] when that cannot be
    /// told before the deadline.
    pub(crate) async fn run<T, F>(self, read: impl Fn(&M::Reply) -> ProviderResult<T>, look: impl Fn() -> F) -> ProviderResult<T>
    where
        F: Future<Output = ProviderResult<Found<T>>> + Send,
    {
        Ok(self.make_or_find(read, look).await?.0)
    }

    /// As [`run`](Self::run), and how it was come by.
    pub(crate) async fn make_or_find<T, F>(
        self,
        read: impl Fn(&M::Reply) -> ProviderResult<T>,
        look: impl Fn() -> F,
    ) -> ProviderResult<(T, Origin)>
    where
        F: Future<Output = ProviderResult<Found<T>>> + Send,
    {
        let made = self.find_out(read, look).await;
        match &made {
            Ok(_) => self.cancel.made(),
            Err(ProviderError::UnknownOutcome { .. }) => {}
            Err(_) => self.cancel.made_nothing(),
        }
        made
    }

    async fn find_out<T, F>(
        &self,
        read: impl Fn(&M::Reply) -> ProviderResult<T>,
        look: impl Fn() -> F,
    ) -> ProviderResult<(T, Origin)>
    where
        F: Future<Output = ProviderResult<Found<T>>> + Send,
    {
        let mut pauses = Pauses::new(self.call.sight().poll_interval);
        let mut unclear: Option<ProviderError> = None;
        let mut unseen_since = None;
        loop {
            if unclear.is_none() {
                self.cancel.check()?;
            }
            let refusal = match self.send(unclear.is_some()).await {
                Ok(reply) => match read(&reply) {
                    Ok(made) => return Ok((made, Origin::Answered.unless(&unclear))),
                    Err(error) => {
                        unclear.get_or_insert(error);
                        None
                    }
                },
                Err(Failure::Unknown(error)) => {
                    unclear.get_or_insert(error);
                    None
                }
                Err(Failure::NotSent(error) | Failure::Rejected(error)) => Some(error),
            };
            let refusal = match (refusal, &unclear) {
                (Some(error), None) if self.is_busy(&error) => {
                    debug!(operation = self.call.operation(), %error, "sending again");
                    tokio::time::sleep(pauses.next(self.deadline)).await;
                    continue;
                }
                (Some(error), None) if self.is_leaving(&error, &look, &mut unseen_since).await => {
                    debug!(operation = self.call.operation(), %error, "sending again");
                    tokio::time::sleep(pauses.next(self.deadline)).await;
                    continue;
                }
                (Some(error), None) if !self.may_be_ours(&error) => return Err(error),
                (refusal, _) => refusal.filter(|error| !error.may_pass()),
            };
            debug!(operation = self.call.operation(), ?unclear, ?refusal, "finding out what came of it");
            if refusal.is_some() || self.guard == Guard::Looking || self.cancel.is_set() {
                match (self.look(&look, unclear.as_ref().or(refusal.as_ref())).await?, refusal) {
                    (Looked::Ours(made), _) => return Ok((made, Origin::Found.unless(&unclear))),
                    // The cloud says that there is one already: that none is seen contradicts it.
                    (Looked::Nothing, Some(refusal)) if self.guard == Guard::Cloud && self.contradicts(&refusal, &unclear) => {
                        return Err(self.unknown(unclear.as_ref(), &format!("; sent again, it was refused: {refusal}"), &[]));
                    }
                    (_, Some(refusal)) => return Err(refusal),
                    (_, None) if self.cancel.is_set() => return Err(Cancel::error()),
                    (_, None) => {}
                }
            }
            if self.deadline.remaining().is_zero() {
                return Err(self.unknown(unclear.as_ref(), "", &[]));
            }
            tokio::time::sleep(pauses.next(self.deadline)).await;
        }
    }

    /// The first time a request has its own time, whatever the deadline; sent again it must keep to that.
    async fn send(&self, again: bool) -> Result<M::Reply, Failure> {
        let operation = self.call.operation();
        self.cancel.sent(operation, &self.mark.key);
        let sent = if again {
            let sent = tokio::time::timeout(self.deadline.remaining(), self.call.send(self.cancel)).await;
            sent.unwrap_or_else(|_| Err(Failure::Unknown(ProviderError::timeout(operation, self.deadline.elapsed()))))
        } else {
            self.call.send(self.cancel).await
        };
        // It may have been carried out until now.
        self.cancel.sent(operation, &self.mark.key);
        sent
    }

    /// A refusal that passes by itself, of what was certainly not carried out.
    fn is_busy(&self, error: &ProviderError) -> bool {
        matches!(error, ProviderError::Conflict { retryable: true, .. }) && !self.deadline.remaining().is_zero()
    }

    /// A refusal because the name is still that of one that is being destroyed, or of one that lists do not show: for as long as
    /// they lag, that may be such a one. Under a caller's own key it may be the one that was asked for.
    async fn is_leaving<T, F>(&self, error: &ProviderError, look: impl Fn() -> F, unseen_since: &mut Option<Instant>) -> bool
    where
        F: Future<Output = ProviderResult<Found<T>>> + Send,
    {
        if !matches!(error, ProviderError::Conflict { retryable: false, .. }) || self.deadline.remaining().is_zero() {
            return false;
        }
        let state = match look().await {
            Ok(Found::Leaving(id)) => format!("its name is still that of {id}, which is being destroyed"),
            Ok(Found::Nothing) if !self.mark.is_given() => {
                if unseen_since.get_or_insert_with(Instant::now).elapsed() >= self.call.sight().settling {
                    return false;
                }
                "its name is said to be taken, and nobody is seen to have it".to_string()
            }
            _ => return false,
        };
        progress::report(self.call.operation(), &self.mark.name, &state, self.deadline.elapsed());
        true
    }

    /// A refusal because there is one already: under a caller's own key, that may be the one that was asked for.
    fn may_be_ours(&self, error: &ProviderError) -> bool {
        self.mark.is_given() && matches!(error, ProviderError::Conflict { retryable: false, .. })
    }

    /// A refusal because there is one already, which may be what an earlier attempt has made.
    fn contradicts(&self, refusal: &ProviderError, unclear: &Option<ProviderError>) -> bool {
        unclear.is_some() && matches!(refusal, ProviderError::Conflict { retryable: false, .. })
    }

    /// Looks until it is there, or must have come to light: two times empty over the settling time.
    async fn look<T, F>(&self, look: impl Fn() -> F, cause: Option<&ProviderError>) -> ProviderResult<Looked<T>>
    where
        F: Future<Output = ProviderResult<Found<T>>> + Send,
    {
        let unknown = |candidates: &[String], why: &str| self.unknown(cause, why, candidates);
        look_out(self.deadline, self.call.sight(), false, look, unknown).await
    }

    fn unknown(&self, cause: Option<&ProviderError>, why: &str, candidates: &[String]) -> ProviderError {
        let message = format!("{}{why}", cause.map(ToString::to_string).unwrap_or_default());
        let context = cause.and_then(ProviderError::context).cloned().unwrap_or_default();
        let unknown = ProviderError::unknown_outcome(self.call.operation(), &self.mark.key, message);
        unknown.with_candidates(candidates).with_context(context)
    }
}

/// Looks, for as long as `limit`, for what was made under a key, by any process: `None` when it is certain that there is nothing.
///
/// # Errors
/// [`ProviderError::UnknownOutcome`] when the looks fail, or show things that cannot be told apart.
pub(crate) async fn resolve<T, F>(
    sight: Sight,
    operation: &'static str,
    key: &str,
    limit: Duration,
    look: impl Fn() -> F,
) -> ProviderResult<Option<T>>
where
    F: Future<Output = ProviderResult<Found<T>>> + Send,
{
    let unknown = |candidates: &[String], why: &str| {
        ProviderError::unknown_outcome(operation, key, format!("it could not be found{why}")).with_candidates(candidates)
    };
    // Also where lists do not lag they are given time: the call may still be on its way, or be worked on.
    Ok(look_out(Deadline::after(limit), sight, true, look, unknown).await?.ours())
}

/// What looking out has come to.
enum Looked<T> {
    Ours(T),
    Taken,
    /// It is certain that there is nothing.
    Nothing,
}

impl<T> Looked<T> {
    fn ours(self) -> Option<T> {
        if let Self::Ours(made) = self { Some(made) } else { None }
    }
}

/// How often in a row looking must be denied before it is given up, where that loses nothing.
const DENIALS: u32 = 3;

/// Looks until something is known, or the deadline. What hinders a look tells nothing of what came of the create, and may pass:
/// it is given up before the deadline only where that is `prompt`.
async fn look_out<T, F>(
    deadline: Deadline,
    sight: Sight,
    prompt: bool,
    look: impl Fn() -> F,
    unknown: impl Fn(&[String], &str) -> ProviderError,
) -> ProviderResult<Looked<T>>
where
    F: Future<Output = ProviderResult<Found<T>>> + Send,
{
    let mut since = Instant::now();
    let mut pauses = Pauses::new(sight.poll_interval);
    let (mut empty, mut denied, mut was_unsure) = (0, 0, false);
    let (mut candidates, mut failed) = (Vec::new(), String::new());
    loop {
        let asked = Instant::now();
        match tokio::time::timeout(deadline.remaining(), look()).await {
            Ok(Ok(found)) => {
                denied = 0;
                match found {
                    Found::Ours(made) => return Ok(Looked::Ours(made)),
                    Found::Taken | Found::Leaving(_) => return Ok(Looked::Taken),
                    Found::Nothing | Found::Others(_) => {
                        // What was not sure may have come to be at any time since it was seen.
                        if std::mem::take(&mut was_unsure) {
                            since = Instant::now();
                        }
                        empty += 1;
                        // A part of what a slow look shows is as old as the look.
                        let is_old_enough = asked.saturating_duration_since(since) >= sight.settling;
                        if sight.settling.is_zero() || (empty >= 2 && is_old_enough) {
                            return if let Found::Others(made) = found { made.map(Looked::Ours) } else { Ok(Looked::Nothing) };
                        }
                    }
                    Found::Unsure(some) => {
                        candidates = some;
                        (was_unsure, empty) = (true, 0);
                    }
                }
            }
            // Made under this key, by another request.
            Ok(Err(error @ ProviderError::Conflict { retryable: false, .. })) => return Err(error),
            Ok(Err(error)) => {
                denied = if error.may_pass() { 0 } else { denied + 1 };
                failed = format!("; the look for it failed: {error}");
            }
            Err(_) => {}
        }
        if deadline.remaining().is_zero() || (prompt && denied >= DENIALS) {
            return Err(unknown(&candidates, &failed));
        }
        tokio::time::sleep(pauses.next(deadline)).await;
    }
}

/// Makes a machine by `work`, seen through to its end: when its caller leaves, the machine is destroyed or kept as the
/// request says.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn instance<P, W>(
    provider: &P,
    on_cancel: OnCancel,
    work: impl FnOnce(P, Cancel) -> W,
) -> ProviderResult<ProviderInstance>
where
    P: Provider + Clone + 'static,
    W: Future<Output = ProviderResult<ProviderInstance>> + Send + 'static,
{
    let owner = provider.clone();
    let unwanted = move |made: ProviderInstance| async move { unwanted(&owner, &made, on_cancel).await };
    let about = About::new("create_instance", provider.name(), "");
    see_through(about, |cancel| work(provider.clone(), cancel), unwanted).await
}

/// Ends the machine of a create whose caller has left, or keeps it, as the request says. One that was found, and not made, may
/// be in use: it is kept.
pub(crate) async fn unwanted(provider: &dyn Provider, made: &ProviderInstance, on_cancel: OnCancel) {
    if on_cancel == OnCancel::Keep || made.adopted {
        debug!(id = made.id, adopted = made.adopted, "the machine of a create that was dropped is kept");
    } else {
        end(provider, &made.id).await;
    }
}

/// How long a machine that nobody wants is tried to be destroyed.
const PERSISTENCE: Duration = Duration::from_secs(600);
/// The pauses between two tries grow to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Destroys a machine for which nobody waits: nobody would try again.
pub(crate) async fn end(provider: &dyn Provider, id: &str) {
    About::new("destroy_instance", provider.name(), id).here();
    let _ending = Ending::begin(provider.name(), id);
    let deadline = Deadline::after(PERSISTENCE);
    let mut pause = Duration::from_millis(100);
    while let Err(error) = provider.destroy_instance(id).await {
        // Destroying twice does no harm: all but what cannot pass by itself is tried again.
        let is_final = error.is_deserted()
            || matches!(error.kind(), ErrorKind::InvalidConfig | ErrorKind::NotSupported | ErrorKind::NotImplemented);
        if is_final || deadline.remaining().is_zero() {
            warn!(id, %error, "a machine that nobody waits for could not be destroyed, and costs money");
            return;
        }
        tokio::time::sleep(pause.min(deadline.remaining())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tells whoever reads the log of something that may cost money and that no caller knows of.
fn warn_of(error: &ProviderError) {
    warn!(%error, "a create whose caller has left may have made something");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// What was under way and is not any more has ended at a time that nobody saw: lists are given their time from then on.
    #[tokio::test(start_paused = true)]
    async fn what_was_not_sure_is_given_its_time_once_it_is_over() {
        let sight = Sight { poll_interval: Duration::from_secs(5), settling: Duration::from_secs(30) };
        let (began, looks) = (Instant::now(), AtomicUsize::new(0));
        let look = || async {
            match (looks.fetch_add(1, Ordering::Relaxed), began.elapsed().as_secs()) {
                (0, _) => Ok(Found::Unsure(vec!["what goes on".to_string()])),
                // The reply does not come.
                (1, _) => {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    Err(ProviderError::timeout("look", Duration::from_secs(30)))
                }
                (_, ..50) => Ok(Found::Nothing),
                _ => Ok(Found::Ours(7)),
            }
        };
        let found = resolve(sight, "resolve", "order-7", Duration::from_secs(300), look).await;
        assert_eq!(found.unwrap(), Some(7), "after {:?}", began.elapsed());
    }

    /// A part of it was answered at its beginning, when lists did not show yet what was made.
    #[tokio::test(start_paused = true)]
    async fn a_slow_look_is_as_old_as_its_beginning() {
        let sight = Sight { poll_interval: Duration::from_secs(5), settling: Duration::from_secs(30) };
        let began = Instant::now();
        let look = || async {
            let found = if began.elapsed().as_secs() < 10 { Found::Nothing } else { Found::Ours(7) };
            tokio::time::sleep(Duration::from_secs(29)).await;
            Ok(found)
        };
        let found = resolve(sight, "resolve", "order-7", Duration::from_secs(300), look).await;
        assert_eq!(found.unwrap(), Some(7), "after {:?}", began.elapsed());
        let nothing = || async {
            tokio::time::sleep(Duration::from_secs(31)).await;
            Ok(Found::<u32>::Nothing)
        };
        let began = Instant::now();
        assert_eq!(resolve(sight, "resolve", "order-7", Duration::from_secs(300), nothing).await.unwrap(), None);
        assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());
    }

    const SIGHT: Sight = Sight { poll_interval: Duration::from_secs(4), settling: Duration::from_secs(30) };

    /// A call whose answers are written down; the last one is repeated.
    struct Script<'a> {
        answers: &'a [fn() -> Result<u32, Failure>],
        sends: &'a AtomicUsize,
    }

    impl Making for Script<'_> {
        type Reply = u32;

        fn operation(&self) -> &'static str {
            "create_instance"
        }

        fn sight(&self) -> Sight {
            SIGHT
        }

        async fn send(&self, _: &Cancel) -> Result<u32, Failure> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.answers[self.sends.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1)]()
        }
    }

    /// How a create stands.
    #[derive(Clone, Copy)]
    struct Stand {
        /// The key is the caller's own.
        is_given: bool,
        guard: Guard,
        /// Whether the caller leaves while the first call is on its way.
        leaves: bool,
        limit: u64,
    }

    const OURS: Stand = Stand { is_given: false, guard: Guard::Cloud, leaves: false, limit: 300 };
    const GIVEN: Stand = Stand { is_given: true, ..OURS };
    const LOOKING: Stand = Stand { guard: Guard::Looking, ..OURS };

    /// What it came to in a word, how often it was sent and looked for, and for how many seconds.
    async fn create(
        stand: Stand,
        answers: &[fn() -> Result<u32, Failure>],
        looks: &[fn() -> ProviderResult<Found<u32>>],
    ) -> (String, usize, usize, u64) {
        let mut request = crate::provider::InstanceRequest::new("web-1", "here", "small");
        request.idempotency_key = stand.is_given.then(|| "order-7".to_string());
        let (mark, _) = Mark::of(&request).unwrap();
        let (sends, looked, cancel, began) = (AtomicUsize::new(0), AtomicUsize::new(0), Cancel::default(), Instant::now());
        let call = Script { answers, sends: &sends };
        let deadline = Deadline::after(Duration::from_secs(stand.limit));
        let create = Create { call, mark: &mark, guard: stand.guard, deadline, cancel: &cancel };
        let read = |reply: &u32| if *reply == 0 { Err(ProviderError::not_the_api(200, "a page")) } else { Ok(*reply) };
        let look = || {
            let found = looks[looked.fetch_add(1, Ordering::Relaxed).min(looks.len() - 1)];
            async move { found() }
        };
        let leave = async {
            if !stand.leaves {
                std::future::pending().await
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            cancel.leave();
            std::future::pending().await
        };
        let made = tokio::select! { made = create.make_or_find(read, look) => made, () = leave => unreachable!() };
        let word = match made {
            Ok((made, origin)) => format!("{made} {origin:?}"),
            Err(error) => error.to_string(),
        };
        let is_open = cancel.open_since().is_some();
        assert_eq!(is_open, word.contains("unknown"), "what is not known is noted: {word}");
        (word, sends.into_inner(), looked.into_inner(), began.elapsed().as_secs())
    }

    fn lost() -> Result<u32, Failure> {
        Err(Failure::Unknown(ProviderError::timeout("create_instance", Duration::from_secs(1))))
    }

    fn busy() -> Result<u32, Failure> {
        Err(Failure::Rejected(ProviderError::conflict("busy", true)))
    }

    fn taken() -> Result<u32, Failure> {
        Err(Failure::Rejected(ProviderError::conflict("taken", false)))
    }

    fn full() -> Result<u32, Failure> {
        Err(Failure::Rejected(ProviderError::capacity("full")))
    }

    fn nothing() -> ProviderResult<Found<u32>> {
        Ok(Found::Nothing)
    }

    fn ours() -> ProviderResult<Found<u32>> {
        Ok(Found::Ours(8))
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_that_is_answered_is_not_looked_for() {
        assert_eq!(create(OURS, &[|| Ok(7)], &[nothing]).await, ("7 Answered".to_string(), 1, 0, 1));
        assert_eq!(create(GIVEN, &[busy, || Ok(7)], &[nothing]).await, ("7 Answered".to_string(), 2, 0, 3), "busy once");
        let (word, sends, looks, _) = create(OURS, &[full], &[nothing]).await;
        assert!(word.contains("full") && (sends, looks) == (1, 0), "{word}");
        let gone = Stand { leaves: true, ..OURS };
        let (word, sends, looks, _) = create(gone, &[busy], &[nothing]).await;
        assert!(word.contains("cancelled") && (sends, looks) == (1, 0), "{word}: {sends}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_busy_is_tried_until_the_deadline() {
        let (word, sends, looks, seconds) = create(Stand { limit: 60, ..OURS }, &[busy], &[nothing]).await;
        assert!(word.contains("busy") && looks == 0 && seconds >= 60, "{word} after {sends} in {seconds} s");
        assert!((10..20).contains(&sends), "{sends}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_without_an_answer_is_sent_again_where_the_cloud_keeps_a_second_one_out() {
        assert_eq!(create(OURS, &[lost, || Ok(7)], &[nothing]).await, ("7 Recovered".to_string(), 2, 0, 3));
        let unread = create(OURS, &[|| Ok(0), || Ok(7)], &[nothing]).await;
        assert_eq!(unread, ("7 Recovered".to_string(), 2, 0, 3), "a reply that cannot be read");
        let (word, sends, looks, seconds) = create(Stand { limit: 60, ..OURS }, &[lost], &[nothing]).await;
        assert!(word.contains("unknown") && looks == 0 && seconds == 60, "{word} after {seconds} s");
        assert!((10..20).contains(&sends), "{sends}");
        // That there is one already, and that none is seen, contradict each other.
        let (word, sends, looks, _) = create(OURS, &[lost, taken], &[nothing]).await;
        assert!(word.contains("unknown") && word.contains("sent again, it was refused") && sends == 2 && looks >= 2, "{word}");
        assert_eq!(create(OURS, &[lost, taken], &[ours]).await.0, "8 Recovered");
        let (word, _, looks, _) = create(OURS, &[lost, full], &[nothing]).await;
        assert!(!word.contains("unknown") && word.contains("full") && looks >= 2, "{word}");
        assert_eq!(
            create(OURS, &[lost, busy, || Ok(7)], &[nothing]).await.0,
            "7 Recovered",
            "a refusal that passes says nothing"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_without_an_answer_is_looked_for_where_nothing_else_keeps_a_second_one_out() {
        assert_eq!(create(LOOKING, &[lost, || Ok(7)], &[ours]).await.0, "8 Recovered");
        let (word, sends, looks, seconds) = create(LOOKING, &[lost, || Ok(7)], &[nothing]).await;
        assert_eq!((word.as_str(), sends), ("7 Recovered", 2), "it is certain that it was not made");
        assert!(looks >= 2 && seconds >= 30, "{looks} looks in {seconds} s");
        assert_eq!(create(LOOKING, &[lost, || Ok(7)], &[|| Ok(Found::Taken)]).await.0, "7 Recovered");
        let (word, sends, ..) = create(LOOKING, &[lost], &[|| Ok(Found::Unsure(vec!["8".to_string()]))]).await;
        assert!(word.contains("unknown") && word.contains("it may be 8") && sends == 1, "{word}");
        let (word, ..) = create(LOOKING, &[lost], &[|| Err(ProviderError::unavailable("502"))]).await;
        assert!(word.contains("unknown") && word.contains("the look for it failed"), "{word}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_any_more_is_not_sent_again() {
        let leaves = Stand { leaves: true, ..OURS };
        let (word, sends, looks, _) = create(leaves, &[lost, || Ok(7)], &[nothing]).await;
        assert!(word.contains("cancelled") && sends == 1 && looks >= 2, "{word} after {sends}");
        assert_eq!(create(leaves, &[lost, || Ok(7)], &[ours]).await.0, "8 Recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_callers_own_key_may_have_made_what_is_there_already() {
        assert_eq!(create(GIVEN, &[taken], &[ours]).await.0, "8 Found");
        let (word, sends, looks, _) = create(GIVEN, &[taken], &[nothing]).await;
        assert!(word.contains("taken") && !word.contains("unknown") && sends == 1 && looks >= 2, "{word}");
        let (word, _, looks, _) = create(GIVEN, &[full], &[ours]).await;
        assert!(word.contains("full") && looks == 0, "{word}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_becomes_free_is_waited_for() {
        let leaving = || Ok(Found::Leaving("6".to_string()));
        assert_eq!(create(OURS, &[taken, taken, || Ok(7)], &[leaving]).await, ("7 Answered".to_string(), 3, 2, 5));
        // For as long as lists lag, one that is not seen may be leaving.
        let (word, sends, _, seconds) = create(OURS, &[taken], &[nothing]).await;
        assert!(word.contains("taken") && sends > 2 && (30..40).contains(&seconds), "{word} after {seconds} s");
        let (word, sends, looks, _) = create(OURS, &[taken], &[ours]).await;
        assert!(word.contains("taken") && (sends, looks) == (1, 1), "{word}: somebody else's");
        let (word, _, _, seconds) = create(Stand { limit: 20, ..OURS }, &[taken], &[leaving]).await;
        assert!(word.contains("taken") && (20..24).contains(&seconds), "{word} after {seconds} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_denied_is_given_up_where_that_loses_nothing() {
        let denied = || async { Err::<Found<u32>, _>(ProviderError::auth("test", "no")) };
        let began = Instant::now();
        let resolved = resolve(SIGHT, "resolve", "order-7", Duration::from_secs(300), denied).await;
        assert!(matches!(&resolved, Err(ProviderError::UnknownOutcome { .. })), "{resolved:?}");
        assert_eq!(began.elapsed().as_millis(), 1000 + 1500, "three times");
        let (began, looks) = (Instant::now(), AtomicUsize::new(0));
        let at_times = || async {
            match looks.fetch_add(1, Ordering::Relaxed) % 3 {
                0 => Ok(Found::<u32>::Unsure(Vec::new())),
                _ => Err(ProviderError::auth("test", "no")),
            }
        };
        let resolved = resolve(SIGHT, "resolve", "order-7", Duration::from_secs(300), at_times).await;
        assert!(resolved.is_err() && began.elapsed() == Duration::from_secs(300), "{resolved:?} after {:?}", began.elapsed());
        let others = || async { Ok(Found::Others(Ok(9))) };
        assert_eq!(resolve(SIGHT, "resolve", "order-7", Duration::from_secs(300), others).await.unwrap(), Some(9));
        let conflict = || async { Err::<Found<u32>, _>(ProviderError::conflict("other parameters", false)) };
        let resolved = resolve(SIGHT, "resolve", "order-7", Duration::from_secs(300), conflict).await;
        assert!(matches!(&resolved, Err(ProviderError::Conflict { .. })), "{resolved:?}");
    }

    /// A cloud that has one machine, which is not destroyed as easily as that.
    struct Stubborn {
        /// What each destroy comes to; the last one is repeated.
        answers: &'static [fn() -> ProviderResult<()>],
        /// When each was asked for.
        asked: std::sync::Mutex<Vec<Instant>>,
    }

    #[async_trait::async_trait]
    impl Provider for Stubborn {
        fn name(&self) -> &str {
            "stubborn"
        }

        async fn create_instance(&self, _: &crate::provider::InstanceRequest) -> ProviderResult<ProviderInstance> {
            Err(ProviderError::capacity("full"))
        }

        async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
            assert!(Ending::is_of("stubborn", id));
            let mut asked = self.asked.lock().unwrap();
            asked.push(Instant::now());
            self.answers[(asked.len() - 1).min(self.answers.len() - 1)]()
        }

        async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
            Ok(None)
        }

        async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
            Ok(Vec::new())
        }

        async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
            Err(ProviderError::not_found("instance", id))
        }

        async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<crate::provider::Snapshot> {
            Err(ProviderError::capacity("full"))
        }

        async fn list_snapshots(&self) -> ProviderResult<Vec<crate::provider::Snapshot>> {
            Ok(Vec::new())
        }

        async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
            Ok(())
        }
    }

    /// How often a machine that nobody wants is tried to be destroyed, the pauses in between in milliseconds, and how long that takes.
    async fn ended(answers: &'static [fn() -> ProviderResult<()>]) -> (usize, Vec<u128>, Duration) {
        let (began, cloud) = (Instant::now(), Stubborn { answers, asked: std::sync::Mutex::default() });
        end(&cloud, "7").await;
        let asked = cloud.asked.into_inner().unwrap();
        let pauses = asked.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
        (asked.len(), pauses, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_nobody_wants_is_destroyed_as_soon_as_that_can_be() {
        assert_eq!(ended(&[|| Ok(())]).await, (1, vec![], Duration::ZERO));
        let (tries, pauses, _) =
            ended(&[|| Err(ProviderError::auth("stubborn", "no")), || Err(ProviderError::capacity("full")), || Ok(())]).await;
        assert_eq!((tries, pauses), (3, vec![100, 200]));
        let (_, pauses, took) = ended(&[|| Err(ProviderError::unavailable("502"))]).await;
        assert_eq!(pauses[..9], [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000]);
        assert_eq!(took, PERSISTENCE);
        let (tries, ..) = ended(&[|| Err(ProviderError::invalid_config("id", "no id")), || Ok(())]).await;
        assert_eq!(tries, 1, "what cannot pass by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_is_kept_where_that_was_said_or_it_was_not_made() {
        for (on_cancel, adopted, expected) in
            [(OnCancel::Destroy, false, 1), (OnCancel::Destroy, true, 0), (OnCancel::Keep, false, 0), (OnCancel::Keep, true, 0)]
        {
            let cloud = Stubborn { answers: &[|| Ok(())], asked: std::sync::Mutex::default() };
            let made = ProviderInstance { id: "7".to_string(), adopted, ..ProviderInstance::default() };
            unwanted(&cloud, &made, on_cancel).await;
            assert_eq!(cloud.asked.lock().unwrap().len(), expected, "{on_cancel:?} {adopted}");
        }
    }

    #[cfg(feature = "hetzner")]
    #[test]
    fn a_call_through_the_pipeline_is_known_by_its_verb() {
        let timeouts = crate::provider::ProviderTimeouts::default();
        let cloud = crate::provider::hetzner::HetznerProvider::new("token", timeouts).unwrap();
        let making = (cloud.http(), Call::get("create_instance", "/servers"));
        assert_eq!((making.operation(), making.sight().poll_interval), ("create_instance", timeouts.poll_interval));
    }
}
