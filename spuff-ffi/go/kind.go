// The kinds of errors, sorted by what the reader should do.

package spuff

// #include <spuff.h>
import "C"

// A Kind says what the reader of an error should do. It is an error itself, so that errors.Is(err,
// spuff.NotFound) tells whether err is of that kind. The numbers are the same in every language,
// and never change.
type Kind int32

const (
	// Authentication: the cloud does not know the credentials, or they may not do this.
	Authentication Kind = C.SPUFF_AUTHENTICATION
	// RateLimit: too many requests; the call was not carried out.
	RateLimit Kind = C.SPUFF_RATE_LIMIT
	// NotFound: the thing addressed does not exist.
	NotFound Kind = C.SPUFF_NOT_FOUND
	// QuotaExceeded: the account may not have more of this.
	QuotaExceeded Kind = C.SPUFF_QUOTA_EXCEEDED
	// InvalidConfig: a value cannot be used.
	InvalidConfig Kind = C.SPUFF_INVALID_CONFIG
	// NotSupported: this provider, or this build, cannot do that.
	NotSupported Kind = C.SPUFF_NOT_SUPPORTED
	// Timeout: a deadline passed.
	Timeout Kind = C.SPUFF_TIMEOUT
	// Network: the cloud could not be reached, or its reply broke off.
	Network Kind = C.SPUFF_NETWORK
	// API is an answer of the cloud that fits no other kind.
	API Kind = C.SPUFF_API
	// NotImplemented: the provider is known by name, but not part of this build.
	NotImplemented Kind = C.SPUFF_NOT_IMPLEMENTED
	// UnknownProvider: no provider is registered under that name.
	UnknownProvider Kind = C.SPUFF_UNKNOWN_PROVIDER
	// Other is something else.
	Other Kind = C.SPUFF_OTHER
	// Conflict: the state of the thing does not allow it, or its name is taken.
	Conflict Kind = C.SPUFF_CONFLICT
	// Capacity: out of stock here and now.
	Capacity Kind = C.SPUFF_CAPACITY
	// Unavailable: the cloud has a fault of its own.
	Unavailable Kind = C.SPUFF_UNAVAILABLE
	// UnknownOutcome: the call may or may not have been carried out; resolve its key before it is
	// repeated.
	UnknownOutcome Kind = C.SPUFF_UNKNOWN_OUTCOME
	// Cancelled: the caller has cancelled the call.
	Cancelled Kind = C.SPUFF_CANCELLED
	// Internal is a fault of spuff itself, or of a provider that was added to it: a panic that was
	// caught.
	Internal Kind = C.SPUFF_INTERNAL
)

// String is the name that the kind has in every language, such as not_found.
func (k Kind) String() string { return C.GoString(C.spuff_code_name(C.int32_t(k))) }

// Error is the kind's name.
func (k Kind) Error() string { return k.String() }

// Advice is what the reader should do, in one sentence.
func (k Kind) Advice() string { return C.GoString(C.spuff_code_advice(C.int32_t(k))) }
