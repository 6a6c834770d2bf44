// What instances cost.

package spuff

// #include <spuff.h>
import "C"

import "fmt"

// A Price is the hourly price of an instance, without tax, exactly.
type Price struct {
	// Micros are millionths of the currency's unit: 5600 are 0.0056 euros.
	Micros uint64
	// Currency is as ISO 4217 names it, such as EUR.
	Currency string
	// Listed says whether the cloud says so, in its own list; else the caller does.
	Listed bool
	// Text is the price in words, 0.0056 EUR, as Candidate.Price and Placement.MaxPrice take it.
	Text string
}

// String is the price in words.
func (p Price) String() string { return p.Text }

// give makes a price for the library to own.
func (p *Price) give(out **C.spuff_price) error {
	b := newBuild()
	words := b.add("price", fmt.Sprintf("%d.%06d %s", p.Micros/1e6, p.Micros%1e6, p.Currency))
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_price_new(words, out, failure)
	})
	return b.end()
}

// takePrice copies a price that the caller owns, and frees its handle.
func takePrice(pointer *C.spuff_price) (Price, error) {
	defer C.spuff_price_free(&pointer)
	return priceOf(pointer), nil
}

func priceOf(pointer *C.spuff_price) Price {
	return Price{
		Micros:   uint64(C.spuff_price_micros(pointer)),
		Currency: C.GoString(C.spuff_price_currency(pointer)),
		Listed:   bool(C.spuff_price_is_listed(pointer)),
		Text:     C.GoString(C.spuff_price_text(pointer)),
	}
}
