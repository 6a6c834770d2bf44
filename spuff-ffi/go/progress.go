// What calls that wait see on their way.

package spuff

// #include <spuff.h>
import "C"

import "time"

// Progress is what a call that waits has seen on its way.
type Progress struct {
	// Operation is the operation, such as wait_ready.
	Operation string
	// ID is what it is about: that of an instance, snapshot or action; empty while it has none.
	ID string
	// State is what was seen, in words: accepted, new, gone …; where it has failed, why.
	State string
	// Elapsed is the time since the operation began.
	Elapsed time.Duration
	// Phase is how far it is.
	Phase Phase
	// Index is, of an operation on many instances, the position of this one in what the operation
	// was given; else -1.
	Index int
	// Name is, of an operation on many instances, the name of this one, where the operation was
	// given names; else empty.
	Name string
	// Instance is the instance, where this tells that it was accepted or is ready; else nil.
	Instance *Instance
}

// A Phase is how far something is that a call waits for.
type Phase int32

const (
	// PhasePending: it goes on.
	PhasePending Phase = C.SPUFF_PHASE_PENDING
	// PhaseAccepted: the cloud has accepted the create; there is an instance, and it is paid for.
	PhaseAccepted Phase = C.SPUFF_PHASE_ACCEPTED
	// PhaseBooting: the instance is not ready yet.
	PhaseBooting Phase = C.SPUFF_PHASE_BOOTING
	// PhaseReady: the instance is ready.
	PhaseReady Phase = C.SPUFF_PHASE_READY
	// PhaseDestroyed: the instance is gone.
	PhaseDestroyed Phase = C.SPUFF_PHASE_DESTROYED
	// PhaseFailed: it has come to an end that was not wanted.
	PhaseFailed Phase = C.SPUFF_PHASE_FAILED
)

// String is the phase in a word.
func (p Phase) String() string {
	switch p {
	case PhaseAccepted:
		return "accepted"
	case PhaseBooting:
		return "booting"
	case PhaseReady:
		return "ready"
	case PhaseDestroyed:
		return "destroyed"
	case PhaseFailed:
		return "failed"
	}
	return "pending"
}

func progressOf(pointer *C.spuff_progress) Progress {
	seen := Progress{
		Operation: C.GoString(pointer.operation),
		ID:        C.GoString(pointer.id),
		State:     C.GoString(pointer.state),
		Elapsed:   millis(C.int64_t(pointer.elapsed_ms)),
		Phase:     Phase(pointer.phase),
		Index:     int(pointer.index),
		Name:      C.GoString(pointer.name),
	}
	if pointer.instance != nil {
		instance, err := instanceOf(pointer.instance)
		if err != nil {
			logged(logWarn, "spuff", err.Error())
			return seen
		}
		seen.Instance = &instance
	}
	return seen
}

// An Option is a choice for one call that waits.
type Option func(*choices)

type choices struct{ observe func(Progress) }

// OnProgress lets observe be told what the call sees on its way: in order, by the goroutine that
// called. The call goes on when it returns. It may call spuff; when it panics or ends its
// goroutine, the call is cancelled, as when its context ends.
func OnProgress(observe func(Progress)) Option {
	return func(c *choices) { c.observe = observe }
}

func chosen(options []Option) (c choices) {
	for _, option := range options {
		option(&c)
	}
	return c
}
