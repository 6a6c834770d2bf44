// A provider in Go that passes calls on to another one: what an error says of an instance stays as
// it was.

package spuff_test

import (
	"context"
	"testing"

	"example.com/spuff"
)

// A passer makes machines itself, and waits for them at another provider.
type passer struct {
	scripted
	inner *spuff.Provider
}

func (w *passer) WaitReady(ctx context.Context, id string) (spuff.Instance, error) {
	return w.inner.WaitReady(ctx, id)
}

// An answering provider answers each wait with an error.
type answering struct {
	scripted
	answer *spuff.Error
}

func (w *answering) WaitReady(context.Context, string) (spuff.Instance, error) {
	return spuff.Instance{}, w.answer
}

func TestAnErrorOfThePollDestroysNoInstanceThroughAWrapper(t *testing.T) {
	for name, c := range map[string]struct {
		answer   spuff.Error
		isFailed bool
	}{
		"of the poll":     {spuff.Error{Message: "a filter on the way"}, false},
		"of the instance": {spuff.Error{Message: "the disk is broken", InstanceID: "m-1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.answer.Kind, c.answer.Status = spuff.API, 418
			script := &answering{answer: &c.answer}
			script.closed = make(chan struct{})
			inner := played(t, script)
			e := failure(t, second(inner.WaitReady(t.Context(), "m-1")), spuff.API)
			if e.InstanceID != "m-1" || e.InstanceIsSubject == c.isFailed ||
				e.IsInstanceFailure("m-1") != c.isFailed || e.IsInstanceFailure("m-2") {
				t.Errorf("%+v", e)
			}
			var destroyed []string
			outer := &passer{inner: inner}
			outer.closed = make(chan struct{})
			outer.create = func(
				context.Context, spuff.InstanceRequest,
			) (spuff.Instance, error) {
				return machine("m-1"), nil
			}
			outer.destroy = func(_ context.Context, id string) error {
				destroyed = append(destroyed, id)
				return nil
			}
			outer.get = func(context.Context, string) (*spuff.Instance, error) { return nil, nil }
			wanted := spuff.InstanceRequest{Name: "web-1", Region: "east", Size: "small"}
			err := second(played(t, outer).CreateAndWait(
				t.Context(), wanted, spuff.OnFailureDestroy))
			left := failure(t, err, spuff.API)
			if *left.InstanceExists == c.isFailed || (len(destroyed) == 1) != c.isFailed {
				t.Errorf("%+v, destroyed: %v", left, destroyed)
			}
		})
	}
}
