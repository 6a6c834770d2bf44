// How outcomes are written.

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/spuff"
)

// note keeps the id that a step has got under the name that it gives it.
func (s *stage) note(a arguments, id string) {
	if name := a.get("as"); name != nil && id != "" {
		s.ids = append(s.ids, argument{*name, id})
	}
}

// shown is an id by the name that a step gave it.
func (s *stage) shown(id string) string {
	for _, known := range s.ids {
		if known.value == id {
			return "@" + known.name
		}
	}
	return "?"
}

// told writes an outcome: show is called where there is no error.
func told(s *stage, err error, show func() string) string {
	if err == nil {
		return show()
	}
	e := (*spuff.Error)(nil)
	if !errors.As(err, &e) {
		return "error " + err.Error()
	}
	s.key = e.Key
	return s.failure(e)
}

func (s *stage) done(err error) string { return told(s, err, func() string { return "ok" }) }

func (s *stage) found(found *spuff.Instance, err error) string {
	return told(s, err, func() string {
		if found == nil {
			return "none"
		}
		return "ok " + s.machine(*found, false)
	})
}

func (s *stage) machine(m spuff.Instance, withState bool) string {
	state := ""
	if withState {
		state = fmt.Sprintf(" status=%s ready=%v", m.StatusWord, m.Ready)
	}
	return fmt.Sprintf("id=%s name=%s region=%s size=%s%s %s",
		s.shown(m.ID), m.Name, m.Region, m.Size, state, labels(m.Labels))
}

func (s *stage) snapshot(snapshot spuff.Snapshot) string {
	return fmt.Sprintf("id=%s name=%s", s.shown(snapshot.ID), snapshot.Name)
}

func (s *stage) failure(e *spuff.Error) string {
	words := []string{"error kind=" + e.Kind.String()}
	add := func(name, value string) {
		if value != "" {
			words = append(words, name+"="+value)
		}
	}
	add("provider", e.Provider)
	if e.Status != 0 {
		add("status", fmt.Sprint(e.Status))
	}
	add("code", e.CloudCode)
	add("retryable", fmt.Sprint(e.Retryable))
	add("field", e.Field)
	add("resource_type", e.ResourceType)
	add("feature", e.Feature)
	operation, _, _ := strings.Cut(e.Operation, " ")
	add("operation", operation)
	if e.Key != "" {
		add("key", "yes")
	}
	if len(e.Candidates) > 0 {
		add("candidates", fmt.Sprint(len(e.Candidates)))
	}
	if e.InstanceID != "" {
		add("instance", s.shown(e.InstanceID))
	}
	if e.InstanceExists != nil {
		add("exists", fmt.Sprint(*e.InstanceExists))
	}
	return strings.Join(words, " ")
}

// lines writes a list, sorted as text.
func lines[T any](items []T, line func(T) string) string {
	shown := make([]string, 0, len(items))
	for _, item := range items {
		shown = append(shown, "\n  "+line(item))
	}
	slices.Sort(shown)
	return fmt.Sprintf("ok count=%d%s", len(items), strings.Join(shown, ""))
}

func labels(labels map[string]string) string {
	var shown []string
	for key, value := range labels {
		if key == "spuff-key" || key == "spuff-digest" || key == "spuff-expires" {
			value = "*"
		}
		shown = append(shown, key+":"+value)
	}
	slices.Sort(shown)
	return "labels=" + strings.Join(shown, ",")
}
