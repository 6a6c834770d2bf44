// How a verb of a provider written in Go is called: with a context that ends when the library's token does, and without a panic
// that leaves it.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"fmt"
	"runtime/cgo"
	"time"
)

// How often the library's token is looked at, which tells nobody by itself.
const lookInterval = 10 * time.Millisecond

// answer calls work with a provider, and gives the library the code and the error of it.
func answer(self C.uintptr_t, cancel *C.spuff_cancel, failure **C.spuff_error, verb string,
	work func(ctx context.Context, p Implementation) error) C.int32_t {
	ctx, end := linked(cancel)
	defer end()
	err := contained(func() error { return work(ctx, cgo.Handle(self).Value().(Implementation)) })
	if err == nil {
		return C.SPUFF_OK
	}
	return asError(err, verb).give(failure)
}

// contained calls work on a goroutine of its own, of which neither a panic nor runtime.Goexit gets into the library.
func contained(work func() error) (err error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		returned := false
		defer func() {
			if reason := recover(); reason != nil {
				err = &Error{Kind: Internal, Message: fmt.Sprintf("panic: %v", reason)}
			} else if !returned {
				err = &Error{Kind: Internal, Message: "the goroutine was ended before the method returned"}
			}
		}()
		err = work()
		returned = true
	}()
	<-over
	return err
}

// linked gives a context that ends when a token does, and what ends the watch over it: the token lives no longer than the call.
func linked(cancel *C.spuff_cancel) (context.Context, func()) {
	ctx, ended := context.WithCancel(context.Background())
	if bool(C.spuff_cancel_is_cancelled(cancel)) {
		ended()
		return ctx, func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		look := time.NewTicker(lookInterval)
		defer look.Stop()
		for {
			select {
			case <-stop:
				return
			case <-look.C:
				if bool(C.spuff_cancel_is_cancelled(cancel)) {
					ended()
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(stop)
		<-stopped
		ended()
	}
}
