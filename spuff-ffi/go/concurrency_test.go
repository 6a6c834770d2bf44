// Many goroutines at once, and handles that are closed under them.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/spuff"
)

// together runs work on so many goroutines at once.
func together(count int, work func(number int)) {
	var all sync.WaitGroup
	for number := range count {
		all.Add(1)
		go func() {
			defer all.Done()
			work(number)
		}()
	}
	all.Wait()
}

func TestSixteenGoroutinesUseOneProvider(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{Speed: 200})
	provider := connected(t, cloud, "digitalocean")
	var lives atomic.Int32
	together(16, func(number int) {
		for turn := range 3 {
			if err := life(
				t.Context(), provider, fmt.Sprintf("web-%d-%d", number, turn),
			); err != nil {
				t.Error(err)
				return
			}
			lives.Add(1)
		}
	})
	if lives.Load() != 48 {
		t.Errorf("%d lives were lived", lives.Load())
	}
}

func life(ctx context.Context, provider *spuff.Provider, name string) error {
	wanted := request("digitalocean", name)
	wanted.Labels = map[string]string{"turn": name}
	var seen int
	made, err := provider.CreateAndWait(ctx, wanted, spuff.OnFailureDestroy,
		spuff.OnProgress(func(spuff.Progress) { seen++ }))
	if err != nil {
		return err
	}
	if !made.Ready || made.Name != name || made.Labels["turn"] != name || seen == 0 {
		return fmt.Errorf("%+v was made, seen %d times", made, seen)
	}
	found, err := provider.GetInstance(ctx, made.ID)
	if err != nil || found == nil || found.ID != made.ID {
		return errors.Join(err, fmt.Errorf("%+v was found", found))
	}
	if _, err := provider.ListInstances(ctx); err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := provider.WaitReady(cancelled, made.ID); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%v came of a wait that was cancelled", err)
	}
	return provider.DestroyInstance(ctx, made.ID)
}

func TestWaitingTakesNoThreads(t *testing.T) {
	const waiters = 1000
	provider, id := waiting(t)
	before := pprof.Lookup("threadcreate").Count()
	ctx, cancel := context.WithCancel(t.Context())
	var begun sync.WaitGroup
	begun.Add(waiters)
	go func() {
		begun.Wait()
		cancel()
	}()
	var cancelled atomic.Int32
	together(waiters, func(int) {
		once := sync.OnceFunc(begun.Done)
		_, err := provider.WaitReady(ctx, id, spuff.OnProgress(func(spuff.Progress) { once() }))
		if errors.Is(err, context.Canceled) {
			cancelled.Add(1)
		}
	})
	// Callbacks come from threads of the library's, which takes no more than some hundreds for
	// them.
	threads := pprof.Lookup("threadcreate").Count() - before
	if cancelled.Load() != waiters || threads > waiters*3/4 {
		t.Errorf("%d waits were cancelled; they took %d threads", cancelled.Load(), threads)
	}
}

