// Errors of every kind, there and back; and those of the clouds.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"example.com/spuff"
)

// kinds are all that there are.
func kinds(t *testing.T) (all []spuff.Kind) {
	for kind := spuff.Kind(1); kind.String() != "unknown"; kind++ {
		all = append(all, kind)
	}
	if len(all) != int(spuff.Internal) {
		t.Fatalf("%v are the kinds", all)
	}
	return all
}

func TestEveryKindComesThroughWithItsFields(t *testing.T) {
	var answer error
	provider := played(t, &scripted{get: func(context.Context, string) (*spuff.Instance, error) {
		return nil, answer
	}})
	// What each kind has, beside what every error has.
	has := map[spuff.Kind]spuff.Error{
		spuff.Authentication: {
			Message: "the words", Status: 403, CloudCode: "forbidden", RequestID: "r-1",
		},
		spuff.RateLimit: {RetryAfter: 7 * time.Second, Retryable: true},
		spuff.NotFound:  {ResourceType: "image", ResourceID: "i-1"},
		spuff.QuotaExceeded: {
			Message: "the words", ResourceType: "image",
			Status: 403, CloudCode: "limit", RequestID: "r-1",
		},
		spuff.InvalidConfig: {Message: "the words", Field: "size"},
		spuff.NotSupported:  {Feature: "flying"},
		spuff.Timeout:       {Operation: "wait_ready", Elapsed: 3 * time.Second, Retryable: true},
		spuff.Network:       {Message: "the words", Retryable: true},
		spuff.API: {
			Message: "the words", Status: 418, CloudCode: "teapot", RequestID: "r-1",
		},
		spuff.NotImplemented:  {Name: "nimbus"},
		spuff.UnknownProvider: {Name: "nimbus", Supported: []string{"a", "b"}},
		spuff.Other:           {Message: "the words"},
		spuff.Conflict: {
			Message: "the words", Retryable: true,
			Status: 409, CloudCode: "locked", RequestID: "r-1",
		},
		spuff.Capacity: {
			Message: "the words", Status: 412, CloudCode: "empty", RequestID: "r-1",
		},
		spuff.Unavailable: {
			Message: "the words", RetryAfter: 7 * time.Second, Retryable: true,
			Status: 503, RequestID: "r-1",
		},
		spuff.UnknownOutcome: {
			Message: "the words", Operation: "making", Key: "k-1", Candidates: []string{"x", "y"},
		},
		spuff.Cancelled: {Operation: "wait_ready"},
		spuff.Internal:  {Message: "the words"},
	}
	for _, kind := range kinds(t) {
		wanted, there := has[kind]
		if !there {
			t.Errorf("%v is not in the test", kind)
		}
		wanted.Kind = kind
		answer = &wanted
		got := failure(t, second(provider.GetInstance(t.Context(), "m-1")), kind)
		if got.Provider != "script" || got.InstanceID != "m-1" || !got.InstanceIsSubject ||
			kind.Advice() == "" || got.Advice() != kind.Advice() {
			t.Errorf("%+v does not say what it is about", got)
		}
		for at := range reflect.TypeFor[spuff.Error]().NumField() {
			field := reflect.TypeFor[spuff.Error]().Field(at)
			if !field.IsExported() ||
				slices.Contains(
					[]string{"Text", "Provider", "InstanceID", "InstanceIsSubject"}, field.Name,
				) {
				continue
			}
			sent, came := reflect.ValueOf(wanted).Field(at), reflect.ValueOf(*got).Field(at)
			if empty := sent.IsZero() && field.Name == "Message"; !empty &&
				!reflect.DeepEqual(sent.Interface(), came.Interface()) {
				t.Errorf("%v: %s was %v and is %v", kind, field.Name, sent, came)
			}
		}
		for _, other := range kinds(t) {
			if errors.Is(got, other) != (other == kind) {
				t.Errorf("%v is %v", got, other)
			}
		}
	}
}

func TestOtherErrorsOfProvidersHaveAKindToo(t *testing.T) {
	var answer error
	provider := played(t, &scripted{get: func(context.Context, string) (*spuff.Instance, error) {
		return nil, answer
	}})
	for _, step := range []struct {
		answer error
		kind   spuff.Kind
		text   string
	}{
		{errors.New("plain\x00 \xff"), spuff.Other, "plain\uFFFD \uFFFD"},
		{
			fmt.Errorf("nothing is free: %w", spuff.Capacity),
			spuff.Capacity, "nothing is free: capacity",
		},
		{
			fmt.Errorf("wrapped: %w", &spuff.Error{Kind: spuff.Conflict, Message: "locked"}),
			spuff.Conflict, "locked",
		},
		{fmt.Errorf("over: %w", context.Canceled), spuff.Cancelled, ""},
		{context.DeadlineExceeded, spuff.Timeout, ""},
		{&spuff.Error{Kind: 99, Message: "odd", Status: 7}, spuff.Other, "odd"},
	} {
		answer = step.answer
		e := failure(t, second(provider.GetInstance(t.Context(), "m-1")), step.kind)
		if step.text != "" && e.Message != step.text {
			t.Errorf("%q is the message of %q", e.Message, step.answer)
		}
		if errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v is not of this context", e)
		}
	}
}

