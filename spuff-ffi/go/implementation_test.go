// Providers written in Go: how they are called, and what of theirs does not get out.

package spuff_test

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/spuff"
)

// A complete provider has every verb, each of which answers with what it was asked with.
type complete struct{ scripted }

var born = time.Date(2024, 5, 6, 7, 8, 9, int(10*time.Millisecond), time.UTC)

func machine(id string) spuff.Instance {
	return spuff.Instance{
		ID:        id,
		Name:      "web-1",
		Region:    "east",
		Size:      "small",
		Status:    spuff.StatusActive,
		CreatedAt: born,
		Labels:    map[string]string{"k": "v", spuff.ManagedByKey: spuff.ManagedByValue},
		Addresses: []spuff.Address{
			{IP: netip.MustParseAddr("10.0.0.1")},
			{IP: netip.MustParseAddr("2001:db8::1"), Public: true},
			{IP: netip.MustParseAddr("192.0.2.7"), Public: true},
		},
	}
}

func (complete) WaitReady(_ context.Context, id string) (spuff.Instance, error) {
	return machine(id), nil
}

func (complete) CreateSnapshot(_ context.Context, id, name string) (spuff.Snapshot, error) {
	return spuff.Snapshot{ID: id + "-s", Name: name, CreatedAt: born}, nil
}

func (complete) ListSnapshots(context.Context) ([]spuff.Snapshot, error) {
	return []spuff.Snapshot{
		{ID: "s-1", Name: "one", Labels: map[string]string{"k": "v"}}, {ID: "s-2"},
	}, nil
}

func (complete) DeleteSnapshot(_ context.Context, id string) error {
	return &spuff.Error{Kind: spuff.Conflict, Message: "not " + id}
}

func (complete) Resolve(_ context.Context, key string) (*spuff.Instance, error) {
	if key == "none" {
		return nil, nil
	}
	found := machine(key)
	return &found, nil
}

func (complete) ResolveSnapshot(_ context.Context, key string) (*spuff.Snapshot, error) {
	if key == "none" {
		return nil, nil
	}
	return &spuff.Snapshot{ID: key}, nil
}

func (complete) SetLabels(_ context.Context, id string, labels map[string]string) error {
	if id != "m-1" || !reflect.DeepEqual(labels, map[string]string{"a": "1", "b": ""}) {
		return errors.New("other labels came")
	}
	return nil
}

func (complete) GetSSHKeys(context.Context) ([]string, error) { return []string{"k-1", "k-2"}, nil }

