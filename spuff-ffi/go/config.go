// How to reach a provider.

package spuff

// #include <spuff.h>
import "C"

import "time"

// A Config says how to reach a provider. What is left out is the provider's default.
type Config struct {
	// Token is the provider's; docker has none. It is, for AWS,
	// ACCESS_KEY_ID:SECRET[:SESSION_TOKEN], or empty for the standard credential chain.
	Token Secret
	// Endpoint is the base URL of the API: https, or http on a loopback address. For docker it is
	// the engine's address, such as unix:///var/run/docker.sock.
	Endpoint string
	// Region is used for requests that name none.
	Region string
	// CAFile is the path of a PEM file with certificate authorities to trust in addition to those
	// of the platform.
	CAFile string
	// Options are those that only this provider knows; Registry.Describe tells which there are.
	Options map[string]Secret
	// Timeouts are how long to wait.
	Timeouts Timeouts
}

// Timeouts are how long to wait. What is nil is the default, in whole milliseconds.
type Timeouts struct {
	// InstanceReady is for an instance to become ready; 300 s.
	InstanceReady *time.Duration
	// ActionComplete is for anything else that the cloud works on; 600 s.
	ActionComplete *time.Duration
	// PollInterval is between two looks; 5 s.
	PollInterval *time.Duration
	// HTTPRequest is for one request; 30 s.
	HTTPRequest *time.Duration
	// SSHConnect is for a caller that connects to an instance; 300 s.
	SSHConnect *time.Duration
	// CloudInit is for a caller that waits for an instance's own setup; 600 s.
	CloudInit *time.Duration
}

// each calls visit with the library's name of each timeout.
func (t *Timeouts) each(visit func(name string, timeout **time.Duration)) {
	visit("instance_ready", &t.InstanceReady)
	visit("action_complete", &t.ActionComplete)
	visit("poll_interval", &t.PollInterval)
	visit("http_request", &t.HTTPRequest)
	visit("ssh_connect", &t.SSHConnect)
	visit("cloud_init", &t.CloudInit)
}

// make makes a configuration of the library's, which the caller frees.
func (c *Config) make() (*C.spuff_config, error) {
	b := newBuild()
	made := C.spuff_config_new()
	if token := b.optional("token", c.Token.text); token != nil {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_config_set_token(made, token, failure)
		})
	}
	if c.Endpoint != "" {
		endpoint := b.add("endpoint", c.Endpoint)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_config_set_endpoint(made, endpoint, failure)
		})
	}
	if c.Region != "" {
		region := b.add("region", c.Region)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_config_set_region(made, region, failure)
		})
	}
	if c.CAFile != "" {
		path := b.add("ca_file", c.CAFile)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_config_set_ca_file(made, path, failure)
		})
	}
	for name, value := range c.Options {
		name, value := b.add("options", name), b.add("options", value.Expose())
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_config_set_option(made, name, value, failure)
		})
	}
	c.Timeouts.each(func(name string, timeout **time.Duration) {
		if *timeout != nil {
			value := b.units(name, **timeout, time.Millisecond)
			name := b.add("timeouts", name)
			b.step(func(failure **C.spuff_error) C.spuff_code {
				return C.spuff_config_set_timeout_ms(made, name, value, failure)
			})
		}
	})
	if err := b.end(); err != nil {
		C.spuff_config_free(&made)
		return nil, err
	}
	return made, nil
}

// configOf copies a configuration of the library's.
func configOf(pointer *C.spuff_config) Config {
	var t texts
	defer t.free()
	config := Config{
		Token:    Secret{some(C.spuff_config_token(pointer))},
		Endpoint: C.GoString(C.spuff_config_endpoint(pointer)),
		Region:   C.GoString(C.spuff_config_region(pointer)),
		CAFile:   C.GoString(C.spuff_config_ca_file(pointer)),
		Options:  make(map[string]Secret),
	}
	for at := range C.spuff_config_option_count(pointer) {
		name := C.spuff_config_option_name(pointer, at)
		config.Options[C.GoString(name)] = Secret{some(C.spuff_config_option(pointer, name))}
	}
	config.Timeouts.each(func(name string, timeout **time.Duration) {
		*timeout = Ptr(millis(C.spuff_config_timeout_ms(pointer, t.lossy(name))))
	})
	return config
}

// takeConfig copies a configuration that the caller owns, and frees it.
func takeConfig(pointer *C.spuff_config) Config {
	defer C.spuff_config_free(&pointer)
	return configOf(pointer)
}
