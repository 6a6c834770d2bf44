// One call of an operation: its arguments, its token, and the wait for its outcome.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// A call is an operation of a provider in progress. What it borrows lives until free.
type call struct {
	texts
	arguments []*C.char
	owner     *Provider
	provider  *C.spuff_provider
	token     *token
	failure   **C.spuff_error
}

// given are the texts that an operation takes: the name of each argument, then its value.
func given(texts ...string) []string { return texts }

// begin borrows the provider, copies the texts, and gives the call a token of the context. A
// placement, and Settled, have no provider of their own: p is nil.
func (p *Provider) begin(ctx context.Context, arguments []string) (*call, error) {
	c := &call{owner: p, failure: new(*C.spuff_error)}
	for at := 0; at < len(arguments); at += 2 {
		c.arguments = append(c.arguments, c.add(arguments[at], arguments[at+1]))
	}
	err := c.err
	if err == nil && p != nil {
		c.provider, err = p.handle.acquire()
		runtime.KeepAlive(p)
	}
	if err != nil {
		c.texts.free()
		return nil, err
	}
	c.token = newToken(ctx)
	return c, nil
}

func (c *call) free() {
	c.texts.free()
	c.token.free()
	if c.owner != nil {
		c.owner.handle.release()
	}
}

// failed is the error of an outcome.
func (c *call) failed(code C.spuff_code, failure *C.spuff_error) error {
	if code == C.SPUFF_OK {
		return nil
	}
	return c.token.explain(taken(failure))
}

// A pending is an operation that calls back, while it is waited for. The library is held up until
// what it has seen was observed: it gives nothing away before, so that an instance whose observer
// has failed is still its own to end.
type pending struct {
	seen     chan Progress
	observed chan struct{}
	end      chan outcome
}

// wait gives what is seen on the way to observe, and then the end.
func (w *pending) wait(observe func(Progress)) outcome {
	for {
		select {
		case seen := <-w.seen:
			observe(seen)
			w.observed <- struct{}{}
		case end := <-w.end:
			return end
		}
	}
}

// An outcome is the result of a call that calls back.
type outcome struct {
	code    C.spuff_code
	made    unsafe.Pointer
	failure *C.spuff_error
}

// await does an operation that calls back, without a thread that waits for it, and gives what it
// has made.
func await[T any](
	ctx context.Context, p *Provider, arguments []string, observe func(Progress),
	submit func(c *call, number C.uintptr_t) C.spuff_code,
	take func(unsafe.Pointer) (T, error),
) (made T, err error) {
	c, err := p.begin(ctx, arguments)
	if err != nil {
		return made, err
	}
	defer c.free()
	waits := &pending{make(chan Progress), make(chan struct{}), make(chan outcome, 1)}
	number := cgo.NewHandle(waits)
	defer number.Delete()
	if err := c.failed(submit(c, C.uintptr_t(number)), *c.failure); err != nil {
		return made, err
	}
	over := false
	finish := func(end outcome) (T, error) {
		over = true
		if err := c.failed(end.code, end.failure); err != nil {
			var nothing T
			return nothing, err
		}
		return take(end.made)
	}
	// The observer may panic, or end its goroutine: the callbacks still need somebody to talk to.
	defer func() {
		if over {
			return
		}
		c.token.cancel()
		waits.observed <- struct{}{}
		_, _ = finish(waits.wait(func(Progress) {}))
	}()
	return finish(waits.wait(observe))
}

// done is what an operation without a result has made.
func done(unsafe.Pointer) (struct{}, error) { return struct{}{}, nil }
