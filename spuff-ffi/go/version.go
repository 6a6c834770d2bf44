// The library itself: its version, its parts, and what it still does.

package spuff

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import "context"

// Version is that of the library, such as 0.1.0.
func Version() string { return C.GoString(C.spuff_version()) }

// HasFeature says whether a part is built into the library: digitalocean, hetzner, aws, docker,
// simulator or conformance.
func HasFeature(name string) bool {
	var t texts
	defer t.free()
	return bool(C.spuff_has_feature(t.lossy(name)))
}

// Settled waits for the work that is in the background at this call: abandoned creates, and
// destroys of instances whose create was cancelled. It does not wait for work that begins later,
// nor for a create whose caller still waits. A program that exits earlier may leave instances
// behind; their labels show the owner. The cloud has then accepted each destroy: lists may show the
// instance for a while.
//
// Errors: Cancelled or Timeout, when the context ends before.
func Settled(ctx context.Context) error {
	_, err := await(ctx, nil, nil, nil, func(c *call, number C.uintptr_t) C.spuff_code {
		return C.spuffgo_settled(c.token.pointer, number, c.failure)
	}, done)
	return err
}
