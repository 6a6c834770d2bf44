// No machine is made twice or lost, whatever becomes of the reply to its create.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/spuff"
)

func TestALostReplyMakesOneMachine(t *testing.T) {
	for name := range places {
		for _, fault := range []string{
			`"reply_lost"`, `"truncated"`, `{"server_error": {"status": 503, "committed": true}}`,
			`{"html": {"status": 200}}`, `"connection_closed"`,
		} {
			t.Run(name+" "+fault, func(t *testing.T) {
				t.Parallel()
				cloud := started(t, spuff.CloudOptions{})
				provider := connected(t, cloud, name)
				rule := fmt.Sprintf(
					`{"fault": %s, "provider": %q, "route": "create_instance", "times": 1}`,
					fault, name)
				number := must(cloud.InjectJSON(rule))(t)
				made, err := provider.CreateInstance(t.Context(), request(name, "web-1"))
				var e *spuff.Error
				if errors.As(err, &e) && e.Kind == spuff.UnknownOutcome {
					found := must(provider.Resolve(t.Context(), e.Key))(t)
					if found == nil {
						t.Fatalf("nothing was made under %s", e.Key)
					}
					made = *found
				} else {
					none(t, err)
				}
				there := must(cloud.Instances())(t)
				if len(there) != 1 || there[0].ID != made.ID || there[0].Kind != "instance" ||
					there[0].Name != "web-1" || there[0].Text == "" {
					t.Errorf("%v is there, %s is known", there, made.ID)
				}
				if hits := must(cloud.Hits(number))(t); hits != 1 {
					t.Errorf("the fault has struck %d times", hits)
				}
				none(t, provider.DestroyInstance(t.Context(), made.ID))
			})
		}
	}
}

func TestAKeyStandsForOneMachine(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	wanted := request("aws", "web-1")
	wanted.IdempotencyKey = spuff.Ptr("order-7")
	first := must(connected(t, cloud, "aws").CreateInstance(t.Context(), wanted))(t)
	other := connected(t, cloud, "aws")
	none(t, cloud.Advance(time.Minute))
	again := must(other.CreateInstance(t.Context(), wanted))(t)
	if first.Adopted || !again.Adopted {
		t.Errorf("%v and %v: the first was made, the second found", first.Adopted, again.Adopted)
	}
	// What it has not made outlives its work.
	none(t, other.WithInstance(t.Context(), wanted,
		func(_ context.Context, machine spuff.Instance) error {
			if machine.ID != first.ID || !machine.Adopted || !machine.Ready {
				t.Errorf("%+v is not the one that was there", machine)
			}
			return nil
		}))
	found := must(other.Resolve(t.Context(), "order-7"))(t)
	if found == nil || first.ID != again.ID || found.ID != first.ID {
		t.Errorf("%s, %s and %v are not one", first.ID, again.ID, found)
	}
	wanted.IdempotencyKey = spuff.Ptr("")
	if e := failure(
		t, second(other.CreateInstance(t.Context(), wanted)), spuff.InvalidConfig,
	); e.Field != "idempotency_key" {
		t.Errorf("%+v came of an empty key", e)
	}
	none(t, other.DestroyInstance(t.Context(), first.ID))
}

func TestAProviderInGoTellsWhatItHasFound(t *testing.T) {
	script := &failing{}
	script.create = func(context.Context, spuff.InstanceRequest) (spuff.Instance, error) {
		found := machine("m-1")
		found.Adopted = true
		return found, nil
	}
	script.destroy = func(context.Context, string) error {
		t.Error("it was there before")
		return nil
	}
	wanted := spuff.InstanceRequest{Name: "web-1", IdempotencyKey: spuff.Ptr("order-7")}
	provider := played(t, script)
	if made := must(provider.CreateInstance(t.Context(), wanted))(t); !made.Adopted {
		t.Errorf("%+v was found", made)
	}
	_, err := provider.CreateAndWait(t.Context(), wanted, spuff.OnFailureDestroy)
	if e := failure(t, err, spuff.Capacity); e.InstanceExists == nil || !*e.InstanceExists ||
		e.InstanceID != "m-1" {
		t.Errorf("%+v does not say that it exists", e)
	}
}

// A scope has nobody to leave its machine to.
func TestAMachineThatCannotBeLookedAtEndsWithItsWork(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	for _, route := range []string{"list_instances", "get_instance"} {
		must(cloud.InjectJSON(fmt.Sprintf(
			`{"fault": "unauthorized", "provider": "hetzner", "route": %q}`, route,
		)))(t)
	}
	err := provider.WithInstance(t.Context(), request("hetzner", "job-1"),
		func(context.Context, spuff.Instance) error {
			t.Error("it may not be ready")
			return nil
		})
	if e := failure(t, err, spuff.Authentication); e.InstanceExists == nil || *e.InstanceExists {
		t.Errorf("%+v: it is destroyed", e)
	}
}

// A failing provider's machines do not become ready.
type failing struct{ scripted }

func (failing) WaitReady(context.Context, string) (spuff.Instance, error) {
	return spuff.Instance{}, &spuff.Error{Kind: spuff.Capacity, Message: "it has failed"}
}

func TestTimeStandsStillWhereItIsMovedByHand(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{ManualClock: true})
	provider := connected(t, cloud, "hetzner")
	made := must(provider.CreateInstance(t.Context(), request("hetzner", "web-1")))(t)
	for steps := 0; ; steps++ {
		found := must(provider.GetInstance(t.Context(), made.ID))(t)
		if found == nil || found.Ready && steps == 0 || steps > 100 {
			t.Fatalf("%+v after %d steps", found, steps)
		}
		if found.Ready {
			break
		}
		none(t, cloud.Advance(10*time.Second))
	}
	none(t, provider.DestroyInstance(t.Context(), made.ID))
}
