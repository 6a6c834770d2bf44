// Contexts end calls, and the errors say which, and of what machine.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"example.com/spuff"
)

// waiting is a machine that never becomes ready, and a provider of it.
func waiting(t *testing.T) (*spuff.Provider, string) {
	cloud := started(t, spuff.CloudOptions{})
	must(cloud.InjectJSON(
		`{"fault": "stuck_creating", "provider": "hetzner", "route": "create_instance"}`,
	))(t)
	provider := connected(t, cloud, "hetzner")
	id := must(provider.CreateInstance(t.Context(), request("hetzner", "web-1")))(t).ID
	t.Cleanup(func() { none(t, provider.DestroyInstance(context.Background(), id)) })
	return provider, id
}

func TestACancelledWaitReturnsAndKnowsTheMachine(t *testing.T) {
	provider, id := waiting(t)
	reason := errors.New("the user has left")
	ctx, cancel := context.WithCancelCause(t.Context())
	within(t, "a wait that is cancelled", func() {
		_, err := provider.WaitReady(ctx, id, spuff.OnProgress(func(spuff.Progress) {
			cancel(reason)
		}))
		e := failure(t, err, spuff.Cancelled)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) ||
			errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is not the context's", err)
		}
		if e.InstanceID != id || e.Operation != "wait_ready" || e.Provider != "hetzner" {
			t.Errorf("%+v does not know its machine", e)
		}
	})
	_, err := provider.GetInstance(ctx, id)
	if failure(t, err, spuff.Cancelled).InstanceID != id || !errors.Is(err, context.Canceled) {
		t.Errorf("%v came of a context that was over", err)
	}
}

func TestTheContextsDeadlineIsTheCalls(t *testing.T) {
	provider, id := waiting(t)
	within(t, "a wait with a deadline", func() {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := provider.WaitReady(ctx, id)
		e := failure(t, err, spuff.Timeout)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
			e.InstanceID != id || e.Elapsed <= 0 {
			t.Errorf("%+v is not that of the deadline", e)
		}
	})
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel()
	err := second(provider.ListInstances(past))
	if failure(t, err, spuff.Timeout); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v came of a deadline that had passed", err)
	}
}

