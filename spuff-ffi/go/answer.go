// How an operation of a provider written in Go is called: with a context that ends when the
// library's token does, and without a panic that leaves it.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"runtime/cgo"
)

// answer calls work with a provider, and gives the library the code and the error of it.
func answer(
	self C.uintptr_t, cancel *C.spuff_cancel, failure **C.spuff_error, verb string,
	work func(ctx context.Context, p Implementation) error,
) C.int32_t {
	return answered(failure, verb, func() error {
		ctx, end, err := linked(cancel)
		if err != nil {
			return err
		}
		defer end()
		return work(ctx, cgo.Handle(self).Value().(Implementation))
	})
}

// answered gives the library the code and the error of some work.
func answered(failure **C.spuff_error, verb string, work func() error) C.int32_t {
	failed := failureOf(verb, work)
	if failed == nil {
		return C.SPUFF_OK
	}
	return failed.give(failure)
}

// failureOf is the error of some work, of an operation; nil where there is none. What an error says
// of itself is asked where it may panic.
func failureOf(verb string, work func() error) (failed *Error) {
	fault := contained(func() error {
		failed = asError(work(), verb)
		return nil
	})
	if fault != nil {
		return asError(fault, verb)
	}
	return failed
}

// contained calls work on a goroutine of its own, of which neither a panic nor runtime.Goexit gets
// into the library.
func contained(work func() error) (err error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		returned := false
		defer func() {
			if reason := recover(); reason != nil {
				err = &Error{Kind: Internal, Message: fmt.Sprintf("panic: %v", reason)}
			} else if !returned {
				err = &Error{
					Kind:    Internal,
					Message: "the goroutine was ended before the method returned",
				}
			}
		}()
		err = work()
		returned = true
	}()
	<-over
	return err
}

// linked gives a context that ends when a token does, and what ends the watch over it.
func linked(cancel *C.spuff_cancel) (context.Context, func(), error) {
	ctx, ended := context.WithCancel(context.Background())
	number := cgo.NewHandle(ended)
	notice, failure := new(*C.spuff_notice), new(*C.spuff_error)
	if err := checked(
		C.spuffgo_notify(cancel, C.uintptr_t(number), notice, failure), *failure,
	); err != nil {
		number.Delete()
		ended()
		return nil, nil, err
	}
	return ctx, func() {
		C.spuff_notice_free(notice)
		number.Delete()
		ended()
	}, nil
}
