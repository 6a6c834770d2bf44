// The library itself: its version, its parts, and what it still does.

package spuff

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import "context"

// Version is that of the library, such as 0.1.0.
func Version() string { return C.GoString(C.spuff_version()) }

// HasFeature says whether a part is built into the library: digitalocean, hetzner, aws, docker, simulator or conformance.
func HasFeature(name string) bool {
	var t texts
	defer t.free()
	return bool(C.spuff_has_feature(t.lossy(name)))
}

// Settled waits until what is in the background at this call has come to its end: creates that nobody waits for any more, and destroys
// of machines whose create was cancelled. What begins later is not waited for, nor a create whose caller waits for it. A program that
// ends before may leave machines behind; their labels tell whose they are. The end of a machine is accepted by its cloud then: lists may
// show it for a while.
//
// Errors: Cancelled or Timeout, when the context ends before.
func Settled(ctx context.Context) error {
	_, err := await(ctx, nil, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_settled(c.token.pointer, number, c.failure)
	}, done)
	return err
}
