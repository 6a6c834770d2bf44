// The arguments of a step.

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An argument has a name and a value.
type argument struct{ name, value string }

type arguments []argument

// read takes the words of a step apart; the name of an id at the end of a value stands for the id.
func (s *stage) read(rest string) (read arguments) {
	for _, word := range strings.Fields(rest) {
		name, value, _ := strings.Cut(word, "=")
		if at := strings.LastIndexByte(value, '@'); at >= 0 {
			value = s.known(value, at)
		}
		read = append(read, argument{name, value})
	}
	return read
}

func (s *stage) known(value string, at int) string {
	before, name := value[:at], value[at+1:]
	if name == "error" {
		return before + s.key
	}
	for _, id := range s.ids {
		if id.name == name {
			return before + id.value
		}
	}
	return value
}

// get is the value of an argument; nil where it is left out.
func (a arguments) get(name string) *string {
	for _, given := range a {
		if given.name == name {
			return &given.value
		}
	}
	return nil
}

func (a arguments) text(name string) string { return a.or(name, "") }

func (a arguments) or(name, other string) string {
	if value := a.get(name); value != nil {
		return *value
	}
	return other
}

// number is the value of an argument; nil where it is left out.
func (a arguments) number(name string) (*uint64, error) {
	value := a.get(name)
	if value == nil {
		return nil, nil
	}
	number, err := strconv.ParseUint(*value, 10, 63)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &number, nil
}

// duration is so many units; nil where it is left out.
func (a arguments) duration(name string, unit time.Duration) (*time.Duration, error) {
	number, err := a.number(name)
	if err != nil || number == nil {
		return nil, err
	}
	duration := time.Duration(*number) * unit
	return &duration, nil
}

func (a arguments) labels() map[string]string {
	labels := make(map[string]string)
	for _, given := range a {
		if key, value, is := strings.Cut(given.value, ":"); is && given.name == "label" {
			labels[key] = value
		}
	}
	return labels
}

// limited gives a context with the deadline of a step.
func (a arguments) limited() (context.Context, context.CancelFunc, error) {
	limit, err := a.duration("deadline", time.Millisecond)
	if err != nil {
		return nil, nil, err
	}
	if limit == nil {
		return context.Background(), func() {}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	return ctx, cancel, nil
}
