// Requests for instances.

package spuff

// #include <spuff.h>
import "C"

import "time"

// An InstanceRequest is a request for an instance. The cloud's own rules are checked by the create,
// before it sends anything.
type InstanceRequest struct {
	Name string
	// Region is the region or location; empty for the provider's default.
	Region string
	// Size is the size or type.
	Size string
	// Image is what it boots from; zero is Ubuntu 24.04.
	Image ImageSpec
	// UserData is a cloud-init document or script, as plain text.
	UserData *string
	Labels   map[string]string
	// SSHKeys are keys of the account, by id, name or fingerprint.
	SSHKeys []string
	// IdempotencyKey is the caller's key: the same request under the same key, also from another
	// process, returns the same instance.
	IdempotencyKey *string
	// Owner is the owner of the instance: 1 to 63 letters, digits, '-', '_' and '.'.
	Owner *string
	// TTL is for how long, from its create, it is leased, in whole seconds: after that Reap ends
	// it.
	TTL *time.Duration
	// OnCancel is what becomes of it when its create is cancelled.
	OnCancel OnCancel
}

// An ImageSpec is what an instance boots from. The zero value is the default, Ubuntu 24.04.
type ImageSpec struct {
	text  string
	given bool
}

// ParseImage reads ubuntu:24.04, debian:12, snapshot:ID, or the provider's own id.
func ParseImage(text string) ImageSpec { return ImageSpec{text, true} }

// Ubuntu is a version of Ubuntu, such as 24.04.
func Ubuntu(version string) ImageSpec { return ParseImage("ubuntu:" + version) }

// Debian is a version of Debian, such as 12.
func Debian(version string) ImageSpec { return ParseImage("debian:" + version) }

// SnapshotImage is a snapshot, by its id.
func SnapshotImage(id string) ImageSpec { return ParseImage("snapshot:" + id) }

// String is the image as ParseImage reads it.
func (i ImageSpec) String() string {
	if !i.given {
		return "ubuntu:24.04"
	}
	return i.text
}

// OnCancel is what happens to an instance when its create is cancelled.
type OnCancel int32

const (
	// OnCancelDefault destroys it, unless it has an idempotency key of the caller's.
	OnCancelDefault OnCancel = C.SPUFF_ON_CANCEL_DEFAULT
	// OnCancelDestroy destroys it in the background, as soon as it is known.
	OnCancelDestroy OnCancel = C.SPUFF_ON_CANCEL_DESTROY
	// OnCancelKeep leaves it running.
	OnCancelKeep OnCancel = C.SPUFF_ON_CANCEL_KEEP
)

// OnFailure is what happens to an instance that was made but does not become ready. An adopted one
// (see Instance.Adopted) is left.
type OnFailure int32

const (
	// OnFailureDestroy destroys it, when it has failed itself, is gone, or was not ready in time.
	// One that could not be polled is left; the error carries its id.
	OnFailureDestroy OnFailure = C.SPUFF_ON_FAILURE_DESTROY
	// OnFailureKeep leaves it as it is; the error carries its id.
	OnFailureKeep OnFailure = C.SPUFF_ON_FAILURE_KEEP
)

// make makes a request of the library's, which the caller frees.
func (r *InstanceRequest) make() (*C.spuff_request, error) {
	b := newBuild()
	made := new(*C.spuff_request)
	name, region, size := b.add("name", r.Name), b.add("region", r.Region), b.add("size", r.Size)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_request_new(name, region, size, made, failure)
	})
	if r.Image.given {
		image := b.add("image", r.Image.text)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_set_image(*made, image, failure)
		})
	}
	if text := b.optional("user_data", r.UserData); text != nil {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_set_user_data(*made, text, failure)
		})
	}
	for key, value := range r.Labels {
		key, value := b.add("labels", key), b.add("labels", value)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_add_label(*made, key, value, failure)
		})
	}
	for _, key := range r.SSHKeys {
		key := b.add("ssh_keys", key)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_add_ssh_key(*made, key, failure)
		})
	}
	if key := b.optional("idempotency_key", r.IdempotencyKey); key != nil {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_set_idempotency_key(*made, key, failure)
		})
	}
	if owner := b.optional("owner", r.Owner); owner != nil {
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_set_owner(*made, owner, failure)
		})
	}
	if r.TTL != nil {
		seconds := b.units("ttl", *r.TTL, time.Second)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_request_set_ttl_seconds(*made, seconds, failure)
		})
	}
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_request_set_on_cancel(*made, C.int32_t(r.OnCancel), failure)
	})
	if err := b.end(); err != nil {
		C.spuff_request_free(made)
		return nil, err
	}
	return *made, nil
}

// requestOf copies a request that a provider in Go is given. What becomes of a cancelled create is
// seen to by the library.
func requestOf(pointer *C.spuff_request) InstanceRequest {
	request := InstanceRequest{
		Name:           C.GoString(C.spuff_request_name(pointer)),
		Region:         C.GoString(C.spuff_request_region(pointer)),
		Size:           C.GoString(C.spuff_request_size(pointer)),
		Image:          ParseImage(C.GoString(C.spuff_request_image(pointer))),
		UserData:       some(C.spuff_request_user_data(pointer)),
		Labels:         make(map[string]string),
		IdempotencyKey: some(C.spuff_request_idempotency_key(pointer)),
		Owner:          some(C.spuff_request_owner(pointer)),
	}
	for at := range C.spuff_request_label_count(pointer) {
		key := C.GoString(C.spuff_request_label_key(pointer, at))
		request.Labels[key] = C.GoString(C.spuff_request_label_value(pointer, at))
	}
	for at := range C.spuff_request_ssh_key_count(pointer) {
		request.SSHKeys = append(request.SSHKeys, C.GoString(C.spuff_request_ssh_key(pointer, at)))
	}
	if seconds := C.spuff_request_ttl_seconds(pointer); seconds >= 0 {
		request.TTL = Ptr(time.Duration(min(int64(seconds), int64(1<<63-1)/int64(time.Second))) *
			time.Second)
	}
	return request
}