func TestAProviderInGoIsAskedAsItWasCalled(t *testing.T) {
	ctx, asked := t.Context(), spuff.InstanceRequest{}
	script := &complete{scripted{closed: make(chan struct{})}}
	script.create = func(_ context.Context, r spuff.InstanceRequest) (spuff.Instance, error) {
		asked = r
		return spuff.Instance{
			ID: "m-1", StatusWord: "asleep", IP: netip.MustParseAddr("192.0.2.9"),
		}, nil
	}
	script.get = func(_ context.Context, id string) (*spuff.Instance, error) { return nil, nil }
	script.list = func(context.Context) ([]spuff.Instance, error) {
		return []spuff.Instance{machine("m-1"), machine("m-2")}, nil
	}
	provider := played(t, script)
	wanted := spuff.InstanceRequest{
		Name:           "web-1",
		Region:         "east",
		Size:           "small",
		Image:          spuff.SnapshotImage("s-1"),
		UserData:       spuff.Ptr(""),
		Labels:         map[string]string{"k": "v", "empty": ""},
		SSHKeys:        []string{"a", "b"},
		IdempotencyKey: spuff.Ptr("key"),
		Owner:          spuff.Ptr("ci"),
		TTL:            spuff.Ptr(90 * time.Second),
	}
	made := must(provider.CreateInstance(ctx, wanted))(t)
	if !reflect.DeepEqual(asked, wanted) {
		t.Errorf("asked with %+v, not with %+v", asked, wanted)
	}
	if made.StatusWord != "asleep" || made.Status != spuff.StatusUnknown ||
		made.IP.String() != "192.0.2.9" || made.CreatedAt.Unix() != 0 {
		t.Errorf("%+v was made", made)
	}
	full := machine("m-1")
	full.IP, full.StatusWord, full.Ready = netip.MustParseAddr("192.0.2.7"), "active", true
	if ready := must(provider.WaitReady(ctx, "m-1"))(t); !reflect.DeepEqual(ready, full) {
		t.Errorf("%+v is ready, not %+v", ready, full)
	}
	if found := must(provider.GetInstance(ctx, "m-1"))(t); found != nil {
		t.Errorf("%+v was found", found)
	}
	if list := must(provider.ListInstances(ctx))(t); len(list) != 2 ||
		!reflect.DeepEqual(list[0], full) || list[1].ID != "m-2" {
		t.Errorf("%+v are listed", list)
	}
	if s := must(provider.CreateSnapshot(ctx, "m-1", "n"))(t); s.ID != "m-1-s" || s.Name != "n" ||
		!s.CreatedAt.Equal(born) {
		t.Errorf("%+v was made", s)
	}
	if s := must(provider.ListLabelledSnapshots(ctx))(t); len(s) != 2 || s[0].Labels["k"] != "v" ||
		!s[1].CreatedAt.IsZero() {
		t.Errorf("%+v are listed", s)
	}
	if e := failure(
		t, provider.DeleteSnapshot(ctx, "s-1"), spuff.Conflict,
	); e.Message != "not s-1" {
		t.Errorf("%+v", e)
	}
	if found := must(provider.Resolve(ctx, "m-1"))(t); found == nil ||
		!reflect.DeepEqual(*found, full) {
		t.Errorf("%+v was found", found)
	}
	if s := must(provider.ResolveSnapshot(ctx, "s-1"))(t); s == nil || s.ID != "s-1" {
		t.Errorf("%+v was found", s)
	}
	if m, s := must(provider.Resolve(ctx, "none"))(t),
		must(provider.ResolveSnapshot(ctx, "none"))(t); m != nil || s != nil {
		t.Errorf("%+v and %+v were found", m, s)
	}
	none(t, provider.SetLabels(ctx, "m-1", map[string]string{"a": "1", "b": ""}))
	if keys := must(provider.GetSSHKeys(ctx))(t); !reflect.DeepEqual(keys, []string{"k-1", "k-2"}) {
		t.Errorf("%v are the keys", keys)
	}
	none(t, provider.Close())
	within(t, "the provider's own Close", func() { <-script.closed })
}

func TestWhatAProviderInGoCannotDo(t *testing.T) {
	registry := spuff.NewRegistry()
	defer registry.Close()
	connect := func(config spuff.Config) (*scripted, error) {
		if config.Token.Expose() != "secret" || config.Options["shade"].Expose() != "grey" ||
			*config.Timeouts.CloudInit != time.Minute {
			return nil, &spuff.Error{
				Kind: spuff.InvalidConfig, Field: "token", Message: "it is another one",
			}
		}
		return &scripted{}, nil
	}
	none(t, spuff.Register(registry, "script", spuff.Factory[*scripted]{
		MaxUserData: 77, DropsLabels: true, Connect: connect,
	}))
	none(t, spuff.Register(registry, "complete", spuff.Factory[*complete]{
		Connect: func(spuff.Config) (*complete, error) { panic("on purpose") },
	}))
	little, much := must(registry.Describe("script"))(t), must(registry.Describe("complete"))(t)
	if little.MaxUserData != 77 || little.SupportsLabels || little.SupportsSnapshots ||
		little.SupportsSSHKeys || little.Summary != "script" {
		t.Errorf("%+v", little)
	}
	if !much.SupportsLabels || !much.SupportsSnapshots || !much.SupportsSSHKeys ||
		much.Options[0].Env[0] != "COMPLETE_TOKEN" || !much.Options[0].Secret {
		t.Errorf("%+v", much)
	}
	if e := failure(
		t, second(registry.Connect("complete", spuff.Config{})), spuff.Internal,
	); !strings.Contains(e.Message, "on purpose") {
		t.Errorf("%+v", e)
	}
	failure(t, second(registry.CreateByName("script", spuff.NewSecret("wrong"))),
		spuff.InvalidConfig)
	config := spuff.Config{
		Token:   spuff.NewSecret("secret"),
		Options: map[string]spuff.Secret{"shade": spuff.NewSecret("grey")},
	}
	config.Timeouts.CloudInit = spuff.Ptr(time.Minute)
	provider := must(registry.Connect("script", config))(t)
	defer provider.Close()
	ctx := t.Context()
	for feature, err := range map[string]error{
		"create_snapshot":  second(provider.CreateSnapshot(ctx, "m-1", "n")),
		"resolve":          second(provider.Resolve(ctx, "k")),
		"resolve_snapshot": second(provider.ResolveSnapshot(ctx, "k")),
		"set_labels":       provider.SetLabels(ctx, "m-1", nil),
	} {
		if e := failure(t, err, spuff.NotSupported); e.Feature != feature ||
			provider.SupportsSnapshots() {
			t.Errorf("%+v is not about %s", e, feature)
		}
	}
	if keys := must(provider.GetSSHKeys(ctx))(t); len(keys) != 0 {
		t.Errorf("%v are the keys", keys)
	}
	failure(t, spuff.Register(registry, "", spuff.Factory[*scripted]{Connect: connect}),
		spuff.InvalidConfig)
	failure(t, spuff.Register(registry, "script", spuff.Factory[*scripted]{}), spuff.InvalidConfig)
}

