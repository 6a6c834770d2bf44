// Instances, as plain values.

package spuff

// #include <spuff.h>
import "C"

import (
	"net/netip"
	"time"
)

// A Status is the state of an instance.
type Status int32

const (
	// StatusUnknown is a word of the cloud's that has no place below; Instance.StatusWord is that
	// word.
	StatusUnknown Status = C.SPUFF_STATUS_UNKNOWN
	// StatusNew: being created or started.
	StatusNew Status = C.SPUFF_STATUS_NEW
	// StatusActive: running.
	StatusActive Status = C.SPUFF_STATUS_ACTIVE
	// StatusOff: stopped, or stopping. It is still paid for.
	StatusOff Status = C.SPUFF_STATUS_OFF
	// StatusArchive: archived or terminated.
	StatusArchive Status = C.SPUFF_STATUS_ARCHIVE
)

// String is the state in a word.
func (s Status) String() string {
	switch s {
	case StatusNew:
		return "new"
	case StatusActive:
		return "active"
	case StatusOff:
		return "off"
	case StatusArchive:
		return "archive"
	}
	return "unknown"
}

// An Address is one at which an instance can be reached.
type Address struct {
	IP netip.Addr
	// Public says whether it can be reached from the internet.
	Public bool
}

// An Instance is an instance as it was when it was read.
type Instance struct {
	// ID is the provider's id.
	ID   string
	Name string
	// Region is the region or location; empty if it is unknown.
	Region string
	// Size is the size or type; empty if it is unknown.
	Size string
	// IP is the public address, IPv4 before IPv6; 0.0.0.0 until there is one.
	IP netip.Addr
	// Status is the state.
	Status Status
	// StatusWord is the state in a word: new, active, off, archive, or the cloud's own.
	StatusWord string
	// Ready says whether it is active and has a public address.
	Ready bool
	// CreatedAt is in 1970 where the provider does not say.
	CreatedAt time.Time
	// ExpiresAt is when its lease ends; zero where it has none.
	ExpiresAt time.Time
	Labels    map[string]string
	// Addresses are all that it has, public and private.
	Addresses []Address
	// Adopted says whether CreateInstance has not made it, but given back the one that its
	// IdempotencyKey had made before.
	Adopted bool
}

// instanceOf copies an instance of the library's.
func instanceOf(pointer *C.spuff_instance) (Instance, error) {
	instance := Instance{
		ID:         C.GoString(C.spuff_instance_id(pointer)),
		Name:       C.GoString(C.spuff_instance_name(pointer)),
		Region:     C.GoString(C.spuff_instance_region(pointer)),
		Size:       C.GoString(C.spuff_instance_size(pointer)),
		Status:     Status(C.spuff_instance_status(pointer)),
		StatusWord: C.GoString(C.spuff_instance_status_word(pointer)),
		Ready:      bool(C.spuff_instance_is_ready(pointer)),
		CreatedAt:  time.UnixMilli(int64(C.spuff_instance_created_at_ms(pointer))).UTC(),
		ExpiresAt:  moment(C.spuff_instance_expires_at_ms(pointer)),
		Labels:     make(map[string]string),
		Adopted:    bool(C.spuff_instance_adopted(pointer)),
	}
	for at := range C.spuff_instance_label_count(pointer) {
		key := C.GoString(C.spuff_instance_label_key(pointer, at))
		instance.Labels[key] = C.GoString(C.spuff_instance_label_value(pointer, at))
	}
	var err error
	if instance.IP, err = netip.ParseAddr(C.GoString(C.spuff_instance_ip(pointer))); err != nil {
		return instance, &Error{Kind: Internal, Message: err.Error(), InstanceID: instance.ID}
	}
	for at := range C.spuff_instance_address_count(pointer) {
		ip, err := netip.ParseAddr(C.GoString(C.spuff_instance_address(pointer, at)))
		if err != nil {
			return instance, &Error{Kind: Internal, Message: err.Error(), InstanceID: instance.ID}
		}
		instance.Addresses = append(instance.Addresses,
			Address{ip, bool(C.spuff_instance_address_is_public(pointer, at))})
	}
	return instance, nil
}

// takeInstance copies an instance that the caller owns, and frees it.
func takeInstance(pointer *C.spuff_instance) (Instance, error) {
	defer C.spuff_instance_free(&pointer)
	return instanceOf(pointer)
}

// takeFound is takeInstance of what may not be there.
func takeFound(pointer *C.spuff_instance) (*Instance, error) {
	if pointer == nil {
		return nil, nil
	}
	instance, err := takeInstance(pointer)
	return &instance, err
}

// takeInstances copies a list that the caller owns, and frees it.
func takeInstances(list *C.spuff_instances) ([]Instance, error) {
	defer C.spuff_instances_free(&list)
	instances := make([]Instance, 0, C.spuff_instances_count(list))
	for at := range C.spuff_instances_count(list) {
		instance, err := instanceOf(C.spuff_instances_get(list, at))
		if err != nil {
			return nil, err
		}
		instances = append(instances, instance)
	}
	return instances, nil
}

// give makes an instance for the library to own. Ready and ExpiresAt follow from the rest; IP
// stands for Addresses where there are none.
func (i *Instance) give(out **C.spuff_instance) error {
	b := newBuild()
	made := new(*C.spuff_instance)
	id := b.add("id", i.ID)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_instance_new(id, made, failure)
	})
	name, region, size := b.add("name", i.Name), b.add("region", i.Region), b.add("size", i.Size)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_instance_describe(*made, name, region, size, failure)
	})
	word := i.StatusWord
	if word == "" {
		word = i.Status.String()
	}
	status := b.add("status", word)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_instance_set_status(*made, status, failure)
	})
	if !i.CreatedAt.IsZero() {
		at := C.int64_t(i.CreatedAt.UnixMilli())
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_instance_set_created_at_ms(*made, at, failure)
		})
	}
	if i.Adopted {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_instance_set_adopted(*made, true, failure)
		})
	}
	for key, value := range i.Labels {
		key, value := b.add("labels", key), b.add("labels", value)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_instance_add_label(*made, key, value, failure)
		})
	}
	addresses := i.Addresses
	if len(addresses) == 0 && i.IP.IsValid() && !i.IP.IsUnspecified() {
		addresses = []Address{{i.IP, true}}
	}
	for _, address := range addresses {
		ip := b.add("addresses", address.IP.String())
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_instance_add_address(*made, ip, C.bool(address.Public), failure)
		})
	}
	if err := b.end(); err != nil {
		C.spuff_instance_free(made)
		return err
	}
	*out = *made
	return nil
}
