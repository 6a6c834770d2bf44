// What the library calls while verbs are under way, on threads of its own.

package spuff

// #include <spuff.h>
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

//export spuffgoDone
func spuffgoDone(number C.uintptr_t, code C.int32_t, made unsafe.Pointer, failure *C.spuff_error) {
	waits := cgo.Handle(number).Value().(*pending)
	waits.end <- outcome{C.spuff_code(code), made, failure}
}

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
