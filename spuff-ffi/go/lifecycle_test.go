// Every verb, on each of the clouds in a box.

package spuff_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"example.com/spuff"
)

func TestTheWholeLifeOfAMachine(t *testing.T) {
	for name := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := started(t, spuff.CloudOptions{})
			live(t, connected(t, cloud, name), name)
			bill := must(cloud.Bill())(t)
			if len(bill) == 0 || must(cloud.RequestCount(name))(t) == 0 {
				t.Errorf("it has cost nothing: %v", bill)
			}
		})
	}
}

func live(t *testing.T, provider *spuff.Provider, name string) {
	ctx := t.Context()
	wanted := request(name, "web-1")
	wanted.Image, wanted.UserData = spuff.Debian("12"), spuff.Ptr("#!/bin/sh\necho up")
	wanted.Labels = map[string]string{"env": "test"}
	wanted.Owner, wanted.TTL = spuff.Ptr("ci"), spuff.Ptr(time.Hour)
	wanted.SSHKeys = must(provider.GetSSHKeys(ctx))(t)[:1]
	made := must(provider.CreateInstance(ctx, wanted))(t)
	if made.ID == "" || made.Name != "web-1" || made.Ready || made.Labels["env"] != "test" {
		t.Errorf("%+v was made", made)
	}

	var seen []spuff.Progress
	ready := must(provider.WaitReady(ctx, made.ID, spuff.OnProgress(func(p spuff.Progress) {
		seen = append(seen, p)
	})))(t)
	if !ready.Ready || ready.Status != spuff.StatusActive || ready.StatusWord != "active" ||
		ready.IP.IsUnspecified() {
		t.Errorf("%+v is ready", ready)
	}
	if len(seen) == 0 || seen[0].Operation != "wait_ready" || seen[0].ID == "" ||
		seen[0].State == "" {
		t.Errorf("seen on the way: %+v", seen)
	}
	public := slices.IndexFunc(ready.Addresses, func(a spuff.Address) bool {
		return a.Public && a.IP == ready.IP
	})
	if public < 0 || ready.Region == "" || ready.Size != wanted.Size ||
		time.Since(ready.CreatedAt).Abs() > 48*time.Hour {
		t.Errorf("%+v is described", ready)
	}
	expires := must(strconv.ParseInt(ready.Labels[spuff.ExpiresKey], 10, 64))(t)
	if ready.Labels[spuff.ManagedByKey] != spuff.ManagedByValue ||
		ready.Labels[spuff.OwnerKey] != "ci" || ready.ExpiresAt.Unix() != expires {
		t.Errorf("%v are the labels", ready.Labels)
	}

	none(t, provider.SetLabels(ctx, made.ID, map[string]string{"env": "prod", "team": "a"}))
	later := must(provider.Renew(ctx, made.ID, 2*time.Hour))(t)
	got := must(provider.GetInstance(ctx, made.ID))(t)
	if got == nil || got.Labels["env"] != "prod" || got.Labels["team"] != "a" ||
		!got.ExpiresAt.Equal(later) || !later.After(ready.ExpiresAt) {
		t.Errorf("%+v is labelled", got)
	}
	is := func(i spuff.Instance) bool { return i.ID == made.ID }
	listed(t, "machines", is, func() ([]spuff.Instance, error) {
		return provider.ListInstances(ctx)
	})
	listed(t, "machines of the owner", is, func() ([]spuff.Instance, error) {
		return provider.ListOwned(ctx, "ci")
	})
	if others := must(provider.ListOwned(ctx, "nobody"))(t); len(others) > 0 {
		t.Errorf("nobody owns %v", others)
	}

	if !provider.SupportsSnapshots() || provider.Name() != name {
		t.Errorf("%s makes no snapshots", provider.Name())
	}
	snapshot := must(provider.CreateSnapshot(ctx, made.ID, "nightly"))(t)
	if snapshot.ID == "" || snapshot.Name != "nightly" {
		t.Errorf("%+v was made", snapshot)
	}
	isSnapshot := func(s spuff.Snapshot) bool { return s.ID == snapshot.ID }
	listed(t, "snapshots", isSnapshot, func() ([]spuff.Snapshot, error) {
		return provider.ListSnapshots(ctx)
	})
	labelled := listed(t, "labelled snapshots", isSnapshot, func() ([]spuff.Snapshot, error) {
		return provider.ListLabelledSnapshots(ctx)
	})
	if labelled.Labels[spuff.ManagedByKey] != spuff.ManagedByValue || labelled.Name != "nightly" {
		t.Errorf("%+v is listed", labelled)
	}
	restored := request(name, "web-2")
	restored.Image = spuff.SnapshotImage(snapshot.ID)
	second := must(provider.CreateAndWait(ctx, restored, spuff.OnFailureDestroy))(t)

	none(t, provider.DestroyInstance(ctx, second.ID))
	none(t, provider.DestroyInstance(ctx, second.ID))
	none(t, provider.DeleteSnapshot(ctx, snapshot.ID))
	none(t, provider.DeleteSnapshot(ctx, snapshot.ID))
	reap(t, provider, made.ID)
	if gone := must(provider.GetInstance(ctx, made.ID))(t); gone != nil {
		t.Errorf("%+v is still there", gone)
	}
	none(t, spuff.Settled(ctx))
}

