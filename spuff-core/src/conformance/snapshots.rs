//! Checks of snapshots: create, list, restore, delete, or not supported.

use super::instances::is_ready;
use super::rule::{self, Tried, not_applicable};
use super::trial::Trial;
use crate::provider::{ImageSpec, ProviderError, Snapshot};

pub(super) async fn snapshot_is_made_and_listed(trial: Trial) -> Tried {
    let (snapshot, name) = made(&trial).await?;
    rule::SNAPSHOT
        .holds(snapshot.name == name, || format!("{name:?} came back as {:?}", snapshot.name))?;
    let is_it = |listed: &&Snapshot| listed.id == snapshot.id;
    let list = trial
        .settle(|| trial.snapshots(), |list: &Vec<Snapshot>| list.iter().any(|it| is_it(&it)))
        .await?;
    let names: Vec<_> = list.iter().filter(is_it).map(|listed| listed.name.as_str()).collect();
    rule::SNAPSHOTS.holds(names == [name.as_str()], || {
        format!("{} named {name:?} is listed as {names:?}", snapshot.id)
    })
}

pub(super) async fn snapshot_restores_to_a_machine(trial: Trial) -> Tried {
    let (snapshot, _) = made(&trial).await?;
    let request = trial.request().with_image(ImageSpec::Snapshot(snapshot.id.clone()));
    let restored = trial.try_create(&request).await?;
    let refused = |error: ProviderError| {
        rule::RESTORE.broken(format!("{} was refused: {error}", request.image))
    };
    is_ready(&trial.wait_ready(&restored.map_err(refused)?.id).await?)
}

pub(super) async fn snapshot_delete_ends_it(trial: Trial) -> Tried {
    let (Snapshot { id, .. }, _) = made(&trial).await?;
    trial.delete_snapshot(&id).await?;
    let gone = |list: &Vec<Snapshot>| list.iter().all(|listed| listed.id != id);
    let list = trial.settle(|| trial.snapshots(), gone).await?;
    rule::DELETE.holds(gone(&list), || format!("{id} was deleted, and is still listed"))
}

pub(super) async fn snapshot_delete_is_idempotent(trial: Trial) -> Tried {
    let (Snapshot { id, .. }, _) = made(&trial).await?;
    trial.delete_snapshot(&id).await?;
    for (id, which) in [
        (&id, "deleted before"),
        (
            &trial.subject.absent_snapshot_id,
            "never \
     existed",
        ),
    ] {
        let again = trial.call("delete_snapshot", trial.provider.delete_snapshot(id)).await?;
        again.map_err(|error| {
            rule::DELETE_AGAIN.broken(format!("{id} was {which}, and it failed: {error}"))
        })?;
    }
    Ok(())
}

pub(super) async fn snapshot_of_nothing_is_not_found(trial: Trial) -> Tried {
    supported(&trial)?;
    let id = &trial.subject.absent_id;
    let name = trial.name();
    match trial.try_create_snapshot(id, &name).await? {
        Err(ProviderError::NotFound { .. }) => Ok(()),
        Err(error) => Err(rule::SNAPSHOT_OF_NOTHING.broken(format!(
            "{id} does not exist, and it failed with {}: {error}",
            error.kind().name()
        ))),
        Ok(snapshot) => Err(rule::SNAPSHOT_OF_NOTHING
            .broken(format!("{id} does not exist, and it made {}", snapshot.id))),
    }
}

pub(super) async fn snapshots_may_be_unsupported(trial: Trial) -> Tried {
    if trial.provider.supports_snapshots() {
        return Err(not_applicable("the provider supports snapshots"));
    }
    let name = trial.name();
    let absent = (&trial.subject.absent_id, &trial.subject.absent_snapshot_id);
    let made = trial.try_create_snapshot(absent.0, &name).await?.map(drop);
    let listed = trial.call("list_snapshots", trial.provider.list_snapshots()).await?.map(drop);
    let deleted = trial.call("delete_snapshot", trial.provider.delete_snapshot(absent.1)).await?;
    let refused = |ended: &_| matches!(ended, Err(ProviderError::NotSupported { .. }));
    for (verb, ended, may_work) in [
        ("create_snapshot", made, false),
        ("list_snapshots", listed, true),
        ("delete_snapshot", deleted, true),
    ] {
        rule::NO_SNAPSHOTS.holds(refused(&ended) || (may_work && ended.is_ok()), || {
            format!("{verb} gave {ended:?}")
        })?;
    }
    Ok(())
}

fn supported(trial: &Trial) -> Tried {
    if trial.provider.supports_snapshots() {
        Ok(())
    } else {
        Err(not_applicable("the provider does not support snapshots"))
    }
}

/// Makes a snapshot of a ready instance; returns it with the requested name.
async fn made(trial: &Trial) -> Tried<(Snapshot, String)> {
    supported(trial)?;
    let id = trial.create(&trial.request()).await?.id;
    trial.wait_ready(&id).await?;
    trial.create_snapshot(&id).await
}
