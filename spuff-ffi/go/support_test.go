// What the tests share: clouds in a box, and a provider in Go that does what a test says.

package spuff_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/spuff"
)

// places are the clouds, each with a region and a size that it has.
var places = map[string][2]string{
	"digitalocean": {"nyc3", "s-1vcpu-1gb"},
	"hetzner":      {"fsn1", "cx22"},
	"aws":          {"us-east-1", "t3.micro"},
}

func request(cloud, name string) spuff.InstanceRequest {
	return spuff.InstanceRequest{Name: name, Region: places[cloud][0], Size: places[cloud][1]}
}

// must gives a value whose error ends the test.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func none(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failure gives an error of a kind with all that is known; any other ends the test.
func failure(t testing.TB, err error, kind spuff.Kind) *spuff.Error {
	t.Helper()
	var e *spuff.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || e.Kind != kind || e.Error() == "" {
		t.Fatalf("%v is not of the kind %v", err, kind)
	}
	return e
}

// started starts the clouds; at the end of the test nothing may be left in them.
func started(t testing.TB, options spuff.CloudOptions) *spuff.Cloud {
	t.Helper()
	if options.Speed == 0 {
		options.Speed = 60
	}
	cloud := must(spuff.StartCloud(options))(t)
	t.Cleanup(func() {
		if leaks := must(cloud.Leaks())(t); len(leaks) > 0 && !t.Failed() {
			t.Errorf("left behind: %v", leaks)
		}
		none(t, cloud.Close())
	})
	return cloud
}

// quick are timeouts for the clouds' fast time.
func quick(config spuff.Config) spuff.Config {
	config.Timeouts.PollInterval = spuff.Ptr(20 * time.Millisecond)
	config.Timeouts.HTTPRequest = spuff.Ptr(5 * time.Second)
	return config
}

// connected makes the provider of a cloud in a box.
func connected(t testing.TB, cloud *spuff.Cloud, name string) *spuff.Provider {
	t.Helper()
	registry := spuff.NewRegistryWithDefaults()
	provider := must(registry.Connect(name, quick(must(cloud.Config(name))(t))))(t)
	none(t, registry.Close())
	t.Cleanup(func() { none(t, provider.Close()) })
	return provider
}

// A scripted provider does what its functions say, and has all verbs.
type scripted struct {
	create  func(context.Context, spuff.InstanceRequest) (spuff.Instance, error)
	destroy func(context.Context, string) error
	get     func(context.Context, string) (*spuff.Instance, error)
	list    func(context.Context) ([]spuff.Instance, error)
	closed  chan struct{}
}

var errUnscripted = errors.New("the test has no script for this")

func (s *scripted) CreateInstance(
	ctx context.Context, request spuff.InstanceRequest,
) (spuff.Instance, error) {
	return s.create(ctx, request)
}

func (s *scripted) DestroyInstance(ctx context.Context, id string) error {
	return s.destroy(ctx, id)
}

func (s *scripted) GetInstance(ctx context.Context, id string) (*spuff.Instance, error) {
	return s.get(ctx, id)
}

func (s *scripted) ListInstances(ctx context.Context) ([]spuff.Instance, error) {
	if s.list == nil {
		return nil, errUnscripted
	}
	return s.list(ctx)
}

func (s *scripted) Close() error {
	if s.closed != nil {
		close(s.closed)
	}
	return nil
}

// played makes a provider of a script.
func played[P spuff.Implementation](t testing.TB, script P) *spuff.Provider {
	t.Helper()
	registry := spuff.NewRegistry()
	none(t, spuff.Register(registry, "script", spuff.Factory[P]{
		Summary: "does what a test says", MaxUserData: 1024,
		Connect: func(spuff.Config) (P, error) { return script, nil },
	}))
	provider := must(registry.Connect("script", quick(spuff.Config{})))(t)
	none(t, registry.Close())
	t.Cleanup(func() { none(t, provider.Close()) })
	return provider
}

// within fails the test when work does not end in time: a minute, where it should be at once.
func within(t testing.TB, what string, work func()) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		work()
	}()
	select {
	case <-over:
	case <-time.After(time.Minute):
		t.Fatalf("%s has not ended in a minute", what)
	}
}