// reap ends the machine of the owner: first only in words.
func reap(t *testing.T, provider *spuff.Provider, id string) {
	which := spuff.Reap{
		Owner: spuff.Ptr("ci"), DryRun: true, ConfirmWithin: spuff.Ptr(20 * time.Second),
	}
	found := must(provider.Reap(t.Context(), which))(t)
	if len(found) != 1 || found[0].ID != id || found[0].Gone || found[0].Err != nil ||
		found[0].Owner != "ci" {
		t.Errorf("%+v would be reaped", found)
	}
	which.DryRun = false
	found = must(provider.Reap(t.Context(), which))(t)
	if len(found) != 1 || found[0].Kind != "instance" || !found[0].Gone ||
		found[0].Name != "web-1" || found[0].ExpiresAt.IsZero() {
		t.Errorf("%+v was reaped", found)
	}
	failure(t, second(provider.Reap(t.Context(), spuff.Reap{})), spuff.InvalidConfig)
}

func second[T any](_ T, err error) error { return err }

// listed looks until a list has something, and gives that: the clouds' lists lag.
func listed[T any](t *testing.T, what string, is func(T) bool, list func() ([]T, error)) T {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found := must(list())(t)
		if at := slices.IndexFunc(found, is); at >= 0 {
			return found[at]
		}
		if time.Now().After(end) {
			t.Fatalf("it is not among the %s: %v", what, found)
		}
	}
}

func TestAMachineEndsWithItsWork(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	used := ""
	work := func(_ context.Context, machine spuff.Instance) error {
		used = machine.ID
		return errUnscripted
	}
	if err := provider.WithInstance(
		t.Context(), request("hetzner", "job-1"), work,
	); err != errUnscripted || used == "" {
		t.Errorf("%v came of the work with %q", err, used)
	}
	func() {
		defer func() {
			if reason := recover(); reason != "on purpose" {
				t.Errorf("%v is not the panic", reason)
			}
		}()
		_ = provider.WithInstance(t.Context(), request("hetzner", "job-2"),
			func(context.Context, spuff.Instance) error { panic("on purpose") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err := provider.WithInstance(ctx, request("hetzner", "job-3"),
		func(context.Context, spuff.Instance) error {
			cancel()
			return nil
		})
	none(t, err)
	must(cloud.InjectJSON(
		`{"fault": "unauthorized", "provider": "hetzner", "route": "destroy_instance"}`,
	))(t)
	err = provider.WithInstance(t.Context(), request("hetzner", "job-4"), work)
	lost := failure(t, err, spuff.Authentication)
	if lost.InstanceID != used || !errors.Is(err, errUnscripted) {
		t.Errorf("%v does not tell of both", err)
	}
	none(t, cloud.ClearFaults())
	none(t, provider.DestroyInstance(t.Context(), used))
}
