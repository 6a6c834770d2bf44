// Fleets at each of the clouds in a box: whole, broken in the middle, cancelled half-way, and
// watched.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/spuff"
)

const size = 20

func wanted(cloud, prefix string) (requests []spuff.InstanceRequest) {
	for number := range size {
		requests = append(requests, request(cloud, fmt.Sprintf("%s-%d", prefix, number)))
	}
	return requests
}

// unlike makes requests differ in more than their names, so that each is a call of its own, of
// which a fault strikes a single one.
func unlike(requests []spuff.InstanceRequest) []spuff.InstanceRequest {
	for at := range requests {
		requests[at].Labels = map[string]string{"part": requests[at].Name}
	}
	return requests
}

func idsOf(outcomes spuff.Outcomes) (ids []string) {
	for _, one := range outcomes {
		var failed *spuff.Error
		if one.Instance != nil {
			ids = append(ids, one.Instance.ID)
		} else if errors.As(one.Err, &failed) && failed.InstanceID != "" {
			ids = append(ids, failed.InstanceID)
		}
	}
	return ids
}

// A tally is what was told of a fleet: of each machine, how far it is.
type tally [size]spuff.Phase

func (y *tally) observe(t *testing.T, prefix string) spuff.Option {
	return spuff.OnProgress(func(seen spuff.Progress) {
		name := prefix
		if prefix != "" {
			name = fmt.Sprintf("%s-%d", prefix, seen.Index)
		}
		if seen.Index < 0 || seen.Name != name {
			t.Fatalf("%+v is not of %s", seen, prefix)
		}
		if seen.Phase == spuff.PhasePending {
			return // It is no further: its end is waited for.
		}
		has := seen.Phase == spuff.PhaseAccepted || seen.Phase == spuff.PhaseReady
		if has != (seen.Instance != nil) || has && seen.Instance.ID != seen.ID ||
			seen.Phase < y[seen.Index] {
			t.Errorf("after %v was seen %+v", y[seen.Index], seen)
		}
		y[seen.Index] = seen.Phase
	})
}

func (y *tally) count(phase spuff.Phase) (found int) {
	for _, one := range y {
		if one == phase {
			found++
		}
	}
	return found
}

func TestAFleetIsMadeAndWatchedAndEnded(t *testing.T) {
	for name := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			provider := connected(t, started(t, spuff.CloudOptions{Speed: 200}), name)
			var made, gone tally
			fleet := spuff.FleetOptions{Concurrency: 4, WaitReady: true}
			outcomes := must(provider.CreateInstances(ctx, wanted(name, "web"), fleet,
				made.observe(t, "web")))(t)
			none(t, outcomes.Err())
			for at, one := range outcomes {
				if one.Instance == nil || !one.Instance.Ready ||
					one.Instance.Name != fmt.Sprintf("web-%d", at) {
					t.Errorf("%d: %+v", at, one.Instance)
				}
			}
			if len(outcomes) != size || made.count(spuff.PhaseReady) != size {
				t.Errorf("%d are there, %v was told", len(outcomes), made)
			}
			ids := idsOf(outcomes)
			awaited := must(provider.WaitReadyMany(ctx, ids))(t)
			if !slices.Equal(idsOf(awaited), ids) || awaited.Err() != nil {
				t.Errorf("%v were awaited", awaited)
			}
			ended := must(provider.DestroyInstances(ctx, ids, 0, gone.observe(t, "")))(t)
			none(t, ended.Err())
			if len(ended) != size || ended[0].Instance != nil ||
				gone.count(spuff.PhaseDestroyed) != size {
				t.Errorf("%v was ended, %v was told", ended, gone)
			}
		})
	}
}

// broken makes a fleet of which one create is refused.
func broken(
	t *testing.T, cloud *spuff.Cloud, provider *spuff.Provider, fleet spuff.FleetOptions,
	failures int,
) (spuff.Outcomes, *tally) {
	must(cloud.InjectJSON(
		`{"fault": "capacity_out", "route": "create_instance", "skip": 9, "times": 1}`,
	))(t)
	told := new(tally)
	outcomes := must(provider.CreateInstances(t.Context(), unlike(wanted(provider.Name(), "web")),
		fleet, told.observe(t, "web")))(t)
	if len(outcomes) != size || !errors.Is(outcomes.Err(), spuff.Capacity) ||
		told.count(spuff.PhaseFailed) != failures {
		t.Errorf("%v came of it, %v was told", outcomes, told)
	}
	return outcomes, told
}

