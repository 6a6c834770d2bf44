// How a registry takes providers written in Go. Their interfaces are in zz_implementation.go.

package spuff

// #include "bridge.h"
import "C"

import (
	"reflect"
	"runtime/cgo"
)

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
	abilities := abilitiesOf(reflect.TypeFor[P]())
	connect := func(config Config) (Implementation, error) { return factory.Connect(config) }
	return registry.register(
		name, factory.Summary, factory.MaxUserData, factory.DropsLabels, abilities, connect,
	)
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
