//! `spuff_snapshot` and `spuff_snapshots`.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use chrono::DateTime;
use spuff_core::provider::Snapshot as CoreSnapshot;

use crate::boundary::{
    Failure, Out, Outcome, c_pairs, c_text, getter, guard, handle_mut, into_raw, optional, release,
    take_place, text,
};
use crate::error::{Code, Error};

/// A snapshot of an instance. Owned by the caller that got it, freed with spuff_snapshot_free,
/// unless it was got from a list, which owns it. What its getters give lives as long as it does,
/// and no setter is called. Any thread may read it.
pub struct Snapshot {
    pub(crate) inner: CoreSnapshot,
    pub(crate) labels: HashMap<String, String>,
    texts: OnceLock<Texts>,
}

struct Texts {
    id: CString,
    name: CString,
    labels: Vec<(CString, CString)>,
}

impl From<CoreSnapshot> for Snapshot {
    fn from(inner: CoreSnapshot) -> Self {
        (inner, HashMap::new()).into()
    }
}

impl From<(CoreSnapshot, HashMap<String, String>)> for Snapshot {
    fn from((inner, labels): (CoreSnapshot, HashMap<String, String>)) -> Self {
        Self { inner, labels, texts: OnceLock::new() }
    }
}

impl Snapshot {
    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            let Self { inner: CoreSnapshot { id, name, .. }, labels, .. } = self;
            Texts { id: c_text(id.as_str()), name: c_text(name.as_str()), labels: c_pairs(labels) }
        })
    }
}

fn field(
    snapshot: *const Snapshot,
    field: impl FnOnce(&Texts) -> Option<&CString>,
) -> *const c_char {
    getter(std::ptr::null(), || Some(field(optional(snapshot)?.texts())?.as_ptr()))
}

/// Frees a snapshot's handle and sets *snapshot to NULL; the snapshot itself stays. NULL, or a
/// pointer to NULL, is fine: twice is harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_free(snapshot: *mut *mut Snapshot) {
    release(snapshot);
}

/// Makes a copy of a snapshot's handle, such as of one that a list owns. The caller owns it. NULL
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_clone(snapshot: *const Snapshot) -> *mut Snapshot {
    getter(std::ptr::null_mut(), || {
        let snapshot = optional(snapshot)?;
        Some(into_raw((snapshot.inner.clone(), snapshot.labels.clone()).into()))
    })
}

/// The provider's id: what spuff_request_set_image takes behind `snapshot:`. NULL for NULL, as all
/// getters here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_id(snapshot: *const Snapshot) -> *const c_char {
    field(snapshot, |texts| Some(&texts.id))
}

/// The name that it was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_name(snapshot: *const Snapshot) -> *const c_char {
    field(snapshot, |texts| Some(&texts.name))
}

/// When it was created, in milliseconds since 1970 (UTC); -1 where the cloud does not say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_created_at_ms(snapshot: *const Snapshot) -> i64 {
    getter(-1, || Some(optional(snapshot)?.inner.created_at?.timestamp_millis()))
}

/// How many labels it has; only spuff_provider_list_labelled_snapshots reads them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_label_count(snapshot: *const Snapshot) -> usize {
    getter(0, || Some(optional(snapshot)?.labels.len()))
}

/// The key of a label, in the order of the keys. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_label_key(
    snapshot: *const Snapshot,
    index: usize,
) -> *const c_char {
    field(snapshot, |texts| texts.labels.get(index).map(|(key, _)| key))
}

/// The value of that label. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_label_value(
    snapshot: *const Snapshot,
    index: usize,
) -> *const c_char {
    field(snapshot, |texts| texts.labels.get(index).map(|(_, value)| value))
}

/// Makes a snapshot's handle, for a provider written in C to return. The caller owns *out, until a
/// provider's function has returned it.
///
/// Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 and
/// for an empty id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_new(
    id: *const c_char,
    name: *const c_char,
    out: *mut *mut Snapshot,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let out = Out::new(out, "out")?;
        let id = text(id, "id")?;
        let name = text(name, "name")?;
        if id.is_empty() {
            return Err(Failure::argument("id", "must not be empty; give the cloud's id"));
        }
        out.put(
            CoreSnapshot { id: id.to_string(), name: name.to_string(), created_at: None }.into(),
        );
        Ok(())
    })
}

fn change(snapshot: *mut Snapshot, change: impl FnOnce(&mut Snapshot)) -> Outcome<()> {
    let snapshot = handle_mut(snapshot, "snapshot")?;
    change(snapshot);
    snapshot.texts = OnceLock::new();
    Ok(())
}

/// Sets when a snapshot was created, in milliseconds since 1970 (UTC).
///
/// Errors: also SPUFF_INVALID_CONFIG for a time beyond 262,000 years.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_set_created_at_ms(
    snapshot: *mut Snapshot,
    unix_ms: i64,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let time = DateTime::from_timestamp_millis(unix_ms);
        let time = time
            .ok_or_else(|| Failure::argument("unix_ms", &format!("{unix_ms} is out of range")))?;
        change(snapshot, |snapshot| snapshot.inner.created_at = Some(time))
    })
}

/// Adds a label to a snapshot's handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshot_add_label(
    snapshot: *mut Snapshot,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let key = text(key, "key")?.to_string();
        let value = text(value, "value")?.to_string();
        change(snapshot, |snapshot| drop(snapshot.labels.insert(key, value)))
    })
}

/// A list of snapshots. Owned by the caller that got it, freed with spuff_snapshots_free, with the
/// snapshots in it: a pointer to one of them stays good until then, also while more are added. Any
/// thread may read it.
#[derive(Default)]
pub struct Snapshots(
    // As those of a list of instances.
    #[allow(clippy::vec_box, reason = "callers hold pointers to them")]
    pub(crate)  Vec<Box<Snapshot>>,
);

impl<T: Into<Snapshot>> FromIterator<T> for Snapshots {
    fn from_iter<I: IntoIterator<Item = T>>(snapshots: I) -> Self {
        Self(snapshots.into_iter().map(|snapshot| Box::new(snapshot.into())).collect())
    }
}

/// Frees a list and sets *snapshots to NULL. NULL, or a pointer to NULL, is fine: twice is
/// harmless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshots_free(snapshots: *mut *mut Snapshots) {
    release(snapshots);
}

/// How many snapshots there are. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshots_count(snapshots: *const Snapshots) -> usize {
    getter(0, || Some(optional(snapshots)?.0.len()))
}

/// One of them, which the list owns. NULL past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshots_get(
    snapshots: *const Snapshots,
    index: usize,
) -> *const Snapshot {
    getter(std::ptr::null(), || {
        optional(snapshots)?.0.get(index).map(|one| std::ptr::from_ref(&**one))
    })
}

/// Adds a snapshot to a list that a provider written in C was given to fill, and sets *snapshot to
/// NULL: the list owns it.
///
/// Errors: SPUFF_INVALID_CONFIG for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn spuff_snapshots_push(
    snapshots: *mut Snapshots,
    snapshot: *mut *mut Snapshot,
    error: *mut *mut Error,
) -> Code {
    guard(error, || {
        let snapshots = handle_mut(snapshots, "snapshots")?;
        let snapshot = take_place(snapshot)
            .ok_or_else(|| Failure::argument("snapshot", "must not be NULL"))?;
        snapshots.0.push(snapshot);
        Ok(())
    })
}