func TestAnErrorOfTheCloudIsNotTheContexts(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	config := quick(must(cloud.Config("hetzner"))(t))
	config.Timeouts.InstanceReady = spuff.Ptr(100 * time.Millisecond)
	provider := must(registry.Connect("hetzner", config))(t)
	defer provider.Close()
	must(cloud.InjectJSON(
		`{"fault": "stuck_creating", "provider": "hetzner", "route": "create_instance"}`,
	))(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := provider.CreateAndWait(ctx, request("hetzner", "web-1"), spuff.OnFailureKeep)
	e := failure(t, err, spuff.Timeout)
	if errors.Is(err, context.DeadlineExceeded) || e.InstanceExists == nil || !*e.InstanceExists ||
		e.InstanceID == "" {
		t.Errorf("%+v is not that of the wait", e)
	}
	none(t, provider.DestroyInstance(ctx, e.InstanceID))
	_, err = provider.CreateAndWait(ctx, request("hetzner", "web-2"), spuff.OnFailureDestroy)
	if e := failure(t, err, spuff.Timeout); e.InstanceExists == nil || *e.InstanceExists {
		t.Errorf("%+v does not tell that the machine is gone", e)
	}
}

func TestACancelledCreateLeavesNothing(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "digitalocean")
	slow := must(
		cloud.InjectJSON(`{"fault": {"slow": {"millis": 1500}}, "route": "create_instance"}`),
	)(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for ; ; time.Sleep(5 * time.Millisecond) {
			if hits, err := cloud.Hits(slow); hits > 0 || err != nil {
				return
			}
		}
	}()
	within(t, "a create that is cancelled", func() {
		err := second(provider.CreateInstance(ctx, request("digitalocean", "web-1")))
		if failure(t, err, spuff.Cancelled); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	none(t, spuff.Settled(t.Context()))
	if leaks := must(cloud.Leaks())(t); len(leaks) > 0 {
		t.Errorf("%v is left", leaks)
	}
}

func TestSettledEndsWithItsContext(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "digitalocean")
	must(cloud.InjectJSON(`{"fault": {"slow": {"millis": 2000}}, "route": "create_instance"}`))(t)
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	failure(t, second(provider.CreateInstance(short, request("digitalocean", "web-1"))),
		spuff.Timeout)
	err := spuff.Settled(short)
	if failure(t, err, spuff.Timeout); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	none(t, spuff.Settled(t.Context()))
}

func TestAPanicOfWhoeverObservesCancelsTheCall(t *testing.T) {
	provider, id := waiting(t)
	within(t, "a wait whose observer panics", func() {
		defer func() {
			if reason := recover(); reason != "on purpose" {
				t.Errorf("%v is not the panic", reason)
			}
		}()
		_, err := provider.WaitReady(t.Context(), id, spuff.OnProgress(func(spuff.Progress) {
			panic("on purpose")
		}))
		t.Errorf("it returned %v", err)
	})
	if found := must(provider.GetInstance(t.Context(), id))(t); found == nil {
		t.Error("the provider is of no use any more")
	}
}

// makers are the calls that make machines and tell of them, of three machines in all where they
// can.
var makers = map[string]func(*spuff.Provider, []spuff.InstanceRequest, spuff.Option) error{
	"CreateInstances": func(
		p *spuff.Provider, wanted []spuff.InstanceRequest, observed spuff.Option,
	) error {
		return second(p.CreateInstances(context.Background(), wanted,
			spuff.FleetOptions{}, observed))
	},
	"CreateInstances, ready": func(
		p *spuff.Provider, wanted []spuff.InstanceRequest, observed spuff.Option,
	) error {
		return second(p.CreateInstances(context.Background(), wanted,
			spuff.FleetOptions{WaitReady: true}, observed))
	},
	"PlaceInstances": func(
		p *spuff.Provider, wanted []spuff.InstanceRequest, observed spuff.Option,
	) error {
		placement := spuff.Placement{Candidates: at(p)}
		return second(spuff.PlaceInstances(context.Background(), placement, wanted,
			spuff.FleetOptions{}, observed))
	},
	"PlaceInstance": func(
		p *spuff.Provider, wanted []spuff.InstanceRequest, observed spuff.Option,
	) error {
		return second(spuff.PlaceInstance(context.Background(), spuff.Placement{Candidates: at(p)},
			wanted[0], observed))
	},
	"CreateAndWait": func(
		p *spuff.Provider, wanted []spuff.InstanceRequest, observed spuff.Option,
	) error {
		return second(p.CreateAndWait(context.Background(), wanted[0],
			spuff.OnFailureDestroy, observed))
	},
}

func TestMachinesWhoseObserverFailsAreEndedUnlessTheyAreKept(t *testing.T) {
	fails := map[string]func(){"panic": func() { panic("on purpose") }, "Goexit": runtime.Goexit}
	for what, make := range makers {
		for how, fail := range fails {
			for fate, kept := range map[spuff.OnCancel]bool{
				spuff.OnCancelDefault: false,
				spuff.OnCancelKeep:    true,
			} {
				t.Run(fmt.Sprintf("%s %s %v", what, how, kept), func(t *testing.T) {
					cloud := started(t, spuff.CloudOptions{Speed: 1000})
					provider := connected(t, cloud, "hetzner")
					wanted := unlike(wanted("hetzner", "web")[:3])
					for at := range wanted {
						wanted[at].OnCancel = fate
					}
					left := len(wanted)
					if what == "PlaceInstance" || what == "CreateAndWait" {
						left = 1
					}
					accepted := 0
					within(t, "a call whose observer fails", func() {
						defer func() { _ = recover() }()
						t.Errorf("it returned %v",
							make(provider, wanted, spuff.OnProgress(func(seen spuff.Progress) {
								if seen.Phase == spuff.PhaseAccepted {
									accepted++
								}
								if accepted == left {
									time.Sleep(300 * time.Millisecond) // All could be over.
									fail()
								}
							})))
					})
					none(t, spuff.Settled(t.Context()))
					if !kept {
						left = 0
					}
					found := must(cloud.Leaks())(t)
					if len(found) != left {
						t.Errorf("%v is left", found)
					}
					for _, machine := range found {
						none(t, provider.DestroyInstance(t.Context(), machine.ID))
					}
				})
			}
		}
	}
}
