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
    };
}

rules! {
    IS_MADE: "A provider is made from its timeouts as often as asked; nothing is sent.",
        "Let the maker succeed every time, with any timeouts.";
    WORKS: "A verb that is asked for something possible succeeds.",
        "Read the error. If the account, quota or region is at fault, change the subject's \
         request; else mend the verb.";
    RETURNS: "Deadlines are by the clock and lie round everything, so every verb returns.",
        "Put one deadline round requests, pauses and repeats.";
    NO_PANIC: "A verb that fails returns an error.",
        "Return a ProviderError where it panics now.";
    FINISHED: "A run is judged by all of its checks.",
        "Run the suite again, to its end.";
    NAME: "`name` is the provider's name, for logs and messages.",
        "Return one fixed text that is not empty.";
    DECLARES: "`supports_snapshots` and the described capability `snapshots` say the same.",
        "Make them agree; without snapshots both are `false`.";

    CREATE: "`create_instance` returns the machine as it was accepted: its id, and the name, \
     region, size and labels asked for.",
        "Fill these fields from the cloud's reply, or from the request where the reply leaves them \
         out.";
    MANAGED: "Every machine carries the label `managed-by=spuff`, from the create call on.",
        "Add the label in the create call, and read it back.";
    LABELS: "Labels are kept as they were given, values and case included.",
        "Write and read them without loss, or declare that labels are not kept.";
    GET: "`get_instance` reads a machine that exists.",
        "Look it up by the very id that `create_instance` returned.";
    LIST: "`list_instances` holds every machine that carries `managed-by=spuff`, once, from all \
     pages, with all its fields.",
        "Follow every page, and fill all fields also in lists.";
    IDS: "An id stands for one machine.",
        "Return the id that the cloud gave to this very machine.";
    READY: "`wait_ready` returns the machine once it is `Active` and has a public address.",
        "Wait until `is_ready()` is true, and return what was read then.";
    DESTROY: "`destroy_instance` ends a machine: then `get_instance` is `None` and lists do not \
     hold it.",
        "Return only once the cloud has taken the order, and treat its word for an ended machine \
         as absence.";
    DESTROY_AGAIN: "Destroying a machine that is gone, or was never there, is `Ok`.",
        "Turn the cloud's \"not found\" into `Ok(())`.";
    ABSENT: "`get_instance` of what does not exist is `Ok(None)`.",
        "Turn the cloud's \"not found\" into `Ok(None)`.";
    LOOK_FAILS: "A look that fails is an error; that a machine does not exist is said only where \
     the cloud has said so.",
        "Turn nothing but the cloud's own \"not found\" into `Ok(None)`, and return a list only \
         when all of it was read.";
    AGE: "`created_at` is when the machine was made; where that is not known it is 1970, which is \
     no age.",
        "Read the time that the cloud tells, or leave `created_at` as \
         `ProviderInstance::default()` has it.";
    BEYOND_REASON: "No timeout that a caller can give makes a verb panic or hang.",
        "Add to times with `checked_add`, and take what overflows for as long as there is.";
    GONE: "`wait_ready` of a machine that is gone, or was never there, ends with `NotFound` and \
     does not wait for its deadline.",
        "End the wait on the first certain \"not found\".";
    DEADLINE: "`wait_ready` ends with `Timeout` once `instance_ready` has passed by the clock, \
     whatever `poll_interval` is.",
        "Put the deadline round the whole wait, with its last pause.";
    TIMED_OUT: "A wait that times out changes nothing: the machine is still known, and may be \
     waited for again.",
        "Neither destroy nor forget a machine because a wait has ended.";
    DROPPED: "A future may be dropped at any time; dropping a read loses nothing.",
        "Hold no state that only the end of a verb puts right.";

    REFUSED: "A field that cannot be used is refused with `InvalidConfig`, which names the field.",
        "Check the request before anything is sent, and name the field as InstanceRequest does.";
    MADE_NOTHING: "A create that fails because of its request has made nothing.",
        "Check before sending, or return what was made.";
    FINAL: "An error that says a request is wrong is not retryable, and its outcome is known.",
        "Use InvalidConfig, NotFound or Capacity for a size that does not exist.";
    REGION: "A request without a region gets the provider's default, or is refused by that name.",
        "Choose a region, or return InvalidConfig with the field `region`.";
    USER_DATA: "`user_data` is plain text of up to `max_user_data` bytes.",
        "Encode it as the cloud wants it, count bytes, and describe the true limit.";
    SSH_KEYS: "`get_ssh_keys` returns values that `InstanceRequest::ssh_keys` takes.",
        "Return ids, names or fingerprints by which the create call finds the keys again.";
    IDEMPOTENCY: "A caller's `idempotency_key` stands for one machine.",
        "Look for the key, or pass it on, before a machine is made; else do not declare it.";
    ADOPTED: "A create that gives back the machine that its `idempotency_key` had made before says \
     so, by `adopted`; one that has made it now does not.",
        "Set `adopted` where the key has found a machine: else a roll-back destroys what is in \
         use.";
    ERRORS: "An error tells what is wrong, and with what.",
        "Fill every field of the error: the field's name, the id asked for, the cloud's words.";

    SNAPSHOT: "`create_snapshot` returns a snapshot that can be used, with its id and the name \
     asked for.",
        "Wait until the cloud says that it is usable, and fill both fields.";
    SNAPSHOTS: "`list_snapshots` holds every snapshot that carries `managed-by=spuff`, once, with \
     the name asked for.",
        "Mark snapshots when they are made, follow every page, and read the name from where \
         it was put.";
    RESTORE: "`ImageSpec::Snapshot` with a snapshot's id starts a machine from it.",
        "Take the id that `create_snapshot` returned as an image.";
    DELETE: "`delete_snapshot` deletes a snapshot: then lists do not hold it.",
        "Delete it with all that it stores, and leave it out of lists.";
    DELETE_AGAIN: "Deleting a snapshot that is gone, or was never there, is `Ok`.",
        "Turn the cloud's \"not found\" into `Ok(())`.";
    SNAPSHOT_OF_NOTHING: "A snapshot of a machine that does not exist fails with `NotFound`.",
        "Turn the cloud's \"not found\" into NotFound with the machine's id.";
    NO_SNAPSHOTS: "What a provider cannot do is `NotSupported`.",
        "Return NotSupported from `create_snapshot`; lists may be empty, and deletes `Ok`.";

    NOTHING_LEFT: "What was destroyed is gone, and is not listed any more.",
        "Look at `destroy_instance` and `delete_snapshot`; destroy what the report names.";
}
