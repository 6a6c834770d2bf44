// Providers written in Go: what they are, and how a registry takes them.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"reflect"
	"runtime/cgo"
)

// An Implementation is a provider written in Go: the operations that every one has. Others are in
// the interfaces below; a provider has those whose methods its type has, and Close, where it has
// one, ends it.
//
// The methods are called by many goroutines at once. Their context ends when the caller has left.
// Their errors are best an *Error, with the fields that its kind has; a Kind that is wrapped is
// known as such, and so are the errors of contexts. A nil *Error is no error. A panic becomes an
// error of the kind Internal. What a create has made before it failed is returned beside the error:
// it is ended, or kept, as the caller has said, and the error tells its id.
type Implementation interface {
	// CreateInstance creates an instance, with the labels of the request and managed-by=spuff, and
	// returns as soon as it is accepted. An abandoned one runs to completion, and its instance is
	// destroyed or kept, as the request says. An instance that is given back because the request's
	// IdempotencyKey had made it before has Adopted set: no rollback destroys it.
	CreateInstance(ctx context.Context, request InstanceRequest) (Instance, error)
	// DestroyInstance destroys an instance; for one that is gone it does nothing.
	DestroyInstance(ctx context.Context, id string) error
	// GetInstance returns an instance, or nil if it does not exist.
	GetInstance(ctx context.Context, id string) (*Instance, error)
	// ListInstances gives every instance that carries managed-by=spuff.
	ListInstances(ctx context.Context) ([]Instance, error)
}

// A Waiter has a way of its own to wait; for others spuff looks at GetInstance again and again.
type Waiter interface {
	// WaitReady waits until an instance is ready. An error of the instance itself is of the kind
	// Timeout, NotFound, Capacity, QuotaExceeded, a Conflict that does not pass, or API with its
	// InstanceID: for these alone the instance may be destroyed. All others mean that it could not
	// be polled.
	WaitReady(ctx context.Context, id string) (Instance, error)
}

// A Snapshotter makes snapshots.
type Snapshotter interface {
	// CreateSnapshot makes a snapshot with managed-by=spuff and waits until it can be used.
	CreateSnapshot(ctx context.Context, instanceID, name string) (Snapshot, error)
	// ListSnapshots gives every snapshot that carries managed-by=spuff, with its labels.
	ListSnapshots(ctx context.Context) ([]Snapshot, error)
	// DeleteSnapshot deletes a snapshot; for one that is gone it does nothing.
	DeleteSnapshot(ctx context.Context, id string) error
}

// A Resolver finds instances by the keys that they were made under.
type Resolver interface {
	// Resolve finds the instance that was made under a key; where there is certainly none it is
	// nil.
	Resolve(ctx context.Context, key string) (*Instance, error)
}

// A SnapshotResolver finds snapshots by the keys that they were made under.
type SnapshotResolver interface {
	// ResolveSnapshot finds the snapshot that was made under a key; where there is certainly none
	// it is nil.
	ResolveSnapshot(ctx context.Context, key string) (*Snapshot, error)
}

// A Labeller changes labels.
type Labeller interface {
	// SetLabels adds labels to an instance, or replaces their values; other labels stay.
	SetLabels(ctx context.Context, id string, labels map[string]string) error
}

// A KeyLister reads the SSH keys of the account.
type KeyLister interface {
	// GetSSHKeys gives the keys as values for InstanceRequest.SSHKeys.
	GetSSHKeys(ctx context.Context) ([]string, error)
}

// A Pricer knows what instances cost.
type Pricer interface {
	// HourlyPrice returns the hourly price of an instance of that size in that region; empty is the
	// default.
	HourlyPrice(ctx context.Context, region, size string) (Price, error)
}

// A Factory makes providers of one type that is written in Go.
type Factory[P Implementation] struct {
	// Summary says what the provider is, in a line.
	Summary string
	// MaxUserData is the most bytes of user data that an instance takes; 0 if it takes none.
	MaxUserData int
	// DropsLabels says that the values of labels are not kept.
	DropsLabels bool
	// Connect makes a provider from a configuration. Nothing should be sent.
	Connect func(config Config) (P, error)
}

// Register adds providers that are written in Go to a registry, under a name, in place of those
// that had it. What they can do is read from the type P.
//
// Errors: InvalidConfig for an empty name, and without Connect.
func Register[P Implementation](registry *Registry, name string, factory Factory[P]) error {
	if factory.Connect == nil {
		return invalid("connect", "must not be nil")
	}
	made := reflect.TypeFor[P]()
	connect := func(config Config) (Implementation, error) { return factory.Connect(config) }
	return registry.register(name, factory.Summary, factory.MaxUserData, factory.DropsLabels,
		C.spuffgo_abilities{
			wait_ready:       C.bool(made.Implements(reflect.TypeFor[Waiter]())),
			snapshots:        C.bool(made.Implements(reflect.TypeFor[Snapshotter]())),
			resolve:          C.bool(made.Implements(reflect.TypeFor[Resolver]())),
			resolve_snapshot: C.bool(made.Implements(reflect.TypeFor[SnapshotResolver]())),
			set_labels:       C.bool(made.Implements(reflect.TypeFor[Labeller]())),
			get_ssh_keys:     C.bool(made.Implements(reflect.TypeFor[KeyLister]())),
			hourly_price:     C.bool(made.Implements(reflect.TypeFor[Pricer]())),
		}, connect)
}

// A connector makes a provider that is written in Go.
type connector func(Config) (Implementation, error)

func (r *Registry) register(
	name, summary string, maxUserData int, dropsLabels bool, abilities C.spuffgo_abilities,
	connect connector,
) error {
	return r.use(func(registry *C.spuff_registry, b *build) {
		text, line := b.add("name", name), (*C.char)(nil)
		if summary != "" {
			line = b.add("summary", summary)
		}
		b.step(func(failure **C.spuff_error) C.spuff_code {
			// The library drops it, also when this fails.
			factory := cgo.NewHandle(connect)
			return C.spuffgo_register(registry, text, line, C.size_t(max(0, maxUserData)),
				C.bool(dropsLabels), abilities, C.uintptr_t(factory), failure)
		})
	})
}
