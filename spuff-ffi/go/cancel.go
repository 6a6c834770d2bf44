// Contexts and the library's cancel tokens: each call has a token that ends when its context does.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"errors"
	"time"
)

// A token ends a call when a context does.
type token struct {
	pointer  *C.spuff_cancel
	ctx      context.Context
	deadline time.Time
	limited  bool
	stop     func() bool
	fired    chan struct{}
}

func newToken(ctx context.Context) *token {
	t := &token{ctx: ctx}
	if t.deadline, t.limited = ctx.Deadline(); t.limited {
		left := max(0, time.Until(t.deadline))
		t.pointer = C.spuff_cancel_with_deadline_ms(C.uint64_t(ceil(left, time.Millisecond)))
	} else {
		t.pointer = C.spuff_cancel_new()
	}
	switch {
	case ctx.Done() == nil:
	case ctx.Err() != nil:
		t.fire()
	default:
		t.fired = make(chan struct{})
		t.stop = context.AfterFunc(ctx, func() {
			defer close(t.fired)
			t.fire()
		})
	}
	return t
}

// fire cancels by hand, but not at the deadline: the library knows that itself, and says that it
// was the time that ended the call.
func (t *token) fire() {
	if !t.limited || !errors.Is(t.ctx.Err(), context.DeadlineExceeded) {
		t.cancel()
	}
}

func (t *token) cancel() { C.spuff_cancel_cancel(t.pointer) }

func (t *token) free() {
	if t.stop != nil && !t.stop() {
		<-t.fired
	}
	C.spuff_cancel_free(&t.pointer)
}

// explain adds to an error of a call what the context says about its end.
func (t *token) explain(failure *Error) error {
	switch ended := t.ctx.Err(); {
	case failure.Kind == Cancelled && ended != nil:
		failure.causes = append(failure.causes, ended)
		if cause := context.Cause(t.ctx); cause != nil && cause != ended {
			failure.causes = append(failure.causes, cause)
		}
	case failure.Kind == Timeout && t.limited && !time.Now().Before(t.deadline):
		failure.causes = append(failure.causes, context.DeadlineExceeded)
		// The library may have been quicker than the context's own timer.
		select {
		case <-t.ctx.Done():
		case <-time.After(time.Second):
		}
		if cause := context.Cause(t.ctx); cause != nil && cause != context.DeadlineExceeded {
			failure.causes = append(failure.causes, cause)
		}
	}
	return failure
}

// ceil is how many units a duration takes up.
func ceil(d, unit time.Duration) int64 {
	whole := int64(d / unit)
	if d%unit > 0 {
		whole++
	}
	return whole
}

// moment is a time of the library's that may not be there: then it is below zero.
func moment(unixMilli C.int64_t) time.Time {
	if unixMilli < 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(unixMilli)).UTC()
}
