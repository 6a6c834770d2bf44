// The steps that take more than one call.

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/spuff"
)

func (s *stage) create(step string, a arguments) (string, error) {
	region, size := "us-east-1", "t3.micro"
	switch s.name {
	case "digitalocean":
		region, size = "nyc3", "s-1vcpu-1gb"
	case "hetzner":
		region, size = "fsn1", "cx22"
	}
	ttl, err := a.duration("ttl", time.Second)
	if err != nil {
		return "", err
	}
	request := spuff.InstanceRequest{
		Name: a.text("name"), Region: a.or("region", region), Size: a.or("size", size), Labels: a.labels(),
		IdempotencyKey: a.get("key"), Owner: a.get("owner"), TTL: ttl, UserData: a.get("user_data"),
	}
	if image := a.get("image"); image != nil {
		request.Image = spuff.ParseImage(*image)
	}
	bytes, err := a.number("user_data_size")
	if err != nil {
		return "", err
	}
	if bytes != nil {
		request.UserData = spuff.Ptr(strings.Repeat("x", int(*bytes)))
	}
	switch fate := a.get("on_cancel"); {
	case fate == nil:
	case *fate == "keep":
		request.OnCancel = spuff.OnCancelKeep
	default:
		request.OnCancel = spuff.OnCancelDestroy
	}
	onFailure := spuff.OnFailureDestroy
	if a.text("on_failure") == "keep" {
		onFailure = spuff.OnFailureKeep
	}
	ctx, cancel, err := a.limited()
	if err != nil {
		return "", err
	}
	defer cancel()
	var made spuff.Instance
	waits := step == "create_and_wait"
	if waits {
		made, err = s.provider.CreateAndWait(ctx, request, onFailure)
	} else {
		made, err = s.provider.CreateInstance(ctx, request)
	}
	id := made.ID
	if e := (*spuff.Error)(nil); errors.As(err, &e) {
		id = e.InstanceID
	}
	s.note(a, id)
	return told(s, err, func() string { return "ok " + s.machine(made, waits) }), nil
}

// gone asks until a machine is not there any more.
func (s *stage) gone(id string) string {
	for began := time.Now(); ; time.Sleep(pause) {
		found, err := s.provider.GetInstance(ctx, id)
		if err != nil || found == nil || time.Since(began) >= patience {
			return told(s, err, func() string { return fmt.Sprintf("ok %v", found == nil) })
		}
	}
}

// counted asks until as many are found as the step says.
func counted[T any](a arguments, list func() ([]T, error)) ([]T, error) {
	count, err := a.number("count")
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(pause) {
		found, err := list()
		if err != nil || count == nil || uint64(len(found)) == *count || time.Since(began) > patience {
			return found, err
		}
	}
}

func (s *stage) list(a arguments, list func() ([]spuff.Instance, error)) (string, error) {
	found, err := counted(a, list)
	line := func(each spuff.Instance) string { return s.machine(each, false) }
	return told(s, err, func() string { return lines(found, line) }), nil
}

func (s *stage) reap(a arguments) (string, error) {
	age, err := a.duration("older_than", time.Second)
	if err != nil {
		return "", err
	}
	which := spuff.Reap{
		Expired: a.get("expired") != nil, OlderThan: age, Owner: a.get("owner"), DryRun: a.get("dry_run") != nil,
		ConfirmWithin: spuff.Ptr(patience),
	}
	found, err := s.provider.Reap(ctx, which)
	line := func(each spuff.Reaped) string {
		owner, failed := each.Owner, ""
		if owner == "" {
			owner = "-"
		}
		if each.Err != nil {
			failed = " error=" + each.Err.Kind.String()
		}
		return fmt.Sprintf("%s id=%s owner=%s gone=%v%s", each.Kind, s.shown(each.ID), owner, each.Gone, failed)
	}
	return told(s, err, func() string { return lines(found, line) }), nil
}
