//go:build linux

// Calls in a row hold what they use, what a provider answers is no more than it is, and no call
// that waits holds a thread.

package spuff_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/spuff"
)

// A counted provider has machines that are ready at once, and counts them.
type counted struct {
	live atomic.Int64
	// half lets a create fail after the machine was made.
	half bool
	// gate holds up what the tests look at.
	gate chan struct{}
	// answer is what some verbs answer with.
	answer func() error
}

func (c *counted) machine() spuff.Instance {
	return spuff.Instance{
		ID:        "m-1",
		Status:    spuff.StatusActive,
		CreatedAt: time.Now(),
		IP:        netip.MustParseAddr("192.0.2.1"),
	}
}

func (c *counted) CreateInstance(context.Context, spuff.InstanceRequest) (spuff.Instance, error) {
	c.live.Add(1)
	if c.half {
		return c.machine(), &spuff.Error{
			Kind:    spuff.Network,
			Message: "the labels could not be set",
		}
	}
	return c.machine(), nil
}

func (c *counted) DestroyInstance(context.Context, string) error {
	c.live.Add(-1)
	return nil
}

func (c *counted) GetInstance(ctx context.Context, _ string) (*spuff.Instance, error) {
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if c.answer != nil {
		return nil, c.answer()
	}
	machine := c.machine()
	return &machine, nil
}

func (c *counted) ListInstances(context.Context) ([]spuff.Instance, error) { return nil, nil }

func (c *counted) GetSSHKeys(ctx context.Context) ([]string, error) {
	_, err := c.GetInstance(ctx, "")
	return []string{"key"}, err
}

func (c *counted) HourlyPrice(context.Context, string, string) (spuff.Price, error) {
	return spuff.Price{Micros: 5600, Currency: "EUR"}, nil
}

func TestAMachineEndsWithItsWorkAlsoWhenTheProviderIsClosedMeanwhile(t *testing.T) {
	implementation := &counted{}
	provider := played(t, implementation)
	none(t, provider.WithInstance(t.Context(), spuff.InstanceRequest{Name: "web-1"},
		func(context.Context, spuff.Instance) error { return provider.Close() }))
	if left := implementation.live.Load(); left != 0 {
		t.Errorf("%d machines are left", left)
	}
	err := provider.WithInstance(t.Context(), spuff.InstanceRequest{Name: "web-1"},
		func(context.Context, spuff.Instance) error { return nil })
	if !errors.Is(err, spuff.ErrClosed) {
		t.Errorf("not %v", err)
	}
}

func TestAWatchGoesOnWhenTheProviderIsClosedRightAfterItsBeginning(t *testing.T) {
	for range 50 {
		provider := played(t, &counted{})
		_, outcomes := provider.Watch(t.Context(), []string{"m-1"})
		none(t, provider.Close())
		if ended := must(outcomes())(t); ended.Err() != nil || len(ended) != 1 {
			t.Fatal(ended.Err())
		}
	}
}

func TestWhatACreateHasMadeBesideAnErrorIsKnownAndEnded(t *testing.T) {
	implementation := &counted{half: true}
	provider := played(t, implementation)
	e := failure(t,
		second(provider.CreateInstance(t.Context(), spuff.InstanceRequest{Name: "web-1"})),
		spuff.Network)
	if e.InstanceID != "m-1" || e.InstanceExists == nil || !*e.InstanceExists ||
		implementation.live.Load() != 1 {
		t.Errorf("%+v, %d machines", e, implementation.live.Load())
	}
	request := spuff.InstanceRequest{Name: "web-1"}
	e = failure(t, second(provider.CreateAndWait(t.Context(), request, spuff.OnFailureDestroy)),
		spuff.Network)
	if e.InstanceID != "m-1" || *e.InstanceExists || implementation.live.Load() != 1 {
		t.Errorf("%+v, %d machines", e, implementation.live.Load())
	}
}

func TestANilErrorIsNoneAndOneThatPanicsIsContained(t *testing.T) {
	implementation := &counted{}
	provider := played(t, implementation)
	implementation.answer = func() error { var none *spuff.Error; return none }
	must(provider.GetInstance(t.Context(), "m-1"))(t)
	implementation.answer = func() error { return panics{} }
	e := failure(t, second(provider.GetInstance(t.Context(), "m-1")), spuff.Internal)
	if !strings.Contains(e.Error(), "no words") {
		t.Error(e)
	}
	var reaped spuff.Reaped
	if errors.Join(reaped.Err) != nil {
		t.Error("what was reaped has no error")
	}
}

