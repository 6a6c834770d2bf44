//! The sentences of the contract that the checks test, each with a remedy for the provider's
//! author.

use super::report::{Failure, Verdict};

/// The value of a step, or the verdict that ends the check.
pub(super) type Tried<T = ()> = Result<T, Verdict>;

/// A sentence of the contract.
pub(super) struct Rule {
    contract: &'static str,
    remedy: &'static str,
}

impl Rule {
    const fn new(contract: &'static str, remedy: &'static str) -> Self {
        Self { contract, remedy }
    }

    /// Ends the check unless the rule holds.
    pub(super) fn holds(&self, holds: bool, seen: impl FnOnce() -> String) -> Tried {
        if holds { Ok(()) } else { Err(self.broken(seen())) }
    }

    /// Returns the verdict that the rule is violated.
    pub(super) fn broken(&self, seen: impl Into<String>) -> Verdict {
        Verdict::Failed(Failure { contract: self.contract, seen: seen.into(), remedy: self.remedy })
    }
}

/// Returns the verdict that the check does not apply.
pub(super) fn not_applicable(reason: impl Into<String>) -> Verdict {
    Verdict::NotApplicable { reason: reason.into() }
}

macro_rules! rules {
    ($($name:ident: $contract:literal, $remedy:literal;)*) => {
        $(pub(super) const $name: Rule = Rule::new($contract, $remedy);)*

        #[cfg(test)]
        const ALL: &[(&str, Rule)] = &[$((stringify!($name), $name)),*];
    };
}

