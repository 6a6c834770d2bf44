// Providers, and what uses several operations. Those of the contract are in zz_provider.go.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"time"
	"unsafe"
)

// A Provider is a cloud that instances can be started on. The errors of its operations name it, and
// the instance that they are about.
type Provider struct {
	handle            *handle[*C.spuff_provider]
	name              string
	supportsSnapshots bool
}

func newProvider(pointer *C.spuff_provider) *Provider {
	p := &Provider{
		name:              C.GoString(C.spuff_provider_name(pointer)),
		supportsSnapshots: bool(C.spuff_provider_supports_snapshots(pointer)),
	}
	p.handle = owned(p, "provider", pointer, func(pointer *C.spuff_provider) {
		C.spuff_provider_free(&pointer)
	})
	return p
}

// Close ends the use of the provider; calls that are in progress go on. Twice is harmless. It gives
// nil.
func (p *Provider) Close() error {
	p.handle.close()
	return nil
}

// held gives the provider for several calls in a row: its own Close lets these go on until the
// release.
func (p *Provider) held() (held *Provider, release func(), err error) {
	pointer, err := p.handle.acquire()
	runtime.KeepAlive(p)
	if err != nil {
		return nil, nil, err
	}
	inner := &handle[*C.spuff_provider]{
		what: p.handle.what, free: func(*C.spuff_provider) {}, pointer: pointer,
	}
	return &Provider{handle: inner, name: p.name, supportsSnapshots: p.supportsSnapshots},
		p.handle.release, nil
}

// Name is the provider's name.
func (p *Provider) Name() string { return p.name }

// SupportsSnapshots says whether it makes snapshots.
func (p *Provider) SupportsSnapshots() bool { return p.supportsSnapshots }

// CreateAndWait creates an instance and waits until it is ready. One that was made but does not
// become ready is destroyed or kept, as onFailure says; also when the context ends.
//
// Errors: those of CreateInstance and WaitReady; Error.InstanceExists reports whether the instance
// exists.
func (p *Provider) CreateAndWait(
	ctx context.Context, request InstanceRequest, onFailure OnFailure, options ...Option,
) (Instance, error) {
	wanted, err := request.make()
	if err != nil {
		return Instance{}, err
	}
	defer C.spuff_request_free(&wanted)
	observe := chosen(options).observe
	return await(ctx, p, nil, observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_create_and_wait(c.provider, wanted, C.int32_t(onFailure), c.token.pointer,
			observe != nil, number, c.failure)
	}, madeInstance)
}

// ListOwned gives the instances of an owner, of those that spuff manages: also stopped ones.
//
// Errors: InvalidConfig for an owner that cannot be one.
func (p *Provider) ListOwned(ctx context.Context, owner string) ([]Instance, error) {
	return await(ctx, p, given("owner", owner), nil,
		func(c *call, number C.uintptr_t) C.spuff_code {
			return C.spuffgo_list_owned(c.provider, c.arguments[0],
				c.token.pointer, number, c.failure)
		}, func(made unsafe.Pointer) ([]Instance, error) {
			return takeInstances((*C.spuff_instances)(made))
		})
}

// Renew sets the lease of an instance to end so long from now, in whole seconds, whether or not it
// had one, and returns the end.
//
// Errors: as SetLabels; InvalidConfig for no time at all.
func (p *Provider) Renew(ctx context.Context, id string, ttl time.Duration) (time.Time, error) {
	seconds := C.uint64_t(max(0, ceil(ttl, time.Second)))
	return await(ctx, p, given("id", id), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_renew(c.provider, c.arguments[0], seconds,
			c.token.pointer, number, c.failure)
	}, func(end unsafe.Pointer) (time.Time, error) { return moment(*(*C.int64_t)(end)), nil })
}

// Reap destroys the managed instances and snapshots that match which. One failure does not stop the
// rest. An instance whose lease was renewed meanwhile is left alone, and is not in the result. When
// the context ends before, some are destroyed; call it again for the rest.
//
// Errors: InvalidConfig when which says nothing; those of listing. What could not be ended is told
// in the results.
func (p *Provider) Reap(ctx context.Context, which Reap, options ...Option) ([]Reaped, error) {
	wanted, err := which.make()
	if err != nil {
		return nil, err
	}
	defer C.spuff_reap_free(&wanted)
	observe := chosen(options).observe
	return await(ctx, p, nil, observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_reap(c.provider, wanted, c.token.pointer,
			observe != nil, number, c.failure)
	}, func(made unsafe.Pointer) ([]Reaped, error) {
		return takeReaped((*C.spuff_reaped)(made)), nil
	})
}

func madeInstance(made unsafe.Pointer) (Instance, error) {
	return takeInstance((*C.spuff_instance)(made))
}
