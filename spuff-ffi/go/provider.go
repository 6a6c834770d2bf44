// Providers and their operations.

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

// CreateInstance creates an instance and returns as soon as the cloud has accepted it: it may still
// be booting. If the reply is lost, spuff resolves the outcome before any retry.
//
// Errors: InvalidConfig before anything was sent; Capacity and QuotaExceeded when there is no room;
// UnknownOutcome, with a key for Resolve.
func (p *Provider) CreateInstance(ctx context.Context, request InstanceRequest) (Instance, error) {
	wanted, err := request.make()
	if err != nil {
		return Instance{}, err
	}
	defer C.spuff_request_free(&wanted)
	return await(ctx, p, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_create_instance(c.provider, wanted, c.token.pointer, number, c.failure)
	}, madeInstance)
}

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

// DestroyInstance destroys an instance. For one that is already gone it does nothing; for a locked
// one the destroy is retried until ActionComplete has passed.
//
// Errors: Conflict when it stays locked or is protected.
func (p *Provider) DestroyInstance(ctx context.Context, id string) error {
	_, err := await(ctx, p, given("id", id), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_destroy_instance(c.provider, c.arguments[0],
			c.token.pointer, number, c.failure)
	}, done)
	return err
}

// GetInstance returns one instance, or nil if it does not exist.
//
// Errors: InvalidConfig when id cannot be an id of this cloud.
func (p *Provider) GetInstance(ctx context.Context, id string) (*Instance, error) {
	return await(ctx, p, given("id", id), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_get_instance(c.provider, c.arguments[0],
			c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) (*Instance, error) { return takeFound((*C.spuff_instance)(made)) })
}

// ListInstances gives every instance that spuff manages, from all pages.
func (p *Provider) ListInstances(ctx context.Context) ([]Instance, error) {
	return await(ctx, p, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_list_instances(c.provider, c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) ([]Instance, error) {
		return takeInstances((*C.spuff_instances)(made))
	})
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

// WaitReady waits until an instance is active and has a public address.
//
// Errors: Timeout after InstanceReady; earlier when the instance has failed, with the cloud's
// reason, and NotFound when it is gone.
func (p *Provider) WaitReady(ctx context.Context, id string, options ...Option) (Instance, error) {
	observe := chosen(options).observe
	return await(ctx, p, given("id", id), observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_wait_ready(c.provider, c.arguments[0], c.token.pointer,
			observe != nil, number, c.failure)
	}, madeInstance)
}

// CreateSnapshot makes a snapshot and waits until it can be used. When the context ends before, the
// snapshot is finished in the background.
//
// Errors: Timeout after ActionComplete; NotSupported where there are no snapshots; UnknownOutcome,
// with a key for ResolveSnapshot.
func (p *Provider) CreateSnapshot(
	ctx context.Context, instanceID, name string, options ...Option,
) (Snapshot, error) {
	observe := chosen(options).observe
	arguments := given("instance_id", instanceID, "name", name)
	return await(ctx, p, arguments, observe, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_create_snapshot(c.provider, c.arguments[0], c.arguments[1],
			c.token.pointer, observe != nil, number, c.failure)
	}, func(made unsafe.Pointer) (Snapshot, error) {
		return takeSnapshot((*C.spuff_snapshot)(made))
	})
}

// ListSnapshots gives every snapshot that spuff manages, from all pages, without its labels.
func (p *Provider) ListSnapshots(ctx context.Context) ([]Snapshot, error) {
	return await(ctx, p, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_list_snapshots(c.provider, c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) ([]Snapshot, error) {
		return takeSnapshots((*C.spuff_snapshots)(made))
	})
}

// ListLabelledSnapshots gives every snapshot that spuff manages, each with its labels.
func (p *Provider) ListLabelledSnapshots(ctx context.Context) ([]Snapshot, error) {
	return await(ctx, p, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_list_labelled_snapshots(c.provider, c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) ([]Snapshot, error) {
		return takeSnapshots((*C.spuff_snapshots)(made))
	})
}

// DeleteSnapshot deletes a snapshot with all that it stores. For one that is already gone it does
// nothing.
func (p *Provider) DeleteSnapshot(ctx context.Context, id string) error {
	_, err := await(ctx, p, given("id", id), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_delete_snapshot(c.provider, c.arguments[0],
			c.token.pointer, number, c.failure)
	}, done)
	return err
}

// Resolve gives the instance that was made under a key: that of UnknownOutcome, or an idempotency
// key, from this process or another. It is nil when it is certain that there is none.
//
// Errors: UnknownOutcome when the cloud cannot be asked; NotSupported if the provider does not
// support it.
func (p *Provider) Resolve(ctx context.Context, key string) (*Instance, error) {
	return await(ctx, p, given("key", key), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_resolve(c.provider, c.arguments[0], c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) (*Instance, error) { return takeFound((*C.spuff_instance)(made)) })
}

// ResolveSnapshot gives the snapshot that was made under the key of UnknownOutcome, as Resolve.
func (p *Provider) ResolveSnapshot(ctx context.Context, key string) (*Snapshot, error) {
	return await(ctx, p, given("key", key), nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_resolve_snapshot(c.provider, c.arguments[0],
			c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) (*Snapshot, error) {
		return takeFoundSnapshot((*C.spuff_snapshot)(made))
	})
}

// SetLabels adds labels to an instance, or replaces their values; other labels stay.
//
// Errors: NotFound when the instance does not exist; NotSupported if the provider does not support
// it.
func (p *Provider) SetLabels(ctx context.Context, id string, labels map[string]string) error {
	arguments := given("id", id)
	for key, value := range labels {
		arguments = append(arguments, "labels", key, "labels", value)
	}
	_, err := await(ctx, p, arguments, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		var keys, values []*C.char
		for at := 1; at < len(c.arguments); at += 2 {
			keys, values = append(keys, c.arguments[at]), append(values, c.arguments[at+1])
		}
		return C.spuffgo_set_labels(c.provider, c.arguments[0], unsafe.SliceData(keys),
			unsafe.SliceData(values), C.size_t(len(keys)), c.token.pointer, number, c.failure)
	}, done)
	return err
}

// GetSSHKeys gives the SSH keys of the account, as values for InstanceRequest.SSHKeys.
func (p *Provider) GetSSHKeys(ctx context.Context) ([]string, error) {
	return await(ctx, p, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_get_ssh_keys(c.provider, c.token.pointer, number, c.failure)
	}, func(made unsafe.Pointer) ([]string, error) { return takeStrings((*C.spuff_strings)(made)) })
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
