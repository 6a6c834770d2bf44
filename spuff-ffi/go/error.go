// Errors with all that is known, in both directions: of the library's calls, and of providers that
// are written in Go.

package spuff

// #include <spuff.h>
import "C"

import (
	"context"
	"errors"
	"time"
)

// An Error says why a call failed. What is not known is empty.
type Error struct {
	// Kind says what the reader should do.
	Kind Kind
	// Text is the whole error in words.
	Text string
	// Message is what went wrong, in the cloud's words where it has said something; without what
	// the other fields say.
	Message string
	// Provider is the provider's name.
	Provider string
	// Status is the HTTP status.
	Status int
	// CloudCode is the cloud's own code, such as uniqueness_error.
	CloudCode string
	// RequestID is the cloud's id of the request: what its support asks for.
	RequestID string
	// Retryable says whether the same call may succeed later, and repeating it is safe.
	Retryable bool
	// RetryAfter is how long the cloud asks to wait before a repeat; 0 where it says nothing.
	RetryAfter time.Duration
	// ResourceType is what does not exist, or would be too many: instance, snapshot, image …
	ResourceType string
	// ResourceID is the id that does not exist.
	ResourceID string
	// Field is the argument, or the field of a request or configuration, that cannot be used.
	Field string
	// Feature is what is not supported.
	Feature string
	// Operation is the operation that did not finish, or whose outcome is unknown.
	Operation string
	// Elapsed is the time that was spent on an operation that did not finish.
	Elapsed time.Duration
	// Key is to be given to Resolve, of an outcome that is unknown.
	Key string
	// Candidates are ids of what may have been made, of an outcome that is unknown.
	Candidates []string
	// Name is that of a provider that is unknown, or not part of this build.
	Name string
	// Supported are the names that would work, of a name that is unknown.
	Supported []string
	// InstanceID is the instance that the error is about, and that may exist and cost money.
	InstanceID string
	// InstanceIsSubject says that InstanceID is only the instance that the call was given: the
	// error says nothing about its state.
	InstanceIsSubject bool
	// InstanceExists tells, of a failure after an instance was made, whether it still exists; nil
	// of another error.
	InstanceExists *bool
	// Cleanup is why that instance could not be destroyed, where that was tried.
	Cleanup *Error
	// Attempts are, for a failed placement, the outcome of each candidate.
	Attempts []Attempt

	causes []error
	advice string
}

// Error is the whole error in words.
func (e *Error) Error() string {
	switch {
	case e.Text != "":
		return e.Text
	case e.Message != "":
		return e.Kind.String() + ": " + e.Message
	}
	return e.Kind.String()
}

// Is tells whether target is this error's kind.
func (e *Error) Is(target error) bool {
	kind, is := target.(Kind)
	return is && kind == e.Kind
}

// Unwrap gives the context's error of a call that its context has ended, and ErrClosed of what was
// closed.
func (e *Error) Unwrap() []error { return e.causes }

// Advice is what the reader should do, in one sentence.
func (e *Error) Advice() string {
	if e.advice != "" {
		return e.advice
	}
	return e.Kind.Advice()
}

// IsInstanceFailure says, of an error of WaitReady, whether the instance of this id itself failed,
// is gone, or did not become ready in time. Any other error is one of the poll and proves nothing
// about the instance.
func (e *Error) IsInstanceFailure(instanceID string) bool {
	var t texts
	defer t.free()
	var given *C.spuff_error
	e.give(&given)
	defer C.spuff_error_free(&given)
	return bool(C.spuff_error_is_instance_failure(given, t.lossy(instanceID)))
}

// Timeout says whether a deadline has passed, as the errors of the package net do.
func (e *Error) Timeout() bool { return e.Kind == Timeout }