func TestObserversCanWaitForEachOtherAndUseTheLibraryManyAtOnce(t *testing.T) {
	// More than the library keeps threads for callbacks.
	const observers = 600
	provider, id := waiting(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	all.Add(observers)
	var found atomic.Int32
	within(t, "a crowd of observers", func() {
		together(observers, func(int) {
			once := sync.OnceFunc(func() {
				all.Done()
				all.Wait()
				if one, err := provider.GetInstance(ctx, id); err == nil && one != nil &&
					found.Add(1) == observers {
					cancel()
				}
			})
			if _, err := provider.WaitReady(ctx, id, spuff.OnProgress(func(spuff.Progress) {
				once()
			})); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	})
	if found.Load() != observers {
		t.Errorf("%d of %d were answered", found.Load(), observers)
	}
}

func TestProvidersInGoCanUseOthersManyAtOnce(t *testing.T) {
	// More than there are threads for the verbs of such providers.
	const callers = 700
	cloud := started(t, spuff.CloudOptions{})
	inner := connected(t, cloud, "hetzner")
	outer := played(t, &scripted{
		get: func(ctx context.Context, id string) (*spuff.Instance, error) {
			time.Sleep(100 * time.Millisecond)
			return inner.GetInstance(ctx, id)
		},
	})
	var answered atomic.Int32
	within(t, "a crowd of calls", func() {
		together(callers, func(int) {
			if found, err := outer.GetInstance(t.Context(), "7"); err == nil && found == nil {
				answered.Add(1)
			}
		})
	})
	if answered.Load() != callers {
		t.Errorf("%d of %d were answered", answered.Load(), callers)
	}
}

func TestACallGoesOnWhenItsProviderIsClosed(t *testing.T) {
	begun, proceed := make(chan struct{}), make(chan struct{})
	closed := make(chan struct{})
	provider := played(t, &scripted{
		closed: closed,
		get: func(context.Context, string) (*spuff.Instance, error) {
			close(begun)
			<-proceed
			found := machine("m-1")
			return &found, nil
		},
	})
	go func() {
		<-begun
		none(t, provider.Close())
		none(t, provider.Close())
		close(proceed)
	}()
	if found := must(provider.GetInstance(t.Context(), "m-1"))(t); found == nil ||
		found.ID != "m-1" {
		t.Errorf("%+v was found", found)
	}
	within(t, "the end of the provider", func() { <-closed })
}

func TestWhatIsClosedSaysSo(t *testing.T) {
	cloud := must(spuff.StartCloud(spuff.CloudOptions{}))(t)
	config := must(cloud.Config("aws"))(t)
	registry := spuff.NewRegistryWithDefaults()
	provider := must(registry.Connect("aws", config))(t)
	for _, handle := range []interface{ Close() error }{
		provider, registry, cloud, provider, registry, cloud,
	} {
		none(t, handle.Close())
	}
	ctx := t.Context()
	for what, err := range map[string]error{
		"provider create":  second(provider.CreateInstance(ctx, request("aws", "web-1"))),
		"provider wait":    second(provider.WaitReady(ctx, "i-1")),
		"provider list":    second(provider.ListInstances(ctx)),
		"provider reap":    second(provider.Reap(ctx, spuff.Reap{Expired: true})),
		"provider labels":  provider.SetLabels(ctx, "i-1", nil),
		"registry connect": second(registry.Connect("aws", config)),
		"registry names":   second(registry.RegisteredProviders()),
		"registry is":      second(registry.IsRegistered("aws")),
		"registry register": spuff.Register(registry, "x", spuff.Factory[*scripted]{
			Connect: func(spuff.Config) (*scripted, error) { return nil, nil },
		}),
		"cloud leaks":   second(cloud.Leaks()),
		"cloud hits":    second(cloud.Hits(0)),
		"cloud advance": cloud.Advance(time.Second),
	} {
		if e := failure(t, err, spuff.InvalidConfig); !errors.Is(err, spuff.ErrClosed) ||
			e.Field != what[:len(e.Field)] {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if provider.Name() != "aws" || !provider.SupportsSnapshots() || cloud.Address() == "" {
		t.Error("what is known without the library is forgotten")
	}
}

func TestClosingWhileManyCall(t *testing.T) {
	for range 50 {
		provider := played(t, &scripted{
			get: func(context.Context, string) (*spuff.Instance, error) { return nil, nil },
		})
		together(8, func(number int) {
			if number == 0 {
				none(t, provider.Close())
				return
			}
			if _, err := provider.GetInstance(t.Context(), "m-1"); err != nil &&
				!errors.Is(err, spuff.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// A wrapper uses another provider when it is closed.
type wrapper struct {
	scripted
	inner *spuff.Provider
	ended chan error
}

func (w *wrapper) Close() error {
	_, err := w.inner.GetInstance(context.Background(), "7")
	w.ended <- err
	return nil
}

func TestAProviderThatTheBackgroundLetsGoOfLastMayUseAnother(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	outer := &wrapper{
		inner: connected(t, started(t, spuff.CloudOptions{}), "hetzner"),
		ended: make(chan error, 1),
	}
	outer.create = func(context.Context, spuff.InstanceRequest) (spuff.Instance, error) {
		close(begun)
		<-goOn
		return spuff.Instance{}, spuff.Capacity
	}
	provider := played(t, outer)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	failure(t, second(provider.CreateInstance(ctx, request("hetzner", "web-1"))), spuff.Cancelled)
	none(t, provider.Close())
	close(goOn)
	within(t, "a provider that uses another when it is closed", func() {
		if err := <-outer.ended; err != nil {
			t.Error(err)
		}
	})
}
