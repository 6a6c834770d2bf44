// What Reap ends, and what became of it.

package spuff

// #include <spuff.h>
import "C"

import "time"

// A Reap says what is ended: of what spuff manages, that for which everything that is said here is
// true.
type Reap struct {
	// Expired: only what has a lease that is over.
	Expired bool
	// OlderThan: only what was made longer ago than this, in whole seconds, leased or not.
	OlderThan *time.Duration
	// Owner: only what belongs to this owner.
	Owner *string
	// DryRun only reports what would be destroyed.
	DryRun bool
	// ConfirmWithin is how long to wait until what was ended is seen to be gone; nil is five
	// minutes.
	ConfirmWithin *time.Duration
}

// Reaped is what became of one thing that was found.
type Reaped struct {
	// Kind is instance or snapshot.
	Kind string
	ID   string
	Name string
	// Owner is empty where it has none.
	Owner string
	// ExpiresAt is the end of its lease; zero where it has none.
	ExpiresAt time.Time
	// Gone says whether it has been ended, and was seen to be gone. false also in a dry run.
	Gone bool
	// Err is why it may still exist, an *Error; nil where it is gone, and in a dry run.
	Err error
}

// make makes a choice of the library's, which the caller frees.
func (r *Reap) make() (*C.spuff_reap, error) {
	b := newBuild()
	made := C.spuff_reap_new()
	if r.Expired {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_reap_set_expired(made, failure)
		})
	}
	if r.OlderThan != nil {
		seconds := b.units("older_than", *r.OlderThan, time.Second)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_reap_set_older_than_seconds(made, seconds, failure)
		})
	}
	if owner := b.optional("owner", r.Owner); owner != nil {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_reap_set_owner(made, owner, failure)
		})
	}
	if r.ConfirmWithin != nil {
		limit := b.units("confirm_within", *r.ConfirmWithin, time.Millisecond)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_reap_set_confirm_within_ms(made, limit, failure)
		})
	}
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_reap_set_dry_run(made, C.bool(r.DryRun), failure)
	})
	if err := b.end(); err != nil {
		C.spuff_reap_free(&made)
		return nil, err
	}
	return made, nil
}

// takeReaped copies results that the caller owns, and frees them.
func takeReaped(pointer *C.spuff_reaped) []Reaped {
	defer C.spuff_reaped_free(&pointer)
	results := make([]Reaped, 0, C.spuff_reaped_count(pointer))
	for at := range C.spuff_reaped_count(pointer) {
		one := Reaped{
			Kind:      C.GoString(C.spuff_reaped_kind(pointer, at)),
			ID:        C.GoString(C.spuff_reaped_id(pointer, at)),
			Name:      C.GoString(C.spuff_reaped_name(pointer, at)),
			Owner:     C.GoString(C.spuff_reaped_owner(pointer, at)),
			ExpiresAt: moment(C.spuff_reaped_expires_at_ms(pointer, at)),
			Gone:      bool(C.spuff_reaped_is_gone(pointer, at)),
		}
		if failure := errorOf(C.spuff_reaped_error(pointer, at)); failure != nil {
			one.Err = failure
		}
		results = append(results, one)
	}
	return results
}
