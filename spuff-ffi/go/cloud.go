// The simulated clouds, for tests and trials.

package spuff

// #include <spuff.h>
import "C"

import (
	"encoding/json"
	"runtime"
	"time"
)

// A Cloud is DigitalOcean, Hetzner Cloud and EC2 on the loopback interface of this process.
type Cloud struct {
	handle  *handle[*C.spuff_cloud]
	address string
}

// CloudOptions say how simulated clouds are started. The zero value is: in real time, on a free
// port, without limits, with any token.
type CloudOptions struct {
	// Speed is how many times as fast the clouds' time goes; 0 is as fast as real time.
	Speed float64
	// ManualClock lets the clouds' time stand still until Advance moves it.
	ManualClock bool
	// RateLimits answers more requests than the real cloud would as it does.
	RateLimits bool
	// Port is on the loopback interface; 0 is a free one.
	Port uint16
	// Seed is what all chance comes from.
	Seed uint64
	// Quota is how many instances each cloud's account may have; 0 is no limit.
	Quota uint64
	// Token is the only one that is taken; zero is any.
	Token Secret
}

// A Resource is something that the clouds truly hold, whatever a client was told.
type Resource struct {
	// Provider is the cloud that it is at.
	Provider string
	// Kind is instance, snapshot, disk_snapshot, disk or address.
	Kind string
	ID   string
	// Name is empty where it has none.
	Name string
	// Text is all of it in words, for a message.
	Text string
	// Ending says whether its end has been accepted, so that it will soon be gone.
	Ending bool
}

// StartCloud starts the clouds.
//
// Errors: InvalidConfig for options that cannot be; Other when the port is taken, or no socket can
// be had.
func StartCloud(options CloudOptions) (*Cloud, error) {
	b := newBuild()
	settings := &C.spuff_cloud_options{
		size:         C.sizeof_spuff_cloud_options,
		speed:        C.double(options.Speed),
		manual_clock: C.bool(options.ManualClock),
		rate_limits:  C.bool(options.RateLimits),
		port:         C.uint16_t(options.Port),
		seed:         C.uint64_t(options.Seed),
		quota:        C.uint64_t(options.Quota),
		token:        b.optional("token", options.Token.text),
	}
	out := new(*C.spuff_cloud)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_cloud_start(settings, out, failure)
	})
	if err := b.end(); err != nil {
		return nil, err
	}
	c := &Cloud{address: C.GoString(C.spuff_cloud_address(*out))}
	c.handle = owned(c, "cloud", *out, func(pointer *C.spuff_cloud) {
		C.spuff_cloud_free(&pointer)
	})
	return c, nil
}

// Close ends the clouds. Twice is harmless. It gives nil.
func (c *Cloud) Close() error {
	c.handle.close()
	return nil
}

// Address is where they listen, such as 127.0.0.1:41234.
func (c *Cloud) Address() string { return c.address }

// use calls work with what C reads: the cloud, and the texts in b.
func (c *Cloud) use(work func(cloud *C.spuff_cloud, b *build)) error {
	cloud, err := c.handle.acquire()
	runtime.KeepAlive(c)
	if err != nil {
		return err
	}
	defer c.handle.release()
	b := newBuild()
	work(cloud, b)
	return b.end()
}

// Config is the configuration that wires a provider, digitalocean, hetzner or aws, to the clouds.
//
// Errors: UnknownProvider for another name.
func (c *Cloud) Config(provider string) (Config, error) {
	out := new(*C.spuff_config)
	err := c.use(func(cloud *C.spuff_cloud, b *build) {
		name := b.add("provider", provider)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_cloud_config(cloud, name, out, failure)
		})
	})
	if err != nil {
		return Config{}, err
	}
	return takeConfig(*out), nil
}

// Environment gives the environment variables, as NAME=value, that point the clouds' own tools and
// Registry.FromEnv at them.
func (c *Cloud) Environment() ([]string, error) {
	return c.strings(func(
		cloud *C.spuff_cloud, out **C.spuff_strings, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_cloud_environment(cloud, out, failure)
	})
}

// Bill is what everything has cost so far, line by line. Prices resemble the real ones and are not
// offers.
func (c *Cloud) Bill() ([]string, error) {
	return c.strings(func(
		cloud *C.spuff_cloud, out **C.spuff_strings, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_cloud_bill(cloud, out, failure)
	})
}