rules! {
    IS_MADE: "A provider can be made from any timeouts, any number of times; nothing is sent.",
        "Let the maker succeed every time, with any timeouts.";
    WORKS: "An operation that is asked for something possible succeeds.",
        "Read the error. If the account, quota or region is at fault, change the subject's \
         request; otherwise fix the operation.";
    RETURNS: "Every operation returns: its deadline is by the clock, and covers all that it does.",
        "Put one deadline round requests, pauses and retries.";
    NO_PANIC: "An operation that fails returns an error.",
        "Return a ProviderError where it panics now.";
    FINISHED: "A run is judged by all of its checks.",
        "Run the suite again, to its end.";
    NAME: "`name` is the provider's name, for logs and messages.",
        "Return one fixed string that is not empty.";
    DECLARES: "`supports_snapshots` and the described capability `snapshots` say the same.",
        "Make them agree; without snapshots both are `false`.";

    CREATE: "`create_instance` returns the instance as it was accepted: its id, and the requested \
     name, region, size and labels.",
        "Fill these fields from the cloud's reply, or from the request where the reply leaves them \
         out.";
    MANAGED: "Every instance carries the label `managed-by=spuff`, from the create call on.",
        "Add the label in the create call, and read it back.";
    LABELS: "Labels are kept as they were given, values and case included.",
        "Write and read them without loss, or declare that labels are not kept.";
    GET: "`get_instance` returns an instance that exists.",
        "Look it up by exactly the id that `create_instance` returned.";
    LIST: "`list_instances` returns every instance that carries `managed-by=spuff`, once, from \
     all pages, with all its fields.",
        "Follow every page, and fill all fields also in lists.";
    IDS: "An id identifies one instance.",
        "Return the id that the cloud gave to this instance.";
    READY: "`wait_ready` returns the instance once it is `Active` and has a public address.",
        "Wait until `is_ready()` is true, and return what was read then.";
    DESTROY: "`destroy_instance` destroys an instance: then `get_instance` is `None` and lists do \
     not contain it.",
        "Return only once the cloud has accepted the request, and treat its state for a destroyed \
         instance as absence.";
    DESTROY_AGAIN: "Destroying an instance that is gone, or never existed, is `Ok`.",
        "Turn the cloud's \"not found\" into `Ok(())`.";
    ABSENT: "`get_instance` of an instance that does not exist is `Ok(None)`.",
        "Turn the cloud's \"not found\" into `Ok(None)`.";
    LOOK_FAILS: "A lookup that fails is an error; an instance is reported as absent only if the \
     cloud says so.",
        "Turn only the cloud's own \"not found\" into `Ok(None)`, and return a list only when all \
         of it was read.";
    AGE: "`created_at` is when the instance was made; if that is not known it is 1970, which \
     counts as no age.",
        "Read the time that the cloud reports, or leave `created_at` as \
         `ProviderInstance::default()` has it.";
    BEYOND_REASON: "No timeout that a caller can give makes an operation panic or hang.",
        "Add to times with `checked_add`, and treat an overflow as the latest possible time.";
    GONE: "`wait_ready` of an instance that is gone, or never existed, ends with `NotFound` and \
     does not wait for its deadline.",
        "End the wait on the first certain \"not found\".";
    DEADLINE: "`wait_ready` ends with `Timeout` once `instance_ready` has passed by the clock, \
     whatever `poll_interval` is.",
        "Put the deadline round the whole wait, including its last pause.";
    TIMED_OUT: "A wait that times out changes nothing: the instance still exists, and can be \
     waited for again.",
        "Neither destroy nor forget an instance because a wait has ended.";
    DROPPED: "A future may be dropped at any time; dropping a read loses nothing.",
        "Hold no state that only the end of an operation restores.";

    REFUSED: "A field that cannot be used is refused with `InvalidConfig`, which names the field.",
        "Check the request before anything is sent, and name the field as InstanceRequest does.";
    MADE_NOTHING: "A create that fails because of its request has made nothing.",
        "Check before sending, or return what was made.";
    FINAL: "An error about an invalid request is not retryable, and its outcome is known.",
        "Use InvalidConfig, NotFound or Capacity for a size that does not exist.";
    REGION: "A request without a region gets the provider's default, or is refused for that field.",
        "Choose a region, or return InvalidConfig with the field `region`.";
    USER_DATA: "`user_data` is plain text of up to `max_user_data` bytes.",
        "Encode it as the cloud wants it, count bytes, and describe the true limit.";
    SSH_KEYS: "`get_ssh_keys` returns values that `InstanceRequest::ssh_keys` takes.",
        "Return ids, names or fingerprints by which the create call finds the keys again.";
    IDEMPOTENCY: "A caller's `idempotency_key` identifies one instance.",
        "Look up the key, or pass it on, before an instance is made; otherwise do not declare it.";
    ADOPTED: "A create that returns the instance that its `idempotency_key` made before sets \
     `adopted`; one that makes it now does not.",
        "Set `adopted` if the key found an instance: otherwise a rollback destroys what is in use.";
    ERRORS: "An error says what is wrong, and with what.",
        "Fill every field of the error: the field's name, the requested id, the cloud's message.";

    SNAPSHOT: "`create_snapshot` returns a snapshot that can be used, with its id and the \
     requested name.",
        "Wait until the cloud says that it is usable, and fill both fields.";
    SNAPSHOTS: "`list_snapshots` returns every snapshot that carries `managed-by=spuff`, once, \
     with the requested name.",
        "Label snapshots when they are made, follow every page, and read the name from where it \
         was stored.";
    RESTORE: "`ImageSpec::Snapshot` with a snapshot's id starts an instance from it.",
        "Take the id that `create_snapshot` returned as an image.";
    DELETE: "`delete_snapshot` deletes a snapshot: then lists do not contain it.",
        "Delete it with all that it stores, and leave it out of lists.";
    DELETE_AGAIN: "Deleting a snapshot that is gone, or never existed, is `Ok`.",
        "Turn the cloud's \"not found\" into `Ok(())`.";
    SNAPSHOT_OF_NOTHING: "A snapshot of an instance that does not exist fails with `NotFound`.",
        "Turn the cloud's \"not found\" into NotFound with the instance's id.";
    NO_SNAPSHOTS: "What a provider cannot do is `NotSupported`.",
        "Return NotSupported from `create_snapshot`; lists may be empty, and deletes `Ok`.";

    NOTHING_LEFT: "What was destroyed is gone, and is no longer listed.",
        "Check `destroy_instance` and `delete_snapshot`; destroy what the report names.";
}

#[cfg(test)]
mod tests {
    use super::{ALL, Rule};

    /// After a change of a text, look at both and write the new one to `rules.txt`.
    #[test]
    fn the_texts_of_the_checks_are_those_of_the_list() {
        let checks = super::super::checks().iter().map(|check| format!("{check:?}\n"));
        let rules = ALL.iter().map(|(name, Rule { contract, remedy })| {
            format!("{name}\n  contract: {contract}\n  to do:    {remedy}\n")
        });
        let texts: String = checks.chain(["\n".to_string()]).chain(rules).collect();
        assert_eq!(texts, include_str!("rules.txt"), "rules.txt should be:\n{texts}");
    }
}
