// Registries: the providers that can be used, by name.

package spuff

// #include <spuff.h>
import "C"

import "runtime"

// A Registry holds the providers that can be used, by name. Providers outlive it.
type Registry struct{ handle *handle[*C.spuff_registry] }

// NewRegistry makes a registry without providers.
func NewRegistry() *Registry { return newRegistry(C.spuff_registry_new()) }

// NewRegistryWithDefaults makes a registry with every provider of this build: digitalocean,
// hetzner, aws and docker, unless they were left out.
func NewRegistryWithDefaults() *Registry { return newRegistry(C.spuff_registry_with_defaults()) }

func newRegistry(pointer *C.spuff_registry) *Registry {
	r := &Registry{}
	r.handle = owned(r, "registry", pointer, func(pointer *C.spuff_registry) {
		C.spuff_registry_free(&pointer)
	})
	return r
}

// Close ends the use of the registry. Twice is harmless. It gives nil.
func (r *Registry) Close() error {
	r.handle.close()
	return nil
}

// use calls work with what C reads: the registry, and the texts in b.
func (r *Registry) use(work func(registry *C.spuff_registry, b *build)) error {
	registry, err := r.handle.acquire()
	runtime.KeepAlive(r)
	if err != nil {
		return err
	}
	defer r.handle.release()
	b := newBuild()
	work(registry, b)
	return b.end()
}

// made calls work and gives the provider that it makes.
func (r *Registry) made(
	work func(registry *C.spuff_registry, b *build, out **C.spuff_provider),
) (*Provider, error) {
	out := new(*C.spuff_provider)
	err := r.use(func(registry *C.spuff_registry, b *build) { work(registry, b, out) })
	if err != nil {
		return nil, err
	}
	return newProvider(*out), nil
}

// Connect makes a provider from its name or alias and a configuration. Nothing is sent, and the
// environment is not read.
//
// Errors: UnknownProvider with the names that would work; NotImplemented; InvalidConfig, with the
// field.
func (r *Registry) Connect(name string, config Config) (*Provider, error) {
	settings, err := config.make()
	if err != nil {
		return nil, err
	}
	defer C.spuff_config_free(&settings)
	return r.made(func(registry *C.spuff_registry, b *build, out **C.spuff_provider) {
		text := b.add("name", name)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_registry_connect(registry, text, settings, out, failure)
		})
	})
}

// CreateByName makes a provider from its name or alias, a token and the default timeouts.
//
// Errors: as Connect.
func (r *Registry) CreateByName(name string, token Secret) (*Provider, error) {
	return r.made(func(registry *C.spuff_registry, b *build, out **C.spuff_provider) {
		text, secret := b.add("name", name), b.add("token", token.Expose())
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_registry_create_by_name(registry, text, secret, out, failure)
		})
	})
}

// FromEnv makes a provider from the environment: each option from the first of its variables that
// is set.
//
// Errors: as Connect; InvalidConfig names the variables when one is missing.
func (r *Registry) FromEnv(name string) (*Provider, error) {
	return r.made(func(registry *C.spuff_registry, b *build, out **C.spuff_provider) {
		text := b.add("name", name)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_registry_from_env(registry, text, out, failure)
		})
	})
}

// ConfigFromEnv fills what a configuration leaves out from the environment variables that the
// provider describes.
//
// Errors: as FromEnv.
func (r *Registry) ConfigFromEnv(name string, config Config) (Config, error) {
	settings, err := config.make()
	if err != nil {
		return config, err
	}
	defer C.spuff_config_free(&settings)
	err = r.use(func(registry *C.spuff_registry, b *build) {
		text := b.add("name", name)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_registry_config_from_env(registry, text, settings, failure)
		})
	})
	if err != nil {
		return config, err
	}
	return configOf(settings), nil
}

// RegisteredProviders gives the names of the providers that are registered, in their order.
func (r *Registry) RegisteredProviders() ([]string, error) {
	return r.names(func(
		registry *C.spuff_registry, out **C.spuff_strings, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_registry_registered_providers(registry, out, failure)
	})
}

// ImplementedProviders gives the names of the providers that can be made, in their order.
func (r *Registry) ImplementedProviders() ([]string, error) {
	return r.names(func(
		registry *C.spuff_registry, out **C.spuff_strings, failure **C.spuff_error,
	) C.spuff_code {
		return C.spuff_registry_implemented_providers(registry, out, failure)
	})
}

func (r *Registry) names(
	list func(*C.spuff_registry, **C.spuff_strings, **C.spuff_error) C.spuff_code,
) ([]string, error) {
	out := new(*C.spuff_strings)
	err := r.use(func(registry *C.spuff_registry, b *build) {
		b.step(func(failure **C.spuff_error) C.spuff_code { return list(registry, out, failure) })
	})
	if err != nil {
		return nil, err
	}
	return takeStrings(*out)
}

// IsRegistered says whether a provider of that name or alias is registered; it fails after Close
// only.
func (r *Registry) IsRegistered(name string) (is bool, err error) {
	err = r.use(func(registry *C.spuff_registry, b *build) {
		is = bool(C.spuff_registry_is_registered(registry, b.lossy(name)))
	})
	return is, err
}

// Describe tells what a registered provider takes and can do.
//
// Errors: UnknownProvider with the names that would work.
func (r *Registry) Describe(name string) (Description, error) {
	out := new(*C.spuff_description)
	err := r.use(func(registry *C.spuff_registry, b *build) {
		text := b.add("name", name)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_registry_describe(registry, text, out, failure)
		})
	})
	if err != nil {
		return Description{}, err
	}
	return takeDescription(*out), nil
}
