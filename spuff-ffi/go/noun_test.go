// Nouns as JSON: the same in every language.

package spuff_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"example.com/spuff"
)

func TestASnapshotIsTheJSONOfEveryLanguage(t *testing.T) {
	taken := spuff.Snapshot{
		ID: "s-1", Name: "before \"it\"", CreatedAt: born, Labels: map[string]string{"k": "v"},
	}
	text := must(json.Marshal(taken))(t)
	var fields map[string]any
	none(t, json.Unmarshal(text, &fields))
	if want := map[string]any{
		"id": "s-1", "name": "before \"it\"", "created_at": "2024-05-06T07:08:09.010Z",
		"labels": map[string]any{"k": "v"},
	}; !reflect.DeepEqual(fields, want) {
		t.Errorf("%s, not %v", text, want)
	}
	var back spuff.Snapshot
	none(t, json.Unmarshal(text, &back))
	if !reflect.DeepEqual(back, taken) {
		t.Errorf("%+v, not %+v", back, taken)
	}
	none(t, json.Unmarshal([]byte(`{"id": "s-2", "name": "", "created_at": null}`), &back))
	if back.ID != "s-2" || !back.CreatedAt.IsZero() || len(back.Labels) != 0 {
		t.Errorf("%+v", back)
	}
	for text, said := range map[string]string{
		`{"name": "x"}`:                           "id",
		`{"id": "", "name": "x"}`:                 "must not be empty",
		`{"id": 7, "name": "x"}`:                  "a string",
		`{"id": "s", "name": "x", "labels": [1]}`: "map",
	} {
		err := json.Unmarshal([]byte(text), &back)
		if !errors.Is(err, spuff.InvalidConfig) || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if text, err := json.Marshal(spuff.Snapshot{Name: "x"}); !errors.Is(err, spuff.InvalidConfig) {
		t.Errorf("one without an id is %s, %v", text, err)
	}
}
