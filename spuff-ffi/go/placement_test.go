// Machines that are made where there is room, and for how much.

package spuff_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/spuff"
)

// at are candidates, each at the only place of a cloud.
func at(providers ...*spuff.Provider) (candidates []spuff.Candidate) {
	for _, provider := range providers {
		place := places[provider.Name()]
		candidates = append(candidates,
			spuff.Candidate{Provider: provider, Region: place[0], Size: place[1]})
	}
	return candidates
}

func strike(t *testing.T, cloud *spuff.Cloud, fault, name string) {
	t.Helper()
	must(cloud.InjectJSON(fmt.Sprintf(`{"fault": %q, "provider": %q, "route": "create_instance"}`,
		fault, name)))(t)
}

// tried is what came of the candidates, in words.
func tried(t *testing.T, attempts []spuff.Attempt) (all []string) {
	t.Helper()
	for position, attempt := range attempts {
		place := places[attempt.Provider]
		if attempt.Candidate != position || attempt.Region != place[0] || attempt.Size != place[1] {
			t.Errorf("%+v is not of %v", attempt, place)
		}
		if text := attempt.String(); (attempt.Message == "") !=
			(attempt.Outcome == spuff.AttemptMade) ||
			!strings.Contains(text, attempt.Provider) || !strings.Contains(text, attempt.Message) {
			t.Errorf("%+v does not say it all", attempt)
		}
		if attempt.OutcomeWord != attempt.Outcome.String() {
			t.Errorf("%s is not %v", attempt.OutcomeWord, attempt.Outcome)
		}
		words := attempt.Provider + " " + attempt.OutcomeWord
		if attempt.Kind != 0 {
			words += " " + attempt.Kind.String()
		}
		all = append(all, words)
	}
	return all
}

func is(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("%q came of it, not %q", got, wanted)
	}
}

func TestPricesAreTheClouds(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	for name, currency := range map[string]string{"hetzner": "EUR", "digitalocean": "USD"} {
		provider := connected(t, cloud, name)
		price := must(provider.HourlyPrice(t.Context(), places[name][0], places[name][1]))(t)
		if price.Micros == 0 || price.Currency != currency || !price.Listed ||
			!strings.HasSuffix(price.String(), " "+currency) {
			t.Errorf("%+v is the price", price)
		}
		if e := failure(
			t, second(provider.HourlyPrice(t.Context(), "", "enormous")), spuff.InvalidConfig,
		); e.Field != "size" {
			t.Errorf("%+v is the error", e)
		}
	}
	aws := connected(t, cloud, "aws")
	if e := failure(
		t, second(aws.HourlyPrice(t.Context(), "", "t3.micro")), spuff.NotSupported,
	); e.Provider != "aws" {
		t.Errorf("%+v is the error", e)
	}
}

func TestTheNextPlaceIsTriedWhereOneIsFull(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	hetzner, aws, digitalocean := connected(t, cloud, "hetzner"),
		connected(t, cloud, "aws"), connected(t, cloud, "digitalocean")
	placement := spuff.Placement{Candidates: at(hetzner, aws, digitalocean)}
	strike(t, cloud, "capacity_out", "hetzner")
	strike(t, cloud, "quota_reached", "aws")
	var left, accepted int
	placed := must(spuff.PlaceInstance(t.Context(), placement, spuff.InstanceRequest{Name: "web"},
		spuff.OnProgress(func(seen spuff.Progress) {
			if seen.Phase == spuff.PhasePending && strings.Contains(seen.State, "full") {
				left++
			}
			if seen.Phase == spuff.PhaseAccepted && seen.Instance != nil {
				accepted++
			}
		})))(t)
	if placed.Candidate != 2 || placed.Instance.Name != "web" || placed.Instance.Region != "nyc3" ||
		left != 2 || accepted != 1 {
		t.Errorf("%+v was placed; %d were left, %d accepted", placed, left, accepted)
	}
	is(t, tried(t, placed.Attempts), "hetzner full capacity", "aws full quota_exceeded",
		"digitalocean made")
	none(t, digitalocean.DestroyInstance(t.Context(), placed.Instance.ID))

	strike(t, cloud, "quota_reached", "digitalocean")
	full := failure(t,
		second(spuff.PlaceInstance(t.Context(), placement, spuff.InstanceRequest{Name: "web"})),
		spuff.Capacity)
	is(t, tried(t, full.Attempts), "hetzner full capacity", "aws full quota_exceeded",
		"digitalocean full quota_exceeded")

	none(t, cloud.ClearFaults())
	strike(t, cloud, "unauthorized", "hetzner")
	ended := failure(t,
		second(spuff.PlaceInstance(t.Context(), placement, spuff.InstanceRequest{Name: "web"})),
		spuff.Authentication)
	is(t, tried(t, ended.Attempts), "hetzner failed authentication")
}

