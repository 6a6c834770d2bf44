// The functions that the library calls of a provider written in Go.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"io"
	"runtime/cgo"
	"unsafe"
)

//export spuffgoDrop
func spuffgoDrop(factory C.uintptr_t) { cgo.Handle(factory).Delete() }

//export spuffgoConnect
func spuffgoConnect(
	factory C.uintptr_t, config *C.spuff_config, self *C.uintptr_t, failure **C.spuff_error,
) C.int32_t {
	connect := cgo.Handle(factory).Value().(connector)
	return answered(failure, "connect", func() error {
		p, err := connect(configOf(config))
		if failed := asError(err, "connect"); failed != nil {
			return failed
		}
		if p == nil {
			return &Error{Kind: Other, Message: "connect returned neither a provider nor an error"}
		}
		*self = C.uintptr_t(cgo.NewHandle(p))
		return nil
	})
}

//export spuffgoDisconnect
func spuffgoDisconnect(self C.uintptr_t) {
	provider := cgo.Handle(self).Value()
	cgo.Handle(self).Delete()
	if closer, is := provider.(io.Closer); is {
		failed := failureOf("close", closer.Close)
		if failed != nil {
			logged(logWarn, "spuff", "a provider could not be closed: "+failed.Error())
		}
	}
}

//export spuffgoCreateInstance
func spuffgoCreateInstance(
	self C.uintptr_t, request *C.spuff_request, cancel *C.spuff_cancel, out **C.spuff_instance,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "create_instance",
		func(ctx context.Context, p Implementation) error {
			made, err := p.CreateInstance(ctx, requestOf(request))
			return handed(&made, err, out, (*Instance).give)
		})
}

//export spuffgoDestroyInstance
func spuffgoDestroyInstance(
	self C.uintptr_t, id *C.char, cancel *C.spuff_cancel, failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "destroy_instance",
		func(ctx context.Context, p Implementation) error {
			return p.DestroyInstance(ctx, C.GoString(id))
		})
}

//export spuffgoGetInstance
func spuffgoGetInstance(
	self C.uintptr_t, id *C.char, cancel *C.spuff_cancel, out **C.spuff_instance,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "get_instance",
		func(ctx context.Context, p Implementation) error {
			found, err := p.GetInstance(ctx, C.GoString(id))
			return handed(found, err, out, (*Instance).give)
		})
}

//export spuffgoListInstances
func spuffgoListInstances(
	self C.uintptr_t, cancel *C.spuff_cancel, list *C.spuff_instances, failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "list_instances",
		func(ctx context.Context, p Implementation) error {
			found, err := p.ListInstances(ctx)
			if err != nil {
				return err
			}
			for at := range found {
				one := new(*C.spuff_instance)
				if err := found[at].give(one); err != nil {
					return err
				}
				C.spuff_instances_push(list, one, nil)
			}
			return nil
		})
}

//export spuffgoWaitReady
func spuffgoWaitReady(
	self C.uintptr_t, id *C.char, cancel *C.spuff_cancel, out **C.spuff_instance,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "wait_ready",
		func(ctx context.Context, p Implementation) error {
			ready, err := p.(Waiter).WaitReady(ctx, C.GoString(id))
			return handed(&ready, err, out, (*Instance).give)
		})
}

//export spuffgoCreateSnapshot
func spuffgoCreateSnapshot(
	self C.uintptr_t, instanceID, name *C.char, cancel *C.spuff_cancel, out **C.spuff_snapshot,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "create_snapshot",
		func(ctx context.Context, p Implementation) error {
			made, err := p.(Snapshotter).CreateSnapshot(
				ctx, C.GoString(instanceID), C.GoString(name))
			return handed(&made, err, out, (*Snapshot).give)
		})
}

//export spuffgoListSnapshots
func spuffgoListSnapshots(
	self C.uintptr_t, cancel *C.spuff_cancel, list *C.spuff_snapshots, failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "list_snapshots",
		func(ctx context.Context, p Implementation) error {
			found, err := p.(Snapshotter).ListSnapshots(ctx)
			if err != nil {
				return err
			}
			for at := range found {
				one := new(*C.spuff_snapshot)
				if err := found[at].give(one); err != nil {
					return err
				}
				C.spuff_snapshots_push(list, one, nil)
			}
			return nil
		})
}

//export spuffgoDeleteSnapshot
func spuffgoDeleteSnapshot(
	self C.uintptr_t, id *C.char, cancel *C.spuff_cancel, failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "delete_snapshot",
		func(ctx context.Context, p Implementation) error {
			return p.(Snapshotter).DeleteSnapshot(ctx, C.GoString(id))
		})
}

//export spuffgoResolve
func spuffgoResolve(
	self C.uintptr_t, key *C.char, cancel *C.spuff_cancel, out **C.spuff_instance,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "resolve",
		func(ctx context.Context, p Implementation) error {
			found, err := p.(Resolver).Resolve(ctx, C.GoString(key))
			return handed(found, err, out, (*Instance).give)
		})
}

//export spuffgoResolveSnapshot
func spuffgoResolveSnapshot(
	self C.uintptr_t, key *C.char, cancel *C.spuff_cancel, out **C.spuff_snapshot,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "resolve_snapshot",
		func(ctx context.Context, p Implementation) error {
			found, err := p.(SnapshotResolver).ResolveSnapshot(ctx, C.GoString(key))
			return handed(found, err, out, (*Snapshot).give)
		})
}

//export spuffgoSetLabels
func spuffgoSetLabels(
	self C.uintptr_t, id *C.char, keys, values **C.char, count C.size_t, cancel *C.spuff_cancel,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "set_labels",
		func(ctx context.Context, p Implementation) error {
			labels := make(map[string]string)
			names, texts := unsafe.Slice(keys, int(count)), unsafe.Slice(values, int(count))
			for at := range names {
				labels[C.GoString(names[at])] = C.GoString(texts[at])
			}
			return p.(Labeller).SetLabels(ctx, C.GoString(id), labels)
		})
}

//export spuffgoHourlyPrice
func spuffgoHourlyPrice(
	self C.uintptr_t, region, size *C.char, cancel *C.spuff_cancel, out **C.spuff_price,
	failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "hourly_price",
		func(ctx context.Context, p Implementation) error {
			price, err := p.(Pricer).HourlyPrice(ctx, C.GoString(region), C.GoString(size))
			if err != nil {
				return err
			}
			return price.give(out)
		})
}

//export spuffgoGetSSHKeys
func spuffgoGetSSHKeys(
	self C.uintptr_t, cancel *C.spuff_cancel, list *C.spuff_strings, failure **C.spuff_error,
) C.int32_t {
	return answer(self, cancel, failure, "get_ssh_keys",
		func(ctx context.Context, p Implementation) error {
			found, err := p.(KeyLister).GetSSHKeys(ctx)
			var t texts
			defer t.free()
			for _, key := range found {
				C.spuff_strings_push(list, t.lossy(key), nil)
			}
			return err
		})
}

// handed gives the library what an operation has made, also beside an error: of what that may be,
// the id is known at least.
func handed[T identified, P any](made *T, err error, out *P, give func(*T, *P) error) error {
	if made == nil || (err != nil && (*made).id() == "") {
		return err
	}
	given := give(made, out)
	if err != nil {
		return err
	}
	return given
}

// identified is what has an id of the provider's.
type identified interface{ id() string }

func (i Instance) id() string { return i.ID }
func (s Snapshot) id() string { return s.ID }
