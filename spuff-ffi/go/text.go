// Texts on their way into the library and out of it.

package spuff

// #include <spuff.h>
// #include <stdlib.h>
import "C"

import (
	"net/netip"
	"strings"
	"unsafe"
)

// Ptr gives a pointer to a value, for the fields where nothing and empty are not the same.
func Ptr[T any](value T) *T { return &value }

// texts are the copies of a call's arguments that C reads. They live until free.
type texts struct {
	copies []unsafe.Pointer
	err    error
}

// add copies a text. One that C would see only the beginning of is an error, of the argument of
// that name.
func (t *texts) add(name, text string) *C.char {
	if strings.ContainsRune(text, 0) && t.err == nil {
		t.err = invalid(name, "must not contain NUL")
	}
	return t.copy(text)
}

// optional copies a text that may be left out.
func (t *texts) optional(name string, text *string) *C.char {
	if text == nil {
		return nil
	}
	return t.add(name, *text)
}

// lossy copies a text that must not fail: of an error.
func (t *texts) lossy(text string) *C.char {
	return t.copy(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD"))
}

func (t *texts) copy(text string) *C.char {
	pointer := C.CString(text)
	t.copies = append(t.copies, unsafe.Pointer(pointer))
	return pointer
}

func (t *texts) free() {
	for _, pointer := range t.copies {
		C.free(pointer)
	}
	t.copies = nil
}

// some gives a text of the library's where there is one.
func some(text *C.char) *string {
	if text == nil {
		return nil
	}
	return Ptr(C.GoString(text))
}

func invalid(field, message string) *Error {
	return &Error{
		Kind:    InvalidConfig,
		Field:   field,
		Message: message,
		Text:    "invalid " + field + ": " + message,
	}
}

// takeStrings copies a list of strings that the caller owns, and frees it.
func takeStrings(list *C.spuff_strings) ([]string, error) {
	defer C.spuff_strings_free(&list)
	copied := make([]string, 0, C.spuff_strings_count(list))
	for at := range C.spuff_strings_count(list) {
		copied = append(copied, C.GoString(C.spuff_strings_get(list, at)))
	}
	return copied, nil
}

// addressOf is an address of the library's: zero where it has none.
func addressOf(text *C.char) netip.Addr {
	if text == nil {
		return netip.Addr{}
	}
	address, _ := netip.ParseAddr(C.GoString(text))
	return address
}
