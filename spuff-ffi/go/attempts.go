// The outcome of each candidate that was tried.

package spuff

// #include <spuff.h>
import "C"

import "time"

// An Attempt is what came of one candidate of a placement.
type Attempt struct {
	// Candidate is its position among Placement.Candidates.
	Candidate int
	// Provider is the provider's name.
	Provider string
	// Region is that of the candidate.
	Region string
	// Size is that of the candidate.
	Size string
	// Price is what an hour costs there; nil where that was not asked for or is not known.
	Price *Price
	// Outcome is what came of it.
	Outcome AttemptOutcome
	// OutcomeWord is the outcome in a word, also of one that is newer than this package.
	OutcomeWord string
	// Kind is the kind of error that came of it; 0 where it was none.
	Kind Kind
	// Message is the outcome in words; empty if the instance was made.
	Message string
	// Elapsed is how long it took.
	Elapsed time.Duration
	// Text is the whole attempt in words.
	Text string
}

// String is the whole attempt in words.
func (a Attempt) String() string { return a.Text }

// An AttemptOutcome is what came of a candidate.
type AttemptOutcome int32

const (
	// AttemptUnknown: what has no place below; Attempt.OutcomeWord is that word.
	AttemptUnknown AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_UNKNOWN
	// AttemptMade: the instance was made there.
	AttemptMade AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_MADE
	// AttemptFull: there is no room, and nothing was made; the next one was tried.
	AttemptFull AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_FULL
	// AttemptKnownFull: not asked, as another instance of the same call had found no capacity
	// there.
	AttemptKnownFull AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_KNOWN_FULL
	// AttemptTooDear: not asked, as it costs more than was allowed.
	AttemptTooDear AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_TOO_DEAR
	// AttemptPriceUnknown: not asked, as what it costs is not known.
	AttemptPriceUnknown AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_PRICE_UNKNOWN
	// AttemptFailed: it failed in a way that ended the placement.
	AttemptFailed AttemptOutcome = C.SPUFF_ATTEMPT_OUTCOME_FAILED
)

// String is the outcome in a word.
func (o AttemptOutcome) String() string {
	switch o {
	case AttemptMade:
		return "made"
	case AttemptFull:
		return "full"
	case AttemptKnownFull:
		return "known_full"
	case AttemptTooDear:
		return "too_dear"
	case AttemptPriceUnknown:
		return "price_unknown"
	case AttemptFailed:
		return "failed"
	}
	return "unknown"
}

// attemptsOf copies a log of attempts; there may be none.
func attemptsOf(pointer *C.spuff_attempts) (attempts []Attempt) {
	for at := range C.spuff_attempts_count(pointer) {
		one := Attempt{
			Candidate:   int(C.spuff_attempts_candidate(pointer, at)),
			Provider:    C.GoString(C.spuff_attempts_provider(pointer, at)),
			Region:      C.GoString(C.spuff_attempts_region(pointer, at)),
			Size:        C.GoString(C.spuff_attempts_size(pointer, at)),
			Outcome:     AttemptOutcome(C.spuff_attempts_outcome(pointer, at)),
			OutcomeWord: C.GoString(C.spuff_attempts_outcome_word(pointer, at)),
			Kind:        Kind(C.spuff_attempts_code(pointer, at)),
			Message:     C.GoString(C.spuff_attempts_message(pointer, at)),
			Elapsed:     millis(C.spuff_attempts_elapsed_ms(pointer, at)),
			Text:        C.GoString(C.spuff_attempts_text(pointer, at)),
		}
		if price := C.spuff_attempts_price(pointer, at); price != nil {
			one.Price = Ptr(priceOf(price))
		}
		attempts = append(attempts, one)
	}
	return attempts
}
