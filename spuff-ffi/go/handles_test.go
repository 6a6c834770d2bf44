//go:build linux

// No handle is forgotten: the C heap is as large after many rounds as before.

package spuff_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/spuff"
	"example.com/spuff/internal/heap"
)

// A round uses every type of handle: the values that are made, the errors, the tokens, what is
// closed and what is forgotten.
func round(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	script := &complete{}
	script.create = func(context.Context, spuff.InstanceRequest) (spuff.Instance, error) {
		return machine("m-1"), nil
	}
	script.get = func(_ context.Context, id string) (*spuff.Instance, error) {
		return nil, &spuff.Error{
			Kind: spuff.UnknownOutcome, Message: id, Candidates: []string{"a", "b"},
		}
	}
	script.list = func(context.Context) ([]spuff.Instance, error) {
		return []spuff.Instance{machine("m-1")}, nil
	}
	script.destroy = func(context.Context, string) error { return errors.New("it cannot be") }
	registry := spuff.NewRegistry()
	none(t, spuff.Register(registry, "script", spuff.Factory[*complete]{
		Connect: func(spuff.Config) (*complete, error) { return script, nil },
	}))
	must(registry.Describe("script"))(t)
	failure(t, second(registry.Connect("other", spuff.Config{})), spuff.UnknownProvider)
	provider := must(registry.Connect("script", spuff.Config{
		Token: spuff.NewSecret("t"), Region: "east",
	}))(t)
	wanted := spuff.InstanceRequest{
		Name: "web-1", Labels: map[string]string{"k": "v"}, Owner: spuff.Ptr("ci"),
	}
	must(provider.CreateAndWait(ctx, wanted, spuff.OnFailureKeep,
		spuff.OnProgress(func(spuff.Progress) {})))(t)
	failure(t, second(provider.GetInstance(ctx, "m-1")), spuff.UnknownOutcome)
	must(provider.ListInstances(ctx))(t)
	fleet := must(provider.CreateInstances(ctx, []spuff.InstanceRequest{wanted, wanted},
		spuff.FleetOptions{}, spuff.OnProgress(func(spuff.Progress) {})))(t)
	none(t, must(provider.WaitReadyMany(ctx, []string{"m-1", "m-1"}))(t).Err())
	failure(t, must(provider.DestroyInstances(ctx, []string{fleet[1].Instance.ID}, 0))(t)[0].Err,
		spuff.Other)
	must(provider.CreateSnapshot(ctx, "m-1", "n"))(t)
	must(provider.ListLabelledSnapshots(ctx))(t)
	must(provider.Resolve(ctx, "m-1"))(t)
	must(provider.ResolveSnapshot(ctx, "s-1"))(t)
	must(provider.GetSSHKeys(ctx))(t)
	failure(t, provider.DestroyInstance(ctx, "m-1"), spuff.Other)
	found := must(provider.Reap(ctx, spuff.Reap{
		OlderThan: spuff.Ptr(time.Hour), ConfirmWithin: spuff.Ptr(time.Millisecond),
	}))(t)
	if len(found) == 0 || found[0].Err == nil {
		t.Fatalf("%+v was reaped", found)
	}
	none(t, provider.Close())
	none(t, registry.Close())
}

// What glibc keeps of freed memory in each thread cannot be told from what is in use, so this goes
// on without it.
const tunables = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"

func TestNoHandleIsForgotten(t *testing.T) {
	if os.Getenv("GLIBC_TUNABLES") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestNoHandleIsForgotten$", "-test.v")
		again.Env = append(os.Environ(), tunables)
		text, err := again.CombinedOutput()
		if err != nil || !strings.Contains(string(text), "bytes are left") {
			t.Errorf("%v: %s", err, text)
		}
		return
	}
	const rounds = 400
	used := func() int64 {
		for range rounds {
			round(t)
		}
		// The library ends what it was given on threads of its own.
		runtime.GC()
		time.Sleep(200 * time.Millisecond)
		return heap.InUse()
	}
	used()
	before := used()
	grown := used() - before
	t.Logf("%d bytes are left of %d rounds", grown, rounds)
	// The smallest handle takes twice as much in each round; what threads leave behind is less.
	if grown > 32*rounds {
		t.Error("something is forgotten")
	}
}

func TestWhatIsNotClosedEndsWithTheGarbage(t *testing.T) {
	closed := make(chan struct{})
	func() {
		registry := spuff.NewRegistry()
		none(t, spuff.Register(registry, "script", spuff.Factory[*scripted]{
			Connect: func(spuff.Config) (*scripted, error) {
				return &scripted{closed: closed}, nil
			},
		}))
		must(registry.Connect("script", spuff.Config{}))(t)
	}()
	within(t, "a provider that is forgotten", func() {
		for {
			runtime.GC()
			select {
			case <-closed:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}
