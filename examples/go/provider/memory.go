// A cloud that is not one: machines that live in a map. What a provider in Go is made of, without the HTTP.

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

// A cloud is what there is, whoever looks at it.
type cloud struct {
	mutex     sync.Mutex
	last      int
	machines  map[string]spuff.Instance
	snapshots map[string]spuff.Snapshot
	// The ids of what was made under the callers' own keys.
	keys map[string]string
}

func newCloud() *cloud {
	return &cloud{machines: make(map[string]spuff.Instance), snapshots: make(map[string]spuff.Snapshot), keys: make(map[string]string)}
}

// A memory is a provider of such a cloud. There may be several of one cloud.
type memory struct {
	*cloud
	region string
}

// connect makes a provider from a configuration. Nothing is sent here, also not by a provider that could.
func (c *cloud) connect(config spuff.Config) (*memory, error) {
	if config.Endpoint != "" {
		return nil, refused("endpoint", "there is nothing to be reached; leave it out")
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

// CreateInstance refuses what cannot be before it makes anything, and marks the machine as spuff's from the start.
func (m *memory) CreateInstance(_ context.Context, request spuff.InstanceRequest) (spuff.Instance, error) {
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
		ID: fmt.Sprintf("m-%d", m.last), Name: request.Name, Region: request.Region, Size: request.Size, Labels: labels,
		Status: spuff.StatusNew, CreatedAt: time.Now(),
	}
	m.machines[made.ID] = made
	if request.IdempotencyKey != nil {
		m.keys[*request.IdempotencyKey] = made.ID
	}
	return made, nil
}

// check fills in the region, and refuses what cannot be.
func (m *memory) check(request *spuff.InstanceRequest) error {
	if request.Region == "" {
		request.Region = m.region
	}
	switch image := request.Image.String(); {
	case request.Name == "":
		return refused("name", "it is empty; give the machine a name")
	case !slices.Contains([]string{"north", "south"}, request.Region):
		return refused("region", "there are north and south")
	case !slices.Contains([]string{"small", "large"}, request.Size):
		return refused("size", "there are small and large")
	case request.UserData != nil && len(*request.UserData) > maxUserData:
		return refused("user_data", fmt.Sprintf("it has %d bytes; up to %d are taken", len(*request.UserData), maxUserData))
	case len(image) > 9 && image[:9] == "snapshot:":
		if _, there := m.snapshots[image[9:]]; !there {
			return absent("snapshot", image[9:])
		}
	}
	for _, key := range request.SSHKeys {
		if key != "laptop" {
			return refused("ssh_keys", key+" is no key of the account")
		}
	}
	if value, set := request.Labels[spuff.ManagedByKey]; set && value != spuff.ManagedByValue {
		return refused("labels", spuff.ManagedByKey+" is set by spuff; use another name")
	}
	return nil
}

// now is a machine as it is by now: it boots by itself.
func (m *memory) now(id string) spuff.Instance {
	machine := m.machines[id]
	if time.Since(machine.CreatedAt) >= bootTime {
		machine.Status = spuff.StatusActive
		machine.Addresses = []spuff.Address{{IP: netip.MustParseAddr("192.0.2.7"), Public: true}}
	}
	return machine
}

// DestroyInstance is content with a machine that is gone.
func (m *memory) DestroyInstance(_ context.Context, id string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.machines, id)
	maps.DeleteFunc(m.keys, func(_, made string) bool { return made == id })
	return nil
}

// GetInstance gives nil for what is not there.
func (m *memory) GetInstance(_ context.Context, id string) (*spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, there := m.machines[id]; !there {
		return nil, nil
	}
	found := m.now(id)
	return &found, nil
}

// ListInstances gives all: there are none but spuff's.
func (m *memory) ListInstances(context.Context) ([]spuff.Instance, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var found []spuff.Instance
	for id := range m.machines {
		found = append(found, m.now(id))
	}
	return found, nil
}

// SetLabels makes leases possible: Renew stands on it.
func (m *memory) SetLabels(_ context.Context, id string, labels map[string]string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	machine, there := m.machines[id]
	if !there {
		return absent("instance", id)
	}
	// Others may be reading the labels that there were.
	machine.Labels = maps.Clone(machine.Labels)
	maps.Copy(machine.Labels, labels)
	m.machines[id] = machine
	return nil
}

// Resolve finds what was made under a caller's own key.
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

// GetSSHKeys gives what SSHKeys of a request takes.
func (m *memory) GetSSHKeys(context.Context) ([]string, error) { return []string{"laptop"}, nil }

// CreateSnapshot is ready at once; a real one would wait here, as long as its context lasts.
func (m *memory) CreateSnapshot(_ context.Context, instanceID, name string) (spuff.Snapshot, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, there := m.machines[instanceID]; !there {
		return spuff.Snapshot{}, absent("instance", instanceID)
	}
	m.last++
	made := spuff.Snapshot{ID: fmt.Sprintf("s-%d", m.last), Name: name, CreatedAt: time.Now(),
		Labels: map[string]string{spuff.ManagedByKey: spuff.ManagedByValue}}
	m.snapshots[made.ID] = made
	return made, nil
}

// ListSnapshots gives all, with their labels.
func (m *memory) ListSnapshots(context.Context) ([]spuff.Snapshot, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Collect(maps.Values(m.snapshots)), nil
}

// DeleteSnapshot is content with a snapshot that is gone.
func (m *memory) DeleteSnapshot(_ context.Context, id string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.snapshots, id)
	return nil
}