func TestNothingThatAProviderInGoDoesGetsOut(t *testing.T) {
	script := &scripted{}
	provider := played(t, script)
	for what, step := range map[string]struct {
		get  func(context.Context, string) (*spuff.Instance, error)
		kind spuff.Kind
		text string
	}{
		"a panic": {func(context.Context, string) (*spuff.Instance, error) {
			panic("on purpose")
		}, spuff.Internal, "on purpose"},
		"a nil map": {func(context.Context, string) (*spuff.Instance, error) {
			panic(new(runtime.PanicNilError))
		}, spuff.Internal, "nil"},
		"its end": {func(context.Context, string) (*spuff.Instance, error) {
			runtime.Goexit()
			return nil, nil
		}, spuff.Internal, "before"},
		"no id": {func(context.Context, string) (*spuff.Instance, error) {
			return &spuff.Instance{}, nil
		}, spuff.InvalidConfig, ""},
		"not UTF-8": {func(context.Context, string) (*spuff.Instance, error) {
			return &spuff.Instance{ID: "\xff"}, nil
		}, spuff.InvalidConfig, ""},
		"a NUL": {func(context.Context, string) (*spuff.Instance, error) {
			return &spuff.Instance{ID: "a\x00"}, nil
		}, spuff.InvalidConfig, "NUL"},
		"a zoned IP": {func(context.Context, string) (*spuff.Instance, error) {
			return &spuff.Instance{ID: "a", IP: netip.MustParseAddr("fe80::1%eth0")}, nil
		}, spuff.InvalidConfig, ""},
		"a nil pointer": {func(_ context.Context, id string) (*spuff.Instance, error) {
			return nil, &spuff.Error{}
		}, spuff.Other, ""},
	} {
		script.get = step.get
		e := failure(t, second(provider.GetInstance(t.Context(), "m-1")), step.kind)
		if !strings.Contains(e.Message, step.text) {
			t.Errorf("%s: %q does not say %q", what, e.Message, step.text)
		}
	}
}

func TestTheContextOfAProviderInGoEndsWithTheCallers(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error)
	provider := played(t, &scripted{
		get: func(ctx context.Context, _ string) (*spuff.Instance, error) {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	within(t, "the provider's verb", func() {
		err := second(provider.GetInstance(ctx, "m-1"))
		if failure(t, err, spuff.Cancelled); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-ended; err != context.Canceled {
			t.Errorf("%v ended the provider's context", err)
		}
	})
}

func TestACreateThatNobodyWaitsForIsFinishedAndEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	destroyed := make(chan string, 1)
	script := &scripted{
		destroy: func(_ context.Context, id string) error { destroyed <- id; return nil },
	}
	script.create = func(inner context.Context, _ spuff.InstanceRequest) (spuff.Instance, error) {
		cancel()
		<-inner.Done()
		return machine("m-7"), nil
	}
	provider := played(t, script)
	failure(t, second(provider.CreateInstance(ctx, spuff.InstanceRequest{Name: "web-1"})),
		spuff.Cancelled)
	none(t, spuff.Settled(t.Context()))
	if id := <-destroyed; id != "m-7" {
		t.Errorf("%s was destroyed", id)
	}
}