func (c *Cloud) strings(
	list func(*C.spuff_cloud, **C.spuff_strings, **C.spuff_error) C.spuff_code,
) ([]string, error) {
	out := new(*C.spuff_strings)
	err := c.use(func(cloud *C.spuff_cloud, b *build) {
		b.step(func(failure **C.spuff_error) C.spuff_code { return list(cloud, out, failure) })
	})
	if err != nil {
		return nil, err
	}
	return takeStrings(*out)
}

// Inject lets something go wrong from now on, and gives the number of the rule.
//
// Errors: InvalidConfig for a rule that cannot be, such as one without a fault.
func (c *Cloud) Inject(rule FaultRule) (uint64, error) {
	text, err := json.Marshal(rule)
	if err != nil {
		return 0, &Error{
			Kind: InvalidConfig, Field: "rule", Message: err.Error(), causes: []error{err},
		}
	}
	return c.InjectJSON(string(text))
}

// InjectJSON is Inject for a rule in JSON, as it stands in files that several languages read, such
// as {"fault": "reply_lost", "provider": "hetzner", "route": "create_instance", "times": 1}.
//
// Errors: InvalidConfig for what is no rule.
func (c *Cloud) InjectJSON(rule string) (uint64, error) {
	id := new(C.uint64_t)
	err := c.use(func(cloud *C.spuff_cloud, b *build) {
		text := b.add("rule", rule)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_cloud_inject(cloud, text, id, failure)
		})
	})
	return uint64(*id), err
}

// Hits is how many requests a rule has struck.
func (c *Cloud) Hits(rule uint64) (hits uint64, err error) {
	err = c.use(func(cloud *C.spuff_cloud, _ *build) {
		hits = uint64(C.spuff_cloud_hits(cloud, C.uint64_t(rule)))
	})
	return hits, err
}

// ClearFaults lets nothing go wrong any more.
func (c *Cloud) ClearFaults() error {
	return c.use(func(cloud *C.spuff_cloud, _ *build) { C.spuff_cloud_clear_faults(cloud) })
}

// Advance moves the clouds' time on, in whole milliseconds.
func (c *Cloud) Advance(by time.Duration) error {
	return c.use(func(cloud *C.spuff_cloud, b *build) {
		C.spuff_cloud_advance_ms(cloud, b.units("by", by, time.Millisecond))
	})
}

// RequestCount is how many requests a cloud was sent; 0 for a name that is no cloud here.
func (c *Cloud) RequestCount(provider string) (count uint64, err error) {
	err = c.use(func(cloud *C.spuff_cloud, b *build) {
		count = uint64(C.spuff_cloud_request_count(cloud, b.lossy(provider)))
	})
	return count, err
}

// Instances are the instances that exist, whether or not a client can see them.
func (c *Cloud) Instances() ([]Resource, error) {
	return c.resources(func(
		cloud *C.spuff_cloud, out **C.spuff_resources, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_cloud_instances(cloud, out, failure)
	})
}

// Snapshots are the snapshots that exist, whether or not a client can see them.
func (c *Cloud) Snapshots() ([]Resource, error) {
	return c.resources(func(
		cloud *C.spuff_cloud, out **C.spuff_resources, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_cloud_snapshots(cloud, out, failure)
	})
}

// Leaks are what exists, costs money, and has not been told to end: a test that has cleaned up
// finds nothing here.
func (c *Cloud) Leaks() ([]Resource, error) {
	return c.resources(func(
		cloud *C.spuff_cloud, out **C.spuff_resources, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_cloud_leaks(cloud, out, failure)
	})
}

func (c *Cloud) resources(
	list func(*C.spuff_cloud, **C.spuff_resources, **C.spuff_error) C.spuff_code,
) ([]Resource, error) {
	out := new(*C.spuff_resources)
	err := c.use(func(cloud *C.spuff_cloud, b *build) {
		b.step(func(failure **C.spuff_error) C.spuff_code { return list(cloud, out, failure) })
	})
	if err != nil {
		return nil, err
	}
	defer C.spuff_resources_free(out)
	found := make([]Resource, 0, C.spuff_resources_count(*out))
	for at := range C.spuff_resources_count(*out) {
		found = append(found, Resource{
			Provider: C.GoString(C.spuff_resources_provider(*out, at)),
			Kind:     C.GoString(C.spuff_resources_kind(*out, at)),
			ID:       C.GoString(C.spuff_resources_id(*out, at)),
			Name:     C.GoString(C.spuff_resources_name(*out, at)),
			Text:     C.GoString(C.spuff_resources_text(*out, at)),
			Ending:   bool(C.spuff_resources_is_ending(*out, at)),
		})
	}
	return found, nil
}
