//go:build linux

// Package heap tells the package's own tests how much C memory is in use, so that a handle that is
// not freed is seen.
package heap

// #include <malloc.h>
import "C"

// InUse is how many bytes of the C heap are in use.
func InUse() int64 { return int64(C.mallinfo2().uordblks) }
