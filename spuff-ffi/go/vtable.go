// How a provider written in Go begins and ends, and what its operations give the library. The
// functions that are called for these are in zz_vtable.go.

package spuff

// #include <spuff.h>
import "C"

import (
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

// labelsOf copies labels, side by side.
func labelsOf(keys, values **C.char, count C.size_t) map[string]string {
	labels := make(map[string]string)
	names, texts := unsafe.Slice(keys, int(count)), unsafe.Slice(values, int(count))
	for at := range names {
		labels[C.GoString(names[at])] = C.GoString(texts[at])
	}
	return labels
}

// listedInstances fills a list of the library's.
func listedInstances(found []Instance, err error, list *C.spuff_instances) error {
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
}

// listedStrings fills a list of the library's.
func listedStrings(found []string, err error, list *C.spuff_strings) error {
	var t texts
	defer t.free()
	for _, one := range found {
		C.spuff_strings_push(list, t.lossy(one), nil)
	}
	return err
}

// handedWhole gives the library what an operation has returned without an error.
func handedWhole[T, P any](made *T, err error, out *P, give func(*T, *P) error) error {
	if made == nil || err != nil {
		return err
	}
	return give(made, out)
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
