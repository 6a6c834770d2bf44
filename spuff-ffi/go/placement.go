// Placements: instances that are made where there is capacity.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"unsafe"
)

// A Candidate is a place to try.
type Candidate struct {
	Provider *Provider
	// Region is the region or location; empty for the provider's default.
	Region string
	// Size is the size or type.
	Size string
	// Price is what an hour costs there, such as 0.0056 EUR, for a provider that does not tell, or
	// a price of one's own; empty: what the provider says, where a ceiling asks for it.
	Price string
	// Image is what the instance boots from there, where that of the request is another provider's;
	// zero is that of the request.
	Image ImageSpec
}

// A Placement is the candidates for an instance, the best first, and a price ceiling.
type Placement struct {
	// Candidates are the places, in the order in which they are tried.
	Candidates []Candidate
	// MaxPrice is the most that an hour may cost, such as 0.01 EUR; empty: no ceiling. Every price
	// must be in its currency.
	MaxPrice string
	// AllowUnknownPrice says whether a candidate whose price is unknown is tried under a ceiling.
	AllowUnknownPrice bool
}

// Placed is a placed instance.
type Placed struct {
	Instance Instance
	// Candidate is the position of its candidate.
	Candidate int
	// Attempts are what came of each candidate up to that one, in order.
	Attempts []Attempt
}

// PlaceInstance creates an instance at the first candidate that has capacity. The region and size
// of the request are those of the candidate. OnProgress is told of each candidate that is passed
// over.
//
// A candidate is left for Capacity and QuotaExceeded alone, when it is certain that nothing was
// made there. Under a ceiling, the prices of all candidates are asked for first: one that costs
// more, or whose price is unknown, is not tried. When the context ends, what was made is destroyed
// in the background; Settled waits for that.
//
// Errors: those of CreateInstance, of whatever ended the placement; where no candidate was left,
// Capacity if any was out of stock, else QuotaExceeded if any was at its limit, else InvalidConfig
// of max_price. Error.Attempts reports the outcome of each candidate. InvalidConfig, before
// anything is made: of candidates, when there are none; of max_price, when a price is in another
// currency; of idempotency_key, when there are several candidates.
func PlaceInstance(
	ctx context.Context, placement Placement, request InstanceRequest, options ...Option,
) (Placed, error) {
	places, err := placement.make()
	if err != nil {
		return Placed{}, err
	}
	defer C.spuff_placement_free(&places)
	wanted, err := request.make()
	if err != nil {
		return Placed{}, err
	}
	defer C.spuff_request_free(&wanted)
	observe := chosen(options).observe
	return await(ctx, nil, nil, observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_place_instance(places, wanted, c.token.pointer,
			observe != nil, number, c.failure)
	}, func(made unsafe.Pointer) (Placed, error) {
		pointer := (*C.spuff_placed)(made)
		defer C.spuff_placed_free(&pointer)
		return placedOf(pointer)
	})
}

// PlaceInstances creates many instances, each at the first candidate that has capacity, as
// Provider.CreateInstances does with the same options: Outcome.Placed tells where each is. A
// candidate that was found full is not asked again for another instance of the same call.
//
// Errors: InvalidConfig for what no request, candidate or option can be; those of the context. All
// others are in the outcomes: those of PlaceInstance, and of Provider.CreateInstances.
func PlaceInstances(
	ctx context.Context, placement Placement, requests []InstanceRequest, fleet FleetOptions,
	options ...Option,
) (Outcomes, error) {
	places, err := placement.make()
	if err != nil {
		return nil, err
	}
	defer C.spuff_placement_free(&places)
	observe := chosen(options).observe
	return manyMade(requests, fleet,
		func(wanted **C.spuff_request, settings *C.spuff_fleet_options) (Outcomes, error) {
			return await(ctx, nil, nil, observe, func(c *call, number C.uintptr_t) C.spuff_code {
				return C.spuffgo_place_instances(places, wanted, C.size_t(len(requests)), settings,
					c.token.pointer, observe != nil, number, c.failure)
			}, takeOutcomes)
		})
}

// make makes a placement of the library's, which the caller frees.
func (p *Placement) make() (*C.spuff_placement, error) {
	b := newBuild()
	made := C.spuff_placement_new()
	if p.MaxPrice != "" {
		price := b.add("max_price", p.MaxPrice)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_placement_set_max_price(made, price, failure)
		})
	}
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_placement_set_allow_unknown_price(made, C.bool(p.AllowUnknownPrice), failure)
	})
	err := b.end()
	for at := 0; at < len(p.Candidates) && err == nil; at++ {
		if err = p.Candidates[at].add(made); err != nil {
			err = fmt.Errorf("candidate %d: %w", at, err)
		}
	}
	if err != nil {
		C.spuff_placement_free(&made)
		return nil, err
	}
	return made, nil
}

// add adds a candidate to a placement of the library's, which goes on without the provider.
func (c *Candidate) add(placement *C.spuff_placement) error {
	var provider *C.spuff_provider
	if c.Provider != nil {
		var err error
		if provider, err = c.Provider.handle.acquire(); err != nil {
			return err
		}
		defer runtime.KeepAlive(c.Provider)
		defer c.Provider.handle.release()
	}
	b := newBuild()
	region, size := b.add("region", c.Region), b.add("size", c.Size)
	var price, image *C.char
	if c.Price != "" {
		price = b.add("price", c.Price)
	}
	if c.Image.given {
		image = b.add("image", c.Image.text)
	}
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_placement_add(placement, provider, region, size, price, image, failure)
	})
	return b.end()
}

func placedOf(pointer *C.spuff_placed) (placed Placed, err error) {
	placed.Candidate = int(C.spuff_placed_candidate(pointer))
	placed.Attempts = attemptsOf(C.spuff_placed_attempts(pointer))
	placed.Instance, err = instanceOf(C.spuff_placed_instance(pointer))
	return placed, err
}