func TestAFailureLeavesTheOthers(t *testing.T) {
	for name := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := started(t, spuff.CloudOptions{Speed: 200})
			provider := connected(t, cloud, name)
			outcomes, told := broken(t, cloud, provider,
				spuff.FleetOptions{Concurrency: 4, OnFailure: spuff.RollbackKeep}, 1)
			failed := slices.IndexFunc(outcomes, func(one spuff.Outcome) bool {
				return one.Err != nil
			})
			if e := failure(t, outcomes[failed].Err, spuff.Capacity); e.Provider != name ||
				e.InstanceID != "" {
				t.Errorf("%+v is the error of the one that was refused", e)
			}
			ids := idsOf(outcomes)
			if len(ids) != size-1 || told.count(spuff.PhaseAccepted) != size-1 ||
				len(must(cloud.Leaks())(t)) != size-1 {
				t.Errorf("%v are left, %v was told", ids, told)
			}
			none(t, must(provider.DestroyInstances(t.Context(), ids, 4))(t).Err())
		})
	}
}

func TestAFailureEndsTheOthersWhereItIsToDoSo(t *testing.T) {
	for name := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := started(t, spuff.CloudOptions{Speed: 200})
			provider := connected(t, cloud, name)
			fleet := spuff.FleetOptions{
				Concurrency: 4, OnFailure: spuff.RollbackDestroyAll, WaitReady: true,
			}
			outcomes, _ := broken(t, cloud, provider, fleet, size)
			for at, one := range outcomes {
				if errors.Is(one.Err, spuff.Capacity) {
					continue
				}
				e := failure(t, one.Err, spuff.Cancelled)
				if one.Instance != nil ||
					e.InstanceID != "" && (e.InstanceExists == nil || *e.InstanceExists) {
					t.Errorf("%d: %+v", at, e)
				}
			}
			if left := must(cloud.Leaks())(t); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

func TestOfMachinesThatDoNotBecomeReadyOnlyThoseAreEnded(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{Speed: 1000})
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	config := quick(must(cloud.Config("hetzner"))(t))
	config.Timeouts.InstanceReady = spuff.Ptr(5 * time.Second)
	provider := must(registry.Connect("hetzner", config))(t)
	defer provider.Close()
	for rollback, exists := range map[spuff.Rollback]bool{
		spuff.RollbackDestroyFailed: false,
		spuff.RollbackKeep:          true,
	} {
		must(cloud.InjectJSON(
			`{"fault": "stuck_creating", "route": "create_instance", "skip": 3, "times": 1}`,
		))(t)
		fleet := spuff.FleetOptions{OnFailure: rollback, WaitReady: true}
		outcomes := must(provider.CreateInstances(t.Context(),
			unlike(wanted("hetzner", "web")), fleet))(t)
		failed := slices.IndexFunc(outcomes, func(one spuff.Outcome) bool { return one.Err != nil })
		e := failure(t, outcomes.Err(), spuff.Timeout)
		if e.InstanceID == "" || e.InstanceExists == nil || *e.InstanceExists != exists ||
			outcomes[failed].Err != e {
			t.Errorf("%+v is the error of the one that was stuck", e)
		}
		none(t, must(provider.DestroyInstances(t.Context(), idsOf(outcomes), 0))(t).Err())
	}
}

func TestAFleetThatIsCancelledLeavesNothing(t *testing.T) {
	for name := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := started(t, spuff.CloudOptions{Speed: 200})
			provider := connected(t, cloud, name)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			accepted := 0
			fleet := spuff.FleetOptions{
				Concurrency: 2, OnFailure: spuff.RollbackKeep, WaitReady: true,
			}
			within(t, "a fleet that is cancelled", func() {
				outcomes, err := provider.CreateInstances(ctx, unlike(wanted(name, "web")), fleet,
					spuff.OnProgress(func(seen spuff.Progress) {
						if seen.Phase == spuff.PhaseAccepted {
							accepted++
						}
						if accepted == size/2 {
							cancel()
						}
					}))
				e := failure(t, err, spuff.Cancelled)
				if outcomes != nil || !errors.Is(err, context.Canceled) || e.Provider != name ||
					e.Operation != "create_instances" {
					t.Errorf("%v came of it, and %+v", outcomes, e)
				}
			})
			none(t, spuff.Settled(t.Context()))
			if left := must(cloud.Leaks())(t); accepted < size/2 || len(left) > 0 {
				t.Errorf("of %d, %v is left", accepted, left)
			}
		})
	}
}

