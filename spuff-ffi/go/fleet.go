// Operations over many instances.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"strconv"
	"unsafe"
)

// A Rollback says what happens to the instances of a fleet when one of them fails. Nothing is
// destroyed for one that could not be polled: its error carries its id. What was found by the key
// of its request, as Instance.Adopted reports, is left by all of these.
type Rollback int32

const (
	// RollbackDestroyFailed destroys those that were made and do not become ready, and leaves the
	// others.
	RollbackDestroyFailed Rollback = C.SPUFF_ROLLBACK_DESTROY_FAILED
	// RollbackKeep leaves all as they are. The error of each that has failed carries its id, if it
	// has one.
	RollbackKeep Rollback = C.SPUFF_ROLLBACK_KEEP
	// RollbackDestroyAll destroys all that were made, and makes no more.
	RollbackDestroyAll Rollback = C.SPUFF_ROLLBACK_DESTROY_ALL
)

// FleetOptions say how a fleet is made. The zero value is: 16 creates at once, of instances that
// need only be accepted; those that fail are destroyed.
type FleetOptions struct {
	// Concurrency is how many creates are in progress at once; 0 is 16. Waits are not counted.
	Concurrency int
	// OnFailure is what becomes of the others when one fails.
	OnFailure Rollback
	// WaitReady says whether each instance is waited for until it is ready.
	WaitReady bool
}

// CreateInstances creates many instances at once, and waits for them where the options say so. A
// create that the cloud refuses because of its rate limit is retried. When the context ends, no
// more are made, and all that were made are destroyed in the background, but those that
// InstanceRequest.OnCancel keeps; Settled waits for that.
//
// The error is nil also when some instances, or all, have failed: the outcomes report that, and
// Outcomes.Err joins them.
//
//	fleet, err := provider.CreateInstances(ctx, requests, spuff.FleetOptions{WaitReady: true})
//	if err == nil {
//		err = fleet.Err()
//	}
//
// Errors: InvalidConfig for what no request or option can be, before anything was sent; those of
// the context. All others are in the outcomes: those of CreateInstance and, after an instance
// exists, those of WaitReady. Of a fleet that is destroyed because one has failed, the others are
// Cancelled.
func (p *Provider) CreateInstances(
	ctx context.Context, requests []InstanceRequest, fleet FleetOptions, options ...Option,
) (Outcomes, error) {
	observe := chosen(options).observe
	return manyMade(requests, fleet,
		func(wanted **C.spuff_request, settings *C.spuff_fleet_options) (Outcomes, error) {
			return await(ctx, p, nil, observe, func(c *call, number C.uintptr_t) C.spuff_code {
				return C.spuffgo_create_instances(c.provider, wanted, C.size_t(len(requests)),
					settings, c.token.pointer, observe != nil, number, c.failure)
			}, takeOutcomes)
		})
}

// manyMade gives the requests and options of a fleet to the call that makes it, as the library has
// them.
func manyMade(
	requests []InstanceRequest, fleet FleetOptions,
	call func(wanted **C.spuff_request, settings *C.spuff_fleet_options) (Outcomes, error),
) (Outcomes, error) {
	concurrency, err := count("concurrency", fleet.Concurrency)
	if err != nil {
		return nil, err
	}
	var wanted []*C.spuff_request
	defer func() {
		for _, request := range wanted {
			C.spuff_request_free(&request)
		}
	}()
	for at, request := range requests {
		made, err := request.make()
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", at, err)
		}
		wanted = append(wanted, made)
	}
	return call(unsafe.SliceData(wanted), &C.spuff_fleet_options{
		size:        C.sizeof_spuff_fleet_options,
		concurrency: concurrency,
		on_failure:  C.int32_t(fleet.OnFailure),
		wait_ready:  C.bool(fleet.WaitReady),
	})
}

// WaitReadyMany waits for many instances at once, as WaitReady for each.
//
// Errors: InvalidConfig for what no id can be; those of the context. All others are in the
// outcomes.
func (p *Provider) WaitReadyMany(
	ctx context.Context, ids []string, options ...Option,
) (Outcomes, error) {
	observe := chosen(options).observe
	return await(ctx, p, all("ids", ids), observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_wait_ready_many(c.provider, unsafe.SliceData(c.arguments),
			C.size_t(len(c.arguments)), c.token.pointer, observe != nil, number, c.failure)
	}, takeOutcomes)
}

// DestroyInstances destroys many instances, so many at once; 0 is 16. Those that are already gone
// are no failure. When the context ends, no more are ended.
//
// Errors: InvalidConfig for what no id can be; those of the context. All others are in the
// outcomes: such an instance still exists and costs money.
func (p *Provider) DestroyInstances(
	ctx context.Context, ids []string, concurrency int, options ...Option,
) (Outcomes, error) {
	atOnce, err := count("concurrency", concurrency)
	if err != nil {
		return nil, err
	}
	observe := chosen(options).observe
	return await(ctx, p, all("ids", ids), observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_destroy_instances(c.provider, unsafe.SliceData(c.arguments),
			C.size_t(len(c.arguments)), atOnce, c.token.pointer, observe != nil, number, c.failure)
	}, takeOutcomes)
}

// Watch watches instances until each is ready or has failed. What is seen comes over the channel,
// which is closed at the end or when the context ends: who stops receiving before ends the context.
// Then outcomes gives those of WaitReadyMany; called earlier, it passes over what has not been
// received, and waits for the end.
func (p *Provider) Watch(
	ctx context.Context, ids []string,
) (seen <-chan Progress, outcomes func() (Outcomes, error)) {
	var ended Outcomes
	channel := make(chan Progress)
	// From here on, and not only from when the goroutine begins.
	p, release, err := p.held()
	if err != nil {
		close(channel)
		return channel, func() (Outcomes, error) { return nil, err }
	}
	go func() {
		defer close(channel)
		defer release()
		ended, err = p.WaitReadyMany(ctx, ids, OnProgress(func(one Progress) {
			select {
			case channel <- one:
			case <-ctx.Done():
			}
		}))
	}()
	return channel, func() (Outcomes, error) {
		for range channel {
		}
		return ended, err
	}
}

// all are texts that an operation takes, under one name.
func all(name string, texts []string) (arguments []string) {
	for _, text := range texts {
		arguments = append(arguments, given(name, text)...)
	}
	return arguments
}

// count is a number as the library takes it.
func count(name string, number int) (C.size_t, error) {
	if number < 0 {
		return 0, invalid(name, strconv.Itoa(number)+": must be at least 0")
	}
	return C.size_t(number), nil
}