func TestErrorsOfTheClouds(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{Token: spuff.NewSecret("letmein"), Quota: 1})
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	unknown := failure(t, second(registry.Connect("nimbus", spuff.Config{})), spuff.UnknownProvider)
	if unknown.Name != "nimbus" || !slices.Contains(unknown.Supported, "hetzner") {
		t.Errorf("%+v", unknown)
	}
	config := quick(must(cloud.Config("hetzner"))(t))
	config.Token = spuff.NewSecret("wrong")
	stranger := must(registry.Connect("hetzner", config))(t)
	defer stranger.Close()
	refused := failure(t, second(stranger.ListInstances(t.Context())), spuff.Authentication)
	if refused.Provider != "hetzner" || refused.Retryable {
		t.Errorf("%+v", refused)
	}

	provider := connected(t, cloud, "hetzner")
	if e := failure(
		t, second(provider.CreateInstance(t.Context(), request("hetzner", "a_b"))),
		spuff.InvalidConfig,
	); e.Field != "name" {
		t.Errorf("%+v", e)
	}
	machine := must(provider.CreateInstance(t.Context(), request("hetzner", "web-1")))(t)
	defer func() { none(t, provider.DestroyInstance(context.Background(), machine.ID)) }()
	full := failure(t, second(provider.CreateInstance(t.Context(), request("hetzner", "web-2"))),
		spuff.QuotaExceeded)
	if full.CloudCode == "" && full.Message == "" {
		t.Errorf("%+v", full)
	}
	absent := failure(t, second(provider.WaitReady(t.Context(), "4242")), spuff.NotFound)
	if absent.ResourceType != "instance" || absent.ResourceID != "4242" ||
		absent.InstanceID != "4242" {
		t.Errorf("%+v", absent)
	}
	must(cloud.InjectJSON(`{"fault": {"server_error": {"status": 503, "committed": false}}, ` +
		`"route": "list_instances"}`))(t)
	short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := second(provider.ListInstances(short)); !errors.Is(err, spuff.Unavailable) &&
		!errors.Is(err, spuff.Timeout) {
		t.Errorf("%v came of 503", err)
	}
	none(t, cloud.ClearFaults())
	if e := failure(t, second(cloud.InjectJSON("{}")), spuff.InvalidConfig); e.Field == "" {
		t.Errorf("%+v", e)
	}
}

func TestWhatCDoesNotTakeIsRefusedHere(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	wanted := request("hetzner", "web-1")
	for field, change := range map[string]func(*spuff.InstanceRequest){
		"name": func(r *spuff.InstanceRequest) { r.Name = "a\x00b" },
		"labels": func(r *spuff.InstanceRequest) {
			r.Labels = map[string]string{"k": "a\x00b"}
		},
		"ttl": func(r *spuff.InstanceRequest) { r.TTL = spuff.Ptr(-time.Second) },
		"idempotency_key": func(r *spuff.InstanceRequest) {
			r.IdempotencyKey = spuff.Ptr("a\x00b")
		},
		"user_data": func(r *spuff.InstanceRequest) { r.UserData = spuff.Ptr("\xff") },
		"on_cancel": func(r *spuff.InstanceRequest) { r.OnCancel = 7 },
	} {
		changed := wanted
		change(&changed)
		if e := failure(
			t, second(provider.CreateInstance(t.Context(), changed)), spuff.InvalidConfig,
		); e.Field != field {
			t.Errorf("%+v is not about %s", e, field)
		}
	}
	if e := failure(
		t, second(provider.GetInstance(t.Context(), "4\x002")), spuff.InvalidConfig,
	); e.Field != "id" {
		t.Errorf("%+v", e)
	}
	if e := failure(
		t, second(provider.CreateAndWait(t.Context(), wanted, 7)), spuff.InvalidConfig,
	); e.Field != "on_failure" {
		t.Errorf("%+v", e)
	}
	if sent := must(cloud.RequestCount("hetzner"))(t); sent > 0 {
		t.Errorf("%d requests were sent", sent)
	}
	if left := must(cloud.Instances())(t); len(left) > 0 {
		t.Errorf("%v was made", left)
	}
}