func TestNoMoreIsPaidThanTheCeiling(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	hetzner, aws := connected(t, cloud, "hetzner"), connected(t, cloud, "aws")
	candidates := at(hetzner, aws)
	candidates[0].Price = "0.02 EUR"
	placement := spuff.Placement{Candidates: candidates, MaxPrice: "0.01 EUR"}
	e := failure(t,
		second(spuff.PlaceInstance(t.Context(), placement, spuff.InstanceRequest{Name: "web"})),
		spuff.InvalidConfig)
	is(t, tried(t, e.Attempts), "hetzner too_dear", "aws price_unknown")
	if price := e.Attempts[0].Price; e.Field != "max_price" || price == nil ||
		price.Text != "0.02 EUR" || price.Listed || e.Attempts[1].Price != nil {
		t.Errorf("%+v is the error", e)
	}
	placement.AllowUnknownPrice = true
	placed := must(spuff.PlaceInstance(t.Context(), placement,
		spuff.InstanceRequest{Name: "web"}))(t)
	is(t, tried(t, placed.Attempts), "hetzner too_dear", "aws made")
	none(t, aws.DestroyInstance(t.Context(), placed.Instance.ID))

	candidates[0].Price = ""
	candidates[0].Image = spuff.Debian("12")
	placed = must(spuff.PlaceInstance(t.Context(), placement,
		spuff.InstanceRequest{Name: "web"}))(t)
	is(t, tried(t, placed.Attempts), "hetzner made")
	if price := placed.Attempts[0].Price; price == nil || !price.Listed || price.Micros > 10_000 {
		t.Errorf("%+v is the price", price)
	}
	none(t, hetzner.DestroyInstance(t.Context(), placed.Instance.ID))
}

func TestMachinesOfAFleetArePlacedEachOnItsOwn(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{Speed: 200})
	digitalocean, hetzner := connected(t, cloud, "digitalocean"), connected(t, cloud, "hetzner")
	placement := spuff.Placement{Candidates: at(digitalocean, hetzner)}
	strike(t, cloud, "capacity_out", "digitalocean")
	requests := wanted("hetzner", "web")
	fleet := spuff.FleetOptions{Concurrency: 4, WaitReady: true}
	outcomes := must(spuff.PlaceInstances(t.Context(), placement, requests, fleet))(t)
	none(t, outcomes.Err())
	asked := 0
	for number, one := range outcomes {
		if one.Placed == nil || one.Placed.Candidate != 1 ||
			one.Instance.Name != requests[number].Name || !one.Instance.Ready {
			t.Fatalf("%+v came of %d", one, number)
		}
		if first := tried(t, one.Placed.Attempts); first[0] == "digitalocean full capacity" {
			asked++
		} else {
			is(t, first, "digitalocean known_full capacity", "hetzner made")
		}
	}
	if asked < 1 || asked > fleet.Concurrency {
		t.Errorf("%d were refused", asked)
	}
	none(t, must(hetzner.DestroyInstances(t.Context(), idsOf(outcomes), 0))(t).Err())

	strike(t, cloud, "quota_reached", "hetzner")
	outcomes = must(spuff.PlaceInstances(t.Context(), placement,
		wanted("hetzner", "more"), fleet))(t)
	for _, one := range outcomes {
		if e := failure(t, one.Err, spuff.Capacity); one.Placed != nil || len(e.Attempts) != 2 {
			t.Errorf("%+v came of it", one)
		}
	}
}

func TestAPlacementThatIsCancelledLeavesNothing(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	digitalocean, hetzner := connected(t, cloud, "digitalocean"), connected(t, cloud, "hetzner")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	strike(t, cloud, "capacity_out", "digitalocean")
	placement := spuff.Placement{Candidates: at(digitalocean, hetzner)}
	// Cancelled when the first candidate is left for the second.
	_, err := spuff.PlaceInstance(ctx, placement, spuff.InstanceRequest{Name: "web"},
		spuff.OnProgress(func(spuff.Progress) { cancel() }))
	if e := failure(t, err, spuff.Cancelled); !errors.Is(err, context.Canceled) ||
		e.Operation != "place_instance" {
		t.Errorf("%+v came of it", e)
	}
	none(t, spuff.Settled(t.Context()))
	if left := must(cloud.Leaks())(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestAPlacementThatCannotBeIsSaidBeforeAnythingIsDone(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	hetzner, closed := connected(t, cloud, "hetzner"), connected(t, cloud, "hetzner")
	none(t, closed.Close())
	ask := func(placement spuff.Placement) error {
		return second(spuff.PlaceInstance(t.Context(), placement,
			spuff.InstanceRequest{Name: "web"}))
	}
	odd := at(hetzner, hetzner)
	odd[1].Price = "cheap"
	for field, placement := range map[string]spuff.Placement{
		"candidates": {},
		"max_price":  {Candidates: at(hetzner), MaxPrice: "0.01 USD"},
		"price":      {Candidates: odd},
		"provider": {
			Candidates: append(at(hetzner), spuff.Candidate{Region: "fsn1", Size: "cx22"}),
		},
		"size": {Candidates: []spuff.Candidate{{Provider: hetzner, Size: "cx\x0022"}}},
	} {
		err := ask(placement)
		if e := failure(t, err, spuff.InvalidConfig); e.Field != field {
			t.Errorf("%v is about %s, not %s", e, e.Field, field)
		}
		if second := field == "price" || field == "provider"; second !=
			strings.Contains(err.Error(), "candidate 1") {
			t.Errorf("%v does not say which", err)
		}
	}
	if err := ask(spuff.Placement{Candidates: at(closed)}); !errors.Is(err, spuff.ErrClosed) {
		t.Errorf("%v of a provider that is closed", err)
	}
	if left := must(cloud.Leaks())(t); len(left) > 0 {
		t.Errorf("%v was made", left)
	}
}
