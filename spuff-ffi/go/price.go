// What instances cost.

package spuff

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"unsafe"
)

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

// HourlyPrice returns the hourly price of an instance of that size in that region (empty: the
// provider's default, else the dearest), by the cloud's own list, without tax: the instance alone,
// without a public IPv4 address, traffic or snapshots that are billed apart. A list that was read
// in the last hour is not read again.
//
// Errors: InvalidConfig when the list has no such size, or not in that region; NotSupported where
// there is none.
func (p *Provider) HourlyPrice(ctx context.Context, region, size string) (Price, error) {
	return await(ctx, p, given("region", region, "size", size), nil,
		func(c *call, number C.uintptr_t) C.spuff_code {
			return C.spuffgo_hourly_price(c.provider, c.arguments[0], c.arguments[1],
				c.token.pointer, number, c.failure)
		}, func(made unsafe.Pointer) (Price, error) {
			pointer := (*C.spuff_price)(made)
			defer C.spuff_price_free(&pointer)
			return priceOf(pointer), nil
		})
}

// give makes a price for the library to own.
func (p *Price) give(out **C.spuff_price) error {
	b := newBuild()
	words := b.add("price", fmt.Sprintf("%d.%06d %s", p.Micros/1e6, p.Micros%1e6, p.Currency))
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_price_new(words, out, failure)
	})
	return b.end()
}

func priceOf(pointer *C.spuff_price) Price {
	return Price{
		Micros:   uint64(C.spuff_price_micros(pointer)),
		Currency: C.GoString(C.spuff_price_currency(pointer)),
		Listed:   bool(C.spuff_price_is_listed(pointer)),
		Text:     C.GoString(C.spuff_price_text(pointer)),
	}
}
