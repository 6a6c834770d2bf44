// The steps that take more than one call.

package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/spuff"
)

// request is what a step asks for, under this name.
func (s *stage) request(a arguments, name string) (spuff.InstanceRequest, error) {
	region, elsewhere, size := "us-east-1", "eu-west-1", "t3.micro"
	switch s.name {
	case "digitalocean":
		region, elsewhere, size = "nyc3", "nyc1", "s-1vcpu-1gb"
	case "hetzner":
		region, elsewhere, size = "fsn1", "nbg1", "cx22"
	}
	ttl, err := a.duration("ttl", time.Second)
	if err != nil {
		return spuff.InstanceRequest{}, err
	}
	request := spuff.InstanceRequest{
		Name: name, Region: a.or("region", region), Size: a.or("size", size), Labels: a.labels(),
		IdempotencyKey: a.get("key"), Owner: a.get("owner"), TTL: ttl, UserData: a.get("user_data"),
	}
	if request.Region == "elsewhere" {
		request.Region = elsewhere
	}
	if image := a.get("image"); image != nil {
		request.Image = spuff.ParseImage(*image)
	}
	bytes, err := a.number("user_data_size")
	if err != nil {
		return spuff.InstanceRequest{}, err
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
	return request, nil
}

func (s *stage) create(step string, a arguments) (string, error) {
	request, err := s.request(a, a.text("name"))
	if err != nil {
		return "", err
	}
	times, err := a.number("at_once")
	if err != nil {
		return "", err
	}
	if times != nil {
		return s.createAtOnce(a, request, int(*times)), nil
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

// createAtOnce makes the same create several times at once.
func (s *stage) createAtOnce(a arguments, request spuff.InstanceRequest, times int) string {
	outcomes := make(spuff.Outcomes, times)
	var creates sync.WaitGroup
	for at := range outcomes {
		creates.Add(1)
		go func() {
			defer creates.Done()
			made, err := s.provider.CreateInstance(ctx, request)
			outcomes[at] = spuff.Outcome{Instance: &made, Err: err}
		}()
	}
	creates.Wait()
	for _, outcome := range outcomes {
		if outcome.Err == nil {
			s.note(a, outcome.Instance.ID)
			break
		}
	}
	return s.outcomes(outcomes)
}

func (s *stage) createFleet(a arguments) (string, error) {
	var requests []spuff.InstanceRequest
	for name := range strings.SplitSeq(a.text("names"), ",") {
		request, err := s.request(a, name)
		if err != nil {
			return "", err
		}
		if keys := a.get("keys"); keys != nil {
			request.IdempotencyKey = spuff.Ptr(*keys + "-" + name)
		}
		requests = append(requests, request)
	}
	fleet := spuff.FleetOptions{WaitReady: a.get("wait") != nil}
	switch a.text("on_failure") {
	case "keep":
		fleet.OnFailure = spuff.RollbackKeep
	case "destroy_all":
		fleet.OnFailure = spuff.RollbackDestroyAll
	}
	outcomes, err := s.provider.CreateInstances(ctx, requests, fleet)
	if err != nil {
		return "", err
	}
	return s.outcomes(outcomes), nil
}

// outcomes writes what came of several creates.
func (s *stage) outcomes(outcomes spuff.Outcomes) string {
	return lines(outcomes, func(each spuff.Outcome) string {
		if e := (*spuff.Error)(nil); errors.As(each.Err, &e) {
			return s.failure(e)
		}
		return s.machine(*each.Instance, false)
	})
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
		if err != nil || count == nil || uint64(len(found)) == *count ||
			time.Since(began) > patience {
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
		Expired: a.get("expired") != nil, OlderThan: age, Owner: a.get("owner"),
		DryRun: a.get("dry_run") != nil, ConfirmWithin: spuff.Ptr(patience),
	}
	found, err := s.provider.Reap(ctx, which)
	line := func(each spuff.Reaped) string {
		owner, failed := each.Owner, ""
		if owner == "" {
			owner = "-"
		}
		if e := (*spuff.Error)(nil); errors.As(each.Err, &e) {
			failed = " error=" + e.Kind.String()
		}
		return fmt.Sprintf("%s id=%s owner=%s gone=%v%s",
			each.Kind, s.shown(each.ID), owner, each.Gone, failed)
	}
	return told(s, err, func() string { return lines(found, line) }), nil
}