// An error whose text cannot be had.
type panics struct{}

func (panics) Error() string { panic("no words") }

func TestWhatGoProvidersCostIsAsked(t *testing.T) {
	price := must(played(t, &counted{}).HourlyPrice(t.Context(), "", "small"))(t)
	if price.Micros != 5600 || price.Currency != "EUR" || !price.Listed {
		t.Errorf("%+v", price)
	}
}

// Each verb that waits does so without a thread of the operating system: the provider's own methods
// hold one each, so that the calls here wait for a cloud's reply.
func TestNoVerbHoldsAThreadWhileItWaits(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	must(cloud.InjectJSON(`{"fault": {"slow": {"millis": 1500}}}`))(t)
	ctx, cancel := context.WithCancel(t.Context())
	const each = 40
	verbs := map[string]func() error{
		"ListOwned": func() error { return second(provider.ListOwned(ctx, "ci")) },
		"Labelled":  func() error { return second(provider.ListLabelledSnapshots(ctx)) },
		"Resolve":   func() error { return second(provider.Resolve(ctx, "key")) },
		"Snapshot":  func() error { return second(provider.ResolveSnapshot(ctx, "key")) },
		"SetLabels": func() error {
			return provider.SetLabels(ctx, "1", map[string]string{"a": "b"})
		},
		"GetSSHKeys":  func() error { return second(provider.GetSSHKeys(ctx)) },
		"Renew":       func() error { return second(provider.Renew(ctx, "1", time.Hour)) },
		"HourlyPrice": func() error { return second(provider.HourlyPrice(ctx, "fsn1", "cx22")) },
	}
	before := threads(t)
	var calls sync.WaitGroup
	var begun atomic.Int64
	for _, verb := range verbs {
		for range each {
			calls.Add(1)
			go func() {
				defer calls.Done()
				begun.Add(1)
				_ = verb()
			}()
		}
	}
	for begun.Load() < int64(each*len(verbs)) {
		runtime.Gosched()
	}
	time.Sleep(200 * time.Millisecond)
	if now := threads(t); now > before+each {
		t.Errorf("%d threads for %d calls, %d before", now, each*len(verbs), before)
	}
	cancel()
	calls.Wait()
}

func TestADeadlineTellsItsCause(t *testing.T) {
	because := errors.New("the build takes too long")
	implementation := &counted{gate: make(chan struct{})}
	provider := played(t, implementation)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, because)
	defer cancel()
	e := failure(t, second(provider.GetInstance(ctx, "m-1")), spuff.Timeout)
	if !errors.Is(e, because) || !errors.Is(e, context.DeadlineExceeded) || !e.Timeout() {
		t.Errorf("%v: %v", e, e.Unwrap())
	}
	close(implementation.gate)
}

// threads are how many the process has.
func threads(t *testing.T) int {
	t.Helper()
	return len(must(os.ReadDir("/proc/self/task"))(t))
}

func TestADeadlineTellsWhichMachineIsBeingDestroyed(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	must(cloud.InjectJSON(
		`{"fault": "stuck_creating", "provider": "hetzner", "route": "create_instance"}`,
	))(t)
	provider := connected(t, cloud, "hetzner")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	accepted := spuff.OnProgress(func(seen spuff.Progress) {
		if seen.Phase == spuff.PhaseBooting {
			cancel()
		}
	})
	e := failure(t, second(provider.CreateAndWait(ctx, request("hetzner", "web-1"),
		spuff.OnFailureDestroy, accepted)), spuff.Cancelled)
	if e.InstanceID == "" || !strings.Contains(e.Text, "being destroyed in the background") {
		t.Errorf("%v: %q", e, e.InstanceID)
	}
	if !strings.Contains(e.Advice(), "being destroyed") || e.Advice() == spuff.Cancelled.Advice() {
		t.Error(e.Advice())
	}
	none(t, spuff.Settled(t.Context()))
}
