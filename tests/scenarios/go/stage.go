// What a scenario has on stage, and its steps.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/spuff"
)

const (
	// How long a list may take until it shows what is expected of it.
	patience = 20 * time.Second
	pause    = 20 * time.Millisecond
)

type stage struct {
	name     string
	cloud    *spuff.Cloud
	provider *spuff.Provider
	// The ids that steps have got, with the names that they gave them.
	ids []argument
	// Of the last error.
	key string
}

func (s *stage) end() {
	if s.provider != nil {
		s.provider.Close()
	}
	if s.cloud != nil {
		s.cloud.Close()
	}
}

var ctx = context.Background()

// play plays one step, and tells its outcome, if it has one.
func (s *stage) play(step, rest string) (string, error) {
	if step != "cloud" && s.cloud == nil {
		return "", errors.New("there is no cloud yet")
	}
	if step == "fault" {
		_, err := s.cloud.InjectJSON(strings.ReplaceAll(rest, "@provider", s.name))
		return "", err
	}
	a := s.read(rest)
	switch step {
	case "cloud":
		return "", s.start(a)
	case "no_faults":
		return "", s.cloud.ClearFaults()
	case "connect":
		return s.connect(a)
	case "settled":
		return s.done(spuff.Settled(ctx)), nil
	case "truth":
		return s.truth()
	}
	if s.provider == nil {
		return "", errors.New("nothing is connected yet")
	}
	return s.verb(step, a)
}

// verb plays a step that is a verb of the provider.
func (s *stage) verb(step string, a arguments) (string, error) {
	p, id := s.provider, a.text("id")
	switch step {
	case "create", "create_and_wait":
		return s.create(step, a)
	case "create_fleet":
		return s.createFleet(a)
	case "get":
		found, err := p.GetInstance(ctx, id)
		return s.found(found, err), nil
	case "gone":
		return s.gone(id), nil
	case "wait":
		ctx, cancel, err := a.limited()
		if err != nil {
			return "", err
		}
		defer cancel()
		ready, err := p.WaitReady(ctx, id)
		return told(s, err, func() string { return "ok " + s.machine(ready, true) }), nil
	case "destroy":
		return s.done(p.DestroyInstance(ctx, id)), nil
	case "list":
		return s.list(a, func() ([]spuff.Instance, error) { return p.ListInstances(ctx) })
	case "list_owned":
		return s.list(a, func() ([]spuff.Instance, error) {
			return p.ListOwned(ctx, a.text("owner"))
		})
	case "snapshot":
		ctx, cancel, err := a.limited()
		if err != nil {
			return "", err
		}
		defer cancel()
		made, err := p.CreateSnapshot(ctx, id, a.text("name"))
		s.note(a, made.ID)
		return told(s, err, func() string { return "ok " + s.snapshot(made) }), nil
	case "list_snapshots":
		found, err := counted(a, func() ([]spuff.Snapshot, error) { return p.ListSnapshots(ctx) })
		return told(s, err, func() string { return lines(found, s.snapshot) }), nil
	case "list_labelled_snapshots":
		found, err := counted(a, func() ([]spuff.Snapshot, error) {
			return p.ListLabelledSnapshots(ctx)
		})
		line := func(each spuff.Snapshot) string {
			return s.snapshot(each) + " " + labels(each.Labels)
		}
		return told(s, err, func() string { return lines(found, line) }), nil
	case "delete_snapshot":
		return s.done(p.DeleteSnapshot(ctx, id)), nil
	case "resolve":
		found, err := p.Resolve(ctx, a.text("key"))
		if found != nil {
			s.note(a, found.ID)
		}
		return s.found(found, err), nil
	case "resolve_snapshot":
		found, err := p.ResolveSnapshot(ctx, a.text("key"))
		if err == nil && found == nil {
			return "none", nil
		}
		return told(s, err, func() string {
			s.note(a, found.ID)
			return "ok " + s.snapshot(*found)
		}), nil
	case "set_labels":
		return s.done(p.SetLabels(ctx, id, a.labels())), nil
	case "renew":
		ttl, err := a.duration("ttl", time.Second)
		if err != nil || ttl == nil {
			return "", errors.Join(errors.New("ttl is needed"), err)
		}
		now := time.Now()
		end, err := p.Renew(ctx, id, *ttl)
		return told(s, err, func() string {
			return fmt.Sprintf("ok later=%v", end.After(now))
		}), nil
	case "ssh_keys":
		keys, err := p.GetSSHKeys(ctx)
		return told(s, err, func() string { return fmt.Sprintf("ok count=%d", len(keys)) }), nil
	case "reap":
		return s.reap(a)
	case "supports_snapshots":
		return fmt.Sprintf("ok %v", p.SupportsSnapshots()), nil
	}
	return "", errors.New("there is no such step")
}

func (s *stage) start(a arguments) error {
	speed, err := a.number("speed")
	if err != nil {
		return err
	}
	quota, err := a.number("quota")
	if err != nil {
		return err
	}
	options := spuff.CloudOptions{Speed: 60}
	if speed != nil {
		options.Speed = float64(*speed)
	}
	if quota != nil {
		options.Quota = *quota
	}
	if token := a.get("token"); token != nil {
		options.Token = spuff.NewSecret(*token)
	}
	s.cloud, err = spuff.StartCloud(options)
	return err
}

func (s *stage) connect(a arguments) (string, error) {
	config, err := s.cloud.Config(s.name)
	if err != nil {
		return "", err
	}
	for _, timeout := range []struct {
		place **time.Duration
		name  string
		usual time.Duration
	}{
		{&config.Timeouts.InstanceReady, "instance_ready", 20 * time.Second},
		{&config.Timeouts.ActionComplete, "action_complete", 20 * time.Second},
		{&config.Timeouts.PollInterval, "poll_interval", 20 * time.Millisecond},
		{&config.Timeouts.HTTPRequest, "http_request", 2 * time.Second},
	} {
		if *timeout.place, err = a.duration(timeout.name, time.Millisecond); err != nil {
			return "", err
		}
		if *timeout.place == nil {
			*timeout.place = &timeout.usual
		}
	}
	if token := a.get("token"); token != nil {
		config.Token = spuff.NewSecret(*token)
	}
	if owner := a.get("owner"); owner != nil {
		config.Options["owner"] = spuff.NewSecret(*owner)
	}
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	provider, err := registry.Connect(s.name, config)
	if err == nil {
		s.provider = provider
	}
	return s.done(err), nil
}

func (s *stage) truth() (string, error) {
	instances, err := s.cloud.Instances()
	if err != nil {
		return "", err
	}
	snapshots, err := s.cloud.Snapshots()
	if err != nil {
		return "", err
	}
	leaks, err := s.cloud.Leaks()
	if err != nil {
		return "", err
	}
	running := 0
	for _, each := range instances {
		if !each.Ending {
			running++
		}
	}
	return fmt.Sprintf("ok instances=%d snapshots=%d leaks=%d",
		running, len(snapshots), len(leaks)), nil
}
