// Machines that end with the work they are for.

package spuff

import (
	"context"
	"errors"
	"fmt"
)

// WithInstance starts a machine, waits until it is ready, calls work with it, and destroys it: also when work fails or panics,
// and when the context ends.
//
// Errors: those of CreateAndWait; those of work; that of DestroyInstance, whose InstanceID still exists and costs money. When
// both work and destroying fail, errors.Is and errors.As see both.
func (p *Provider) WithInstance(ctx context.Context, request InstanceRequest,
	work func(ctx context.Context, instance Instance) error, options ...Option) (err error) {
	instance, err := p.CreateAndWait(ctx, request, OnFailureDestroy, options...)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		ended := p.DestroyInstance(context.WithoutCancel(ctx), instance.ID)
		if ended == nil {
			return
		}
		ended = fmt.Errorf("instance %s exists and costs money: %w", instance.ID, ended)
		err = errors.Join(err, ended)
		if !returned {
			// A panic shows no error beside it.
			logged(logWarn, "spuff", ended.Error())
		}
	}()
	err = work(ctx, instance)
	returned = true
	return err
}
