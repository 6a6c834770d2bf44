// Handles of the library: each is freed once, when it is closed and no call uses it any more.

package spuff

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// ErrClosed is, for errors.Is, the error of whatever is used after its Close.
var ErrClosed = errors.New("already closed")

// A handle is a pointer of the library, with the calls that use it now.
type handle[P comparable] struct {
	what    string
	free    func(P)
	mutex   sync.Mutex
	pointer P
	users   int
	closed  bool
}

// owned gives a pointer to its owner, with whose end it is closed.
func owned[O any, P comparable](owner *O, what string, pointer P, free func(P)) *handle[P] {
	h := &handle[P]{what: what, free: free, pointer: pointer}
	runtime.AddCleanup(owner, (*handle[P]).close, h)
	return h
}

// acquire gives the pointer, which lives until release.
func (h *handle[P]) acquire() (P, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.closed {
		var none P
		return none, &Error{Kind: InvalidConfig, Field: h.what, Message: ErrClosed.Error(),
			Text: fmt.Sprintf("invalid %s: %v", h.what, ErrClosed), causes: []error{ErrClosed}}
	}
	h.users++
	return h.pointer, nil
}

func (h *handle[P]) release() {
	h.mutex.Lock()
	h.users--
	over := h.closed && h.users == 0
	h.mutex.Unlock()
	if over {
		h.free(h.pointer)
	}
}

// close lets the last call that is in progress free the pointer, or does so itself.
func (h *handle[P]) close() {
	h.mutex.Lock()
	over := !h.closed && h.users == 0
	h.closed = true
	h.mutex.Unlock()
	if over {
		h.free(h.pointer)
	}
}
