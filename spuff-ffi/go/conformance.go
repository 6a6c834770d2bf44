// The behaviour suite: whether a provider keeps the contract.

package spuff

// #include <spuff.h>
import "C"

import "context"

// A Subject is a provider that the behaviour suite is run on.
type Subject struct {
	// Config is how to reach it.
	Config Config
	// Request is the request of every instance: a region, size and image that the provider takes,
	// empty where it has none; the name is replaced.
	Request InstanceRequest
	// AbsentID is an id as the provider writes them, of nothing that exists.
	AbsentID string
	// AbsentSnapshotID is that of a snapshot; nil for the same.
	AbsentSnapshotID *string
	// DefaultSize says that a request may leave the size out.
	DefaultSize bool
	// Idempotent says that creates with one idempotency key make one instance.
	Idempotent bool
}

// A Report is what the behaviour suite has found.
type Report struct {
	// Passed says whether no check has failed and nothing was left behind.
	Passed bool
	// Text is the report as a table, for a person.
	Text string
	// JSON is the report for a program.
	JSON string
}

// CheckConformance runs the conformance suite on a provider of a registry: 37 checks, which make
// about 30 instances and destroy them. When the context ends, the rest fails, and what was made is
// destroyed.
//
// Errors: UnknownProvider; InvalidConfig. What the provider does wrong is told in the report.
func (r *Registry) CheckConformance(
	ctx context.Context, name string, subject Subject,
) (Report, error) {
	settings, err := subject.Config.make()
	if err != nil {
		return Report{}, err
	}
	defer C.spuff_config_free(&settings)
	request, err := subject.Request.make()
	if err != nil {
		return Report{}, err
	}
	defer C.spuff_request_free(&request)
	ends := newToken(ctx)
	defer ends.free()
	out := new(*C.spuff_report)
	err = r.use(func(registry *C.spuff_registry, b *build) {
		asked := &C.spuff_subject{
			size:               C.sizeof_spuff_subject,
			name:               b.add("name", name),
			config:             settings,
			request:            request,
			absent_id:          b.add("absent_id", subject.AbsentID),
			absent_snapshot_id: b.optional("absent_snapshot_id", subject.AbsentSnapshotID),
			default_size:       C.bool(subject.DefaultSize),
			idempotent:         C.bool(subject.Idempotent),
		}
		b.step(func(failure **C.spuff_error) C.spuff_code {
			return C.spuff_conformance_check(registry, asked, ends.pointer, out, failure)
		})
	})
	if err != nil {
		return Report{}, err
	}
	defer C.spuff_report_free(out)
	return Report{
		Passed: bool(C.spuff_report_is_passed(*out)),
		Text:   C.GoString(C.spuff_report_text(*out)),
		JSON:   C.GoString(C.spuff_report_json(*out)),
	}, nil
}
