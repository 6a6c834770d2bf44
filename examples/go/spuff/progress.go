// What calls that wait see on their way.

package spuff

// #include <spuff.h>
import "C"

import "time"

// Progress is what a call that waits has seen on its way.
type Progress struct {
	// Operation is the verb, such as wait_ready.
	Operation string
	// ID is what it is about: that of a machine, snapshot or action.
	ID string
	// State is what was seen, in words: accepted, new, gone …
	State string
	// Elapsed is the time since the verb began.
	Elapsed time.Duration
}

func progressOf(pointer *C.spuff_progress) Progress {
	return Progress{
		Operation: C.GoString(pointer.operation),
		ID:        C.GoString(pointer.id),
		State:     C.GoString(pointer.state),
		Elapsed:   millis(C.int64_t(pointer.elapsed_ms)),
	}
}

// An Option is a choice for one call that waits.
type Option func(*choices)

type choices struct{ observe func(Progress) }

// OnProgress lets observe be told what the call sees on its way: in order, by the goroutine that called. It may call spuff;
// when it panics, the call is cancelled.
func OnProgress(observe func(Progress)) Option {
	return func(c *choices) { c.observe = observe }
}

func chosen(options []Option) (c choices) {
	for _, option := range options {
		option(&c)
	}
	return c
}
