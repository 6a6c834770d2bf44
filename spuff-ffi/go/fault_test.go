// Faults as values: all that the clouds know, in the form that they take.

package spuff_test

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/spuff"
)

var faults = []spuff.Fault{
	spuff.FaultReplyLost, spuff.FaultConnectionClosed, spuff.FaultUnauthorized,
	spuff.FaultTruncated, spuff.FaultStuckCreating, spuff.FaultCapacityOut, spuff.FaultQuotaReached,
	spuff.FaultLocked, spuff.FaultActionFails, spuff.FaultShiftingPages,
	spuff.FaultSlow(time.Second), spuff.FaultSlowDrip(time.Millisecond),
	spuff.FaultServerError(503, true), spuff.FaultRateLimited(0, true),
	spuff.FaultRateLimited(3*time.Second, false), spuff.FaultHTML(200),
	spuff.FaultOversized(1 << 20), spuff.FaultNotYetVisible(2), spuff.FaultVanishes(time.Minute),
}

func TestEachFaultOfTheCloudsIsAValue(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	var written []string
	for _, fault := range faults {
		must(cloud.Inject(spuff.FaultRule{
			Fault:    fault,
			Provider: "hetzner",
			Route:    spuff.RouteOther,
			Skip:     7,
			Times:    2,
			Chance:   0.5,
		}))(t)
		text := must(json.Marshal(fault))(t)
		written = append(written, strings.Trim(strings.SplitN(string(text), ":", 2)[0], `{"`))
	}
	listed := failure(t, second(cloud.InjectJSON(`{"fault": "flood"}`)),
		spuff.InvalidConfig).Message
	names := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(listed, -1)
	if len(names) < 10 {
		t.Fatalf("the clouds' own list is missing in %q", listed)
	}
	for _, name := range names {
		if !slices.Contains(written, name[1]) && name[1] != "flood" {
			t.Errorf("%s is no value", name[1])
		}
	}
}

func TestARuleStrikesWhereAndAsOftenAsItSays(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	rule := spuff.FaultRule{
		Fault:    spuff.FaultServerError(503, false),
		Provider: "hetzner",
		Route:    spuff.RouteListInstances,
		Skip:     1,
		Times:    2,
	}
	number := must(cloud.Inject(rule))(t)
	for range 4 {
		for _, name := range []string{"hetzner", "digitalocean"} {
			must(connected(t, cloud, name).ListInstances(t.Context()))(t)
		}
	}
	if hits := must(cloud.Hits(number))(t); hits != 2 {
		t.Errorf("it has struck %d times", hits)
	}
	for _, rule := range []spuff.FaultRule{
		{},
		{Fault: spuff.FaultLocked, Chance: math.NaN()},
		{Fault: spuff.FaultLocked, Route: "nowhere"},
	} {
		failure(t, second(cloud.Inject(rule)), spuff.InvalidConfig)
	}
}
