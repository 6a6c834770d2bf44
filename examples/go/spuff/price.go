// What machines cost.

package spuff

// #include <spuff.h>
import "C"

import "context"

// A Price is what an hour of a machine costs, without tax, exactly.
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

// HourlyPrice asks what an hour of a machine of that size costs in that region (empty: the provider's default, else the
// dearest), by the cloud's own list, without tax: the machine alone, without a public IPv4 address, traffic or snapshots that
// are billed apart. A list that was read in the last hour is not read again.
//
// Errors: InvalidConfig when the list has no such size, or not in that region; NotSupported where there is none.
func (p *Provider) HourlyPrice(ctx context.Context, region, size string) (Price, error) {
	return block(ctx, p, given("region", region, "size", size), func(c *call, out **C.spuff_price) C.spuff_code {
		return C.spuff_provider_hourly_price(c.provider, c.arguments[0], c.arguments[1], c.token.pointer, out, c.failure)
	}, func(made *C.spuff_price) (Price, error) {
		defer C.spuff_price_free(&made)
		return priceOf(made), nil
	})
}

func priceOf(pointer *C.spuff_price) Price {
	return Price{
		Micros:   uint64(C.spuff_price_micros(pointer)),
		Currency: C.GoString(C.spuff_price_currency(pointer)),
		Listed:   bool(C.spuff_price_is_listed(pointer)),
		Text:     C.GoString(C.spuff_price_text(pointer)),
	}
}
