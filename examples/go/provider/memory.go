// A cloud in memory: instances that live in a map. It shows all parts of a provider in Go but the
// HTTP.

package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/spuff"
)

const (
	defaultRegion = "north"
	maxUserData   = 16 * 1024
	bootTime      = 50 * time.Millisecond
)

// A cloud holds the state that all its providers share.
type cloud struct {
	mutex     sync.Mutex
	last      int
	instances map[string]spuff.Instance
	snapshots map[string]spuff.Snapshot
	// Idempotency keys, and the ids of the instances made under them.
	keys map[string]string
}

func newCloud() *cloud {
	return &cloud{
		instances: make(map[string]spuff.Instance),
		snapshots: make(map[string]spuff.Snapshot),
		keys:      make(map[string]string),
	}
}

// A memory is a provider of such a cloud. One cloud may have several.
type memory struct {
	*cloud
	region string
}

// connect creates a provider from a configuration. No provider sends anything here.
func (c *cloud) connect(config spuff.Config) (*memory, error) {
	if config.Endpoint != "" {
		return nil, refused("endpoint", "this provider has no endpoint; leave it out")
	}
	m := &memory{cloud: c, region: defaultRegion}
	if config.Region != "" {
		m.region = config.Region
	}
	return m, nil
}

func refused(field, message string) error {
	return &spuff.Error{Kind: spuff.InvalidConfig, Field: field, Message: message}
}

func absent(kind, id string) error {
	return &spuff.Error{Kind: spuff.NotFound, ResourceType: kind, ResourceID: id}
}

// CreateInstance checks the request before it makes anything, and labels the instance as managed
// from the start.
func (m *memory) CreateInstance(
	_ context.Context, request spuff.InstanceRequest,
) (spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if err := m.check(&request); err != nil {
		return spuff.Instance{}, err
	}
	if request.IdempotencyKey != nil {
		if id, known := m.keys[*request.IdempotencyKey]; known {
			found := m.now(id)
			found.Adopted = true
			return found, nil
		}
	}
	labels := map[string]string{spuff.ManagedByKey: spuff.ManagedByValue}
	maps.Copy(labels, request.Labels)
	if request.Owner != nil {
		labels[spuff.OwnerKey] = *request.Owner
	}
	if request.TTL != nil {
		labels[spuff.ExpiresKey] = strconv.FormatInt(time.Now().Add(*request.TTL).Unix(), 10)
	}
	m.last++
	made := spuff.Instance{
		ID: fmt.Sprintf("m-%d", m.last), Name: request.Name, Region: request.Region,
		Size: request.Size, Labels: labels, Status: spuff.StatusNew, CreatedAt: time.Now(),
	}
	m.instances[made.ID] = made
	if request.IdempotencyKey != nil {
		m.keys[*request.IdempotencyKey] = made.ID
	}
	return made, nil
}

// check fills in the region, and refuses an invalid request.
func (m *memory) check(request *spuff.InstanceRequest) error {
	if request.Region == "" {
		request.Region = m.region
	}
	switch image := request.Image.String(); {
	case request.Name == "":
		return refused("name", "must not be empty")
	case !slices.Contains([]string{"north", "south"}, request.Region):
		return refused("region", "expected north or south")
	case !slices.Contains([]string{"small", "large"}, request.Size):
		return refused("size", "expected small or large")
	case request.UserData != nil && len(*request.UserData) > maxUserData:
		return refused("user_data",
			fmt.Sprintf("%d bytes, but the limit is %d", len(*request.UserData), maxUserData))
	case len(image) > 9 && image[:9] == "snapshot:":
		if _, there := m.snapshots[image[9:]]; !there {
			return absent("snapshot", image[9:])
		}
	}
	for _, key := range request.SSHKeys {
		if key != "laptop" {
			return refused("ssh_keys", key+" is not a key of the account")
		}
	}
	if value, set := request.Labels[spuff.ManagedByKey]; set && value != spuff.ManagedByValue {
		return refused("labels", spuff.ManagedByKey+" is set by spuff; use another name")
	}
	return nil
}

// now returns an instance in its present state: it boots by itself.
func (m *memory) now(id string) spuff.Instance {
	instance := m.instances[id]
	if time.Since(instance.CreatedAt) >= bootTime {
		instance.Status = spuff.StatusActive
		instance.Addresses = []spuff.Address{{IP: netip.MustParseAddr("192.0.2.7"), Public: true}}
	}
	return instance
}

// DestroyInstance succeeds if the instance does not exist.
func (m *memory) DestroyInstance(_ context.Context, id string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.instances, id)
	maps.DeleteFunc(m.keys, func(_, made string) bool { return made == id })
	return nil
}

// GetInstance returns nil if the instance does not exist.
func (m *memory) GetInstance(_ context.Context, id string) (*spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, there := m.instances[id]; !there {
		return nil, nil
	}
	found := m.now(id)
	return &found, nil
}

// ListInstances returns all: every instance here is managed by spuff.
func (m *memory) ListInstances(context.Context) ([]spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var found []spuff.Instance
	for id := range m.instances {
		found = append(found, m.now(id))
	}
	return found, nil
}

// SetLabels makes leases possible: Renew calls it.
func (m *memory) SetLabels(_ context.Context, id string, labels map[string]string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	instance, there := m.instances[id]
	if !there {
		return absent("instance", id)
	}
	// Callers may still read the old map.
	instance.Labels = maps.Clone(instance.Labels)
	maps.Copy(instance.Labels, labels)
	m.instances[id] = instance
	return nil
}

// Resolve finds the instance that was made under an idempotency key.
func (m *memory) Resolve(_ context.Context, key string) (*spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	id, known := m.keys[key]
	if !known {
		return nil, nil
	}
	found := m.now(id)
	return &found, nil
}

// GetSSHKeys returns the values that SSHKeys of a request accepts.
func (m *memory) GetSSHKeys(context.Context) ([]string, error) { return []string{"laptop"}, nil }

// CreateSnapshot returns at once; a real provider would wait for the snapshot, at most until its
// context ends.
func (m *memory) CreateSnapshot(
	_ context.Context, instanceID, name string,
) (spuff.Snapshot, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, there := m.instances[instanceID]; !there {
		return spuff.Snapshot{}, absent("instance", instanceID)
	}
	m.last++
	made := spuff.Snapshot{ID: fmt.Sprintf("s-%d", m.last), Name: name, CreatedAt: time.Now(),
		Labels: map[string]string{spuff.ManagedByKey: spuff.ManagedByValue}}
	m.snapshots[made.ID] = made
	return made, nil
}

// ListSnapshots returns all, with their labels.
func (m *memory) ListSnapshots(context.Context) ([]spuff.Snapshot, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Collect(maps.Values(m.snapshots)), nil
}

// DeleteSnapshot succeeds if the snapshot does not exist.
func (m *memory) DeleteSnapshot(_ context.Context, id string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.snapshots, id)
	return nil
}
