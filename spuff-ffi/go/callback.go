// What the library calls while operations are in progress, on threads of its own.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"
)

//export spuffgoDone
func spuffgoDone(number C.uintptr_t, code C.int32_t, made unsafe.Pointer, failure *C.spuff_error) {
	waits := cgo.Handle(number).Value().(*pending)
	waits.end <- outcome{C.spuff_code(code), made, failure}
}

//export spuffgoTime
func spuffgoTime(number C.uintptr_t, code C.int32_t, at C.int64_t, failure *C.spuff_error) {
	waits := cgo.Handle(number).Value().(*pending)
	waits.end <- outcome{C.spuff_code(code), unsafe.Pointer(&at), failure}
}

//export spuffgoCancelled
func spuffgoCancelled(number C.uintptr_t) { cgo.Handle(number).Value().(context.CancelFunc)() }

//export spuffgoProgress
func spuffgoProgress(number C.uintptr_t, seen *C.spuff_progress) {
	waits := cgo.Handle(number).Value().(*pending)
	waits.seen <- progressOf(seen)
	<-waits.observed
}

//export spuffgoLine
func spuffgoLine(level C.int32_t, target, message *C.char) {
	logged(int32(level), C.GoString(target), C.GoString(message))
}