// errorOf copies an error of the library's.
func errorOf(pointer *C.spuff_error) *Error {
	if pointer == nil {
		return nil
	}
	e := &Error{
		Kind:         Kind(C.spuff_error_code(pointer)),
		Text:         C.GoString(C.spuff_error_text(pointer)),
		Message:      C.GoString(C.spuff_error_message(pointer)),
		Provider:     C.GoString(C.spuff_error_provider(pointer)),
		Status:       int(C.spuff_error_status(pointer)),
		CloudCode:    C.GoString(C.spuff_error_cloud_code(pointer)),
		RequestID:    C.GoString(C.spuff_error_request_id(pointer)),
		Retryable:    bool(C.spuff_error_is_retryable(pointer)),
		RetryAfter:   millis(C.spuff_error_retry_after_ms(pointer)),
		ResourceType: C.GoString(C.spuff_error_resource_type(pointer)),
		ResourceID:   C.GoString(C.spuff_error_resource_id(pointer)),
		Field:        C.GoString(C.spuff_error_field(pointer)),
		Feature:      C.GoString(C.spuff_error_feature(pointer)),
		Operation:    C.GoString(C.spuff_error_operation(pointer)),
		Elapsed:      millis(C.spuff_error_elapsed_ms(pointer)),
		Key:          C.GoString(C.spuff_error_key(pointer)),
		Name:         C.GoString(C.spuff_error_name(pointer)),
		InstanceID:   C.GoString(C.spuff_error_instance_id(pointer)),
		Cleanup:      errorOf(C.spuff_error_cleanup(pointer)),
		Attempts:     attemptsOf(C.spuff_error_attempts(pointer)),
		advice:       C.GoString(C.spuff_error_advice(pointer)),
	}
	e.InstanceIsSubject = bool(C.spuff_error_instance_is_subject(pointer))
	for at := range C.spuff_error_candidate_count(pointer) {
		e.Candidates = append(e.Candidates, C.GoString(C.spuff_error_candidate(pointer, at)))
	}
	for at := range C.spuff_error_supported_count(pointer) {
		e.Supported = append(e.Supported, C.GoString(C.spuff_error_supported(pointer, at)))
	}
	if exists := C.spuff_error_instance_exists(pointer); exists >= 0 {
		e.InstanceExists = Ptr(exists == 1)
	}
	return e
}

func millis(count C.int64_t) time.Duration {
	return time.Duration(max(0, min(int64(count), int64(1<<63-1)/int64(time.Millisecond)))) *
		time.Millisecond
}

// taken copies an error that the caller owns, and frees it.
func taken(pointer *C.spuff_error) *Error {
	defer C.spuff_error_free(&pointer)
	return errorOf(pointer)
}

// checked is the error of a function that takes no context; a few tell the code only.
func checked(code C.spuff_code, pointer *C.spuff_error) error {
	switch {
	case code == C.SPUFF_OK:
		return nil
	case pointer == nil:
		return &Error{Kind: Kind(code), Message: Kind(code).Advice()}
	}
	return taken(pointer)
}

// asError converts what a provider in Go returned to an Error of an operation. A nil *Error is
// none, as nil is.
func asError(err error, verb string) *Error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return e
	}
	e = &Error{Kind: Other, Message: err.Error(), Operation: verb}
	switch {
	case errors.As(err, &e.Kind):
	case errors.Is(err, context.Canceled):
		e.Kind = Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = Timeout
	}
	return e
}

// give makes an error for the library to own; it answers with the code.
func (e *Error) give(out **C.spuff_error) C.int32_t {
	var t texts
	defer t.free()
	code, message := e.Kind, e.Message
	if code < Authentication || code > Internal {
		code = Other
	}
	if message == "" {
		message = e.Error()
	}
	var made *C.spuff_error
	// It cannot fail: the code is one, and the text has been mended.
	C.spuff_error_new(C.int32_t(code), t.lossy(message), &made, nil)
	text := func(name, value string) {
		if value != "" {
			C.spuff_error_set_text(made, t.lossy(name), t.lossy(value))
		}
	}
	// A number that cannot be one, such as a status of 1, is left out.
	number := func(name string, value int64) {
		if value > 0 {
			C.spuff_error_set_number(made, t.lossy(name), C.uint64_t(value))
		}
	}
	text("provider", e.Provider)
	text("cloud_code", e.CloudCode)
	text("request_id", e.RequestID)
	text("resource_type", e.ResourceType)
	text("resource_id", e.ResourceID)
	text("field", e.Field)
	text("feature", e.Feature)
	text("operation", e.Operation)
	text("key", e.Key)
	text("name", e.Name)
	text("instance_id", e.InstanceID)
	if e.InstanceIsSubject {
		number("instance_is_subject", 1)
	}
	for _, id := range e.Candidates {
		text("candidate", id)
	}
	for _, name := range e.Supported {
		text("supported", name)
	}
	number("status", int64(e.Status))
	number("retry_after_ms", ceil(e.RetryAfter, time.Millisecond))
	number("elapsed_ms", ceil(e.Elapsed, time.Millisecond))
	if e.Retryable {
		number("retryable", 1)
	}
	*out = made
	return C.int32_t(code)
}
