// The outcomes of operations on many instances.

package spuff

// #include <spuff.h>
import "C"

import (
	"errors"
	"unsafe"
)

// An Outcome is the outcome of an operation on many instances for one of them.
type Outcome struct {
	// Instance is the instance; nil where nothing is known but Err, and of DestroyInstances.
	Instance *Instance
	// Placed tells, of PlaceInstances, where that instance is, and what was tried before; else nil.
	Placed *Placed
	// Err is why it has failed, an *Error; nil where it has not.
	Err error
}

// Outcomes are one for each thing that an operation on many instances was given, in their order.
type Outcomes []Outcome

// Err joins the errors of all that have failed: errors.Is and errors.As look through them. It is
// nil when none has.
func (o Outcomes) Err() error {
	failures := make([]error, 0, len(o))
	for _, one := range o {
		failures = append(failures, one.Err)
	}
	return errors.Join(failures...)
}

// takeOutcomes copies outcomes that the caller owns, and frees them.
func takeOutcomes(made unsafe.Pointer) (Outcomes, error) {
	pointer := (*C.spuff_outcomes)(made)
	defer C.spuff_outcomes_free(&pointer)
	outcomes := make(Outcomes, C.spuff_outcomes_count(pointer))
	for at := range outcomes {
		one := &outcomes[at]
		if failure := errorOf(C.spuff_outcomes_error(pointer, C.size_t(at))); failure != nil {
			one.Err = failure
		} else if placed := C.spuff_outcomes_placed(pointer, C.size_t(at)); placed != nil {
			one.Placed = new(Placed)
			*one.Placed, one.Err = placedOf(placed)
			one.Instance = &one.Placed.Instance
		} else if machine := C.spuff_outcomes_instance(pointer, C.size_t(at)); machine != nil {
			one.Instance = new(Instance)
			*one.Instance, one.Err = instanceOf(machine)
		}
	}
	return outcomes, nil
}
