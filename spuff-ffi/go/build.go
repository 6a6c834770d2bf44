// How values of the library are built from Go's: step by step, up to the first that fails.

package spuff

// #include <spuff.h>
import "C"

import "time"

// A build is a row of calls that fill one value of the library's.
type build struct {
	texts
	code    C.spuff_code
	failure **C.spuff_error
}

func newBuild() *build { return &build{failure: new(*C.spuff_error)} }

// step does the next call, unless one before has failed or its own texts cannot be given.
func (b *build) step(next func(failure **C.spuff_error) C.spuff_code) {
	if b.code == C.SPUFF_OK && b.err == nil {
		b.code = next(b.failure)
	}
}

// units is a duration as the library takes it: never less than was said.
func (b *build) units(name string, d, unit time.Duration) C.uint64_t {
	if d < 0 && b.err == nil {
		b.err = invalid(name, d.String()+": must be at least 0")
	}
	return C.uint64_t(max(0, ceil(d, unit)))
}

// end frees the texts; its error is that of the step that failed.
func (b *build) end() error {
	b.free()
	if err := checked(b.code, *b.failure); err != nil {
		return err
	}
	return b.err
}