func TestWhatCannotBeIsSaidBeforeAnythingIsDone(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	requests := wanted("hetzner", "web")
	ask := func(fleet spuff.FleetOptions) error {
		return second(provider.CreateInstances(t.Context(), requests, fleet))
	}
	for field, err := range map[string]error{
		"concurrency": ask(spuff.FleetOptions{Concurrency: -1}),
		"on_failure":  ask(spuff.FleetOptions{OnFailure: 7}),
		"ids":         second(provider.WaitReadyMany(t.Context(), []string{"1", "2\x003"})),
	} {
		if e := failure(t, err, spuff.InvalidConfig); e.Field != field {
			t.Errorf("%v is about %s", e, field)
		}
	}
	failure(t, second(provider.DestroyInstances(t.Context(), []string{"1"}, -1)),
		spuff.InvalidConfig)
	requests[7].Labels = map[string]string{"a": "\xff"}
	err := ask(spuff.FleetOptions{})
	if failure(t, err, spuff.InvalidConfig); !strings.Contains(err.Error(), "request 7") {
		t.Errorf("%v does not say which request", err)
	}
	if count := must(cloud.RequestCount("hetzner"))(t); count > 0 {
		t.Errorf("%d requests were sent", count)
	}
	for what, none := range map[string]spuff.Outcomes{
		"made":      must(provider.CreateInstances(t.Context(), nil, spuff.FleetOptions{}))(t),
		"awaited":   must(provider.WaitReadyMany(t.Context(), nil))(t),
		"destroyed": must(provider.DestroyInstances(t.Context(), nil, 0))(t),
	} {
		if len(none) > 0 || none.Err() != nil {
			t.Errorf("%v was %s", none, what)
		}
	}
}

func TestAWatchTellsOfAllAndThenOfTheEnd(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "digitalocean")
	made := must(provider.CreateInstances(t.Context(), wanted("digitalocean", "web"),
		spuff.FleetOptions{}))(t)
	none(t, made.Err())
	ids := append(idsOf(made), "987654321")
	seen, outcomes := provider.Watch(t.Context(), ids)
	phases := make(map[int]spuff.Phase)
	for one := range seen {
		if one.ID != ids[one.Index] {
			t.Errorf("%+v is not %s", one, ids[one.Index])
		}
		phases[one.Index] = one.Phase
	}
	ended := must(outcomes())(t)
	for at := range ids {
		if last := at == size; last != errors.Is(ended[at].Err, spuff.NotFound) ||
			last != (phases[at] == spuff.PhaseFailed) {
			t.Errorf("%d: %v, %+v", at, phases[at], ended[at])
		}
	}
	if again := must(outcomes())(t); len(phases) != size+1 || len(ended) != size+1 ||
		!slices.Equal(idsOf(again), idsOf(ended)) {
		t.Errorf("%v were seen, %v came of it", phases, again)
	}
	passed := must(second2(provider.Watch(t.Context(), ids[:size]))())(t)
	none(t, passed.Err())
	none(t, must(provider.DestroyInstances(t.Context(), ids, 0))(t).Err())
}

func second2[A, B any](_ A, b B) B { return b }

func TestAWatchEndsWithItsContext(t *testing.T) {
	provider, id := waiting(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen, outcomes := provider.Watch(ctx, []string{id})
	if one := <-seen; one.ID != id || one.Phase != spuff.PhaseBooting {
		t.Errorf("%+v was seen", one)
	}
	// Nobody receives any more.
	cancel()
	within(t, "a watch whose context is over", func() {
		all := make([]byte, 1<<20)
		for strings.Contains(string(all[:runtime.Stack(all, true)]), "spuff.(*Provider).Watch") {
			time.Sleep(5 * time.Millisecond)
		}
	})
	if _, open := <-seen; open {
		t.Error("the channel is not closed")
	}
	if _, err := outcomes(); failure(t, err, spuff.Cancelled).Operation != "wait_ready_many" ||
		!errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
