// The provider keeps the contract, and the suite finds one that does not.

package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"example.com/spuff"
)

func TestTheProviderKeepsTheContract(t *testing.T) {
	registry, err := register()
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	report, err := check(t.Context(), registry)
	if err != nil || !report.Passed || !json.Valid([]byte(report.JSON)) {
		t.Fatalf("%v: %s", err, report.Text)
	}
	t.Log(report.Text)
}

// A forgetful provider returns NotFound if it destroys an instance that is gone.
type forgetful struct{ *memory }

func (f forgetful) DestroyInstance(ctx context.Context, id string) error {
	if found, err := f.GetInstance(ctx, id); err != nil || found == nil {
		return absent("instance", id)
	}
	return f.memory.DestroyInstance(ctx, id)
}

func TestAProviderThatBreaksTheContractIsFound(t *testing.T) {
	registry := spuff.NewRegistry()
	defer registry.Close()
	cloud := newCloud()
	err := spuff.Register(registry, "memory", spuff.Factory[forgetful]{MaxUserData: maxUserData,
		Connect: func(config spuff.Config) (forgetful, error) {
			inner, err := cloud.connect(config)
			return forgetful{inner}, err
		}})
	if err != nil {
		t.Fatal(err)
	}
	report, err := check(t.Context(), registry)
	if err != nil || report.Passed ||
		!strings.Contains(report.Text, "FAILED  destroy_is_idempotent") {
		t.Fatalf("%v: %s", err, report.Text)
	}
}
