// Instances that end with the work they are for.

package spuff

import (
	"context"
	"errors"
	"fmt"
)

// WithInstance creates an instance, waits until it is ready, calls work with it, and destroys it:
// also when work fails or panics, and when the context ends. What it has made is what it ends: an
// instance that the request's IdempotencyKey had made before, as Instance.Adopted reports, is left.
//
// Errors: those of CreateAndWait; those of work; that of DestroyInstance, whose InstanceID still
// exists and costs money. When both work and destroying fail, errors.Is and errors.As see both.
func (p *Provider) WithInstance(
	ctx context.Context, request InstanceRequest,
	work func(ctx context.Context, instance Instance) error, options ...Option,
) (err error) {
	// A Close meanwhile must not keep the instance from its end.
	p, release, err := p.held()
	if err != nil {
		return err
	}
	defer release()
	instance, err := p.CreateAndWait(ctx, request, OnFailureDestroy, options...)
	if err != nil {
		return p.unused(ctx, request, err)
	}
	returned := false
	defer func() {
		if instance.Adopted {
			return
		}
		ended := p.DestroyInstance(context.WithoutCancel(ctx), instance.ID)
		if ended == nil {
			return
		}
		ended = stillThere(instance.ID, ended)
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

// stillThere is the error of an instance that could not be destroyed.
func stillThere(id string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Kind: Other, Message: err.Error()}
	}
	told := *e
	told.InstanceID, told.InstanceExists = id, Ptr(true)
	told.Text = fmt.Sprintf("instance %s exists and costs money: %s", id, err)
	return &told
}

// unused ends what CreateAndWait has left because it could not be polled: no caller knows of it.
// What a key of the caller's has made may be in use.
func (p *Provider) unused(ctx context.Context, request InstanceRequest, err error) error {
	var e *Error
	left := errors.As(err, &e) && e.InstanceExists != nil && *e.InstanceExists && e.Cleanup == nil
	if !left || request.IdempotencyKey != nil {
		return err
	}
	if ended := p.DestroyInstance(context.WithoutCancel(ctx), e.InstanceID); ended != nil {
		return errors.Join(err, stillThere(e.InstanceID, ended))
	}
	told := *e
	told.InstanceExists = Ptr(false)
	return fmt.Errorf("%w; it has been destroyed since", &told)
}
