// Snapshots of instances, as plain values.

package spuff

// #include <spuff.h>
import "C"

import "time"

// A Snapshot is the disk of an instance as it was once: SnapshotImage(snapshot.ID) starts others
// from it.
type Snapshot struct {
	// ID is the provider's id.
	ID   string
	Name string
	// CreatedAt is zero where the cloud does not say.
	CreatedAt time.Time
	// Labels are read by ListLabelledSnapshots only.
	Labels map[string]string
}

func snapshotOf(pointer *C.spuff_snapshot) Snapshot {
	snapshot := Snapshot{
		ID:        C.GoString(C.spuff_snapshot_id(pointer)),
		Name:      C.GoString(C.spuff_snapshot_name(pointer)),
		CreatedAt: moment(C.spuff_snapshot_created_at_ms(pointer)),
		Labels:    make(map[string]string),
	}
	for at := range C.spuff_snapshot_label_count(pointer) {
		key := C.GoString(C.spuff_snapshot_label_key(pointer, at))
		snapshot.Labels[key] = C.GoString(C.spuff_snapshot_label_value(pointer, at))
	}
	return snapshot
}

// takeSnapshot copies a snapshot that the caller owns, and frees its handle.
func takeSnapshot(pointer *C.spuff_snapshot) (Snapshot, error) {
	defer C.spuff_snapshot_free(&pointer)
	return snapshotOf(pointer), nil
}

// takeFoundSnapshot is takeSnapshot of what may not be there.
func takeFoundSnapshot(pointer *C.spuff_snapshot) (*Snapshot, error) {
	if pointer == nil {
		return nil, nil
	}
	snapshot, err := takeSnapshot(pointer)
	return &snapshot, err
}

// takeSnapshots copies a list that the caller owns, and frees it.
func takeSnapshots(list *C.spuff_snapshots) ([]Snapshot, error) {
	defer C.spuff_snapshots_free(&list)
	snapshots := make([]Snapshot, 0, C.spuff_snapshots_count(list))
	for at := range C.spuff_snapshots_count(list) {
		snapshots = append(snapshots, snapshotOf(C.spuff_snapshots_get(list, at)))
	}
	return snapshots, nil
}

// give makes a snapshot for the library to own.
func (s *Snapshot) give(out **C.spuff_snapshot) error {
	b := newBuild()
	made := new(*C.spuff_snapshot)
	id, name := b.add("id", s.ID), b.add("name", s.Name)
	b.step(func(failure **C.spuff_error) C.spuff_code {
		return C.spuff_snapshot_new(id, name, made, failure)
	})
	if !s.CreatedAt.IsZero() {
		at := C.int64_t(s.CreatedAt.UnixMilli())
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_snapshot_set_created_at_ms(*made, at, failure)
		})
	}
	for key, value := range s.Labels {
		key, value := b.add("labels", key), b.add("labels", value)
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_snapshot_add_label(*made, key, value, failure)
		})
	}
	if err := b.end(); err != nil {
		C.spuff_snapshot_free(made)
		return err
	}
	*out = *made
	return nil
}

// takeStrings copies a list of strings that the caller owns, and frees it.
func takeStrings(list *C.spuff_strings) ([]string, error) {
	defer C.spuff_strings_free(&list)
	copied := make([]string, 0, C.spuff_strings_count(list))
	for at := range C.spuff_strings_count(list) {
		copied = append(copied, C.GoString(C.spuff_strings_get(list, at)))
	}
	return copied, nil
}
