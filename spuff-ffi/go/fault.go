package spuff

import (
	"encoding/json"
	"time"
)

// Fault is what goes wrong at a simulated cloud: one of the variables and functions whose names
// begin with Fault.
type Fault struct {
	name string
	with map[string]any
}

// Faults of the connection and of the reply.
var (
	// FaultReplyLost carries the request out, and closes the connection without a byte of reply.
	FaultReplyLost = Fault{name: "reply_lost"}
	// FaultConnectionClosed closes the connection before the request is carried out.
	FaultConnectionClosed = Fault{name: "connection_closed"}
	// FaultUnauthorized does not take the token; with Skip it expires after so many requests.
	FaultUnauthorized = Fault{name: "unauthorized"}
	// FaultTruncated carries the request out, and closes the connection in the middle of the
	// reply's body.
	FaultTruncated = Fault{name: "truncated"}
)

// Faults of the cloud itself.
var (
	// FaultStuckCreating, on a create: the instance or snapshot never gets beyond being created.
	FaultStuckCreating = Fault{name: "stuck_creating"}
	// FaultCapacityOut, on a create: nothing is free of that size here and now.
	FaultCapacityOut = Fault{name: "capacity_out"}
	// FaultQuotaReached, on a create: the account may have no more.
	FaultQuotaReached = Fault{name: "quota_reached"}
	// FaultLocked, on a destroy, delete or action: the thing is busy.
	FaultLocked = Fault{name: "locked"}
	// FaultActionFails, on anything that takes time: it begins, and fails at its end.
	FaultActionFails = Fault{name: "action_fails"}
	// FaultShiftingPages, on a list: the last thing of a page is found on the next one too.
	FaultShiftingPages = Fault{name: "shifting_pages"}
)

// FaultSlow carries the request out; the reply comes after so much real time, in whole
// milliseconds.
func FaultSlow(after time.Duration) Fault {
	return Fault{"slow", map[string]any{"millis": after.Milliseconds()}}
}

// FaultSlowDrip carries the request out; the reply comes byte by byte, with so much real time
// between two of them.
func FaultSlowDrip(pause time.Duration) Fault {
	return Fault{"slow_drip", map[string]any{"millis": pause.Milliseconds()}}
}

// FaultServerError answers with the cloud's own error of a status from 500 to 599, with the request
// carried out or not.
func FaultServerError(status uint16, committed bool) Fault {
	return Fault{"server_error", map[string]any{"status": status, "committed": committed}}
}

// FaultRateLimited answers with the cloud's throttling error, and carries nothing out. With a
// retryAfter of 0 there is no Retry-After; headers tells whether those that tell of the limit are
// sent.
func FaultRateLimited(retryAfter time.Duration, headers bool) Fault {
	with := map[string]any{"headers": headers, "retry_after": nil}
	if retryAfter > 0 {
		with["retry_after"] = int64(retryAfter / time.Second)
	}
	return Fault{"rate_limited", with}
}

// FaultHTML carries the request out; the reply is a page of HTML.
func FaultHTML(status uint16) Fault {
	return Fault{"html", map[string]any{"status": status}}
}

// FaultOversized carries the request out; the reply's body has so many bytes.
func FaultOversized(bytes uint64) Fault {
	return Fault{"oversized", map[string]any{"bytes": bytes}}
}

// FaultNotYetVisible, on a create: what is made cannot be seen by so many reads that would show it.
func FaultNotYetVisible(reads uint32) Fault {
	return Fault{"not_yet_visible", map[string]any{"reads": reads}}
}

// FaultVanishes, on a create: the instance is gone after so much of the cloud's time, in whole
// seconds.
func FaultVanishes(after time.Duration) Fault {
	return Fault{"vanishes", map[string]any{"after": int64(after / time.Second)}}
}

// MarshalJSON gives the form in which every language injects it.
func (f Fault) MarshalJSON() ([]byte, error) {
	if f.with == nil {
		return json.Marshal(f.name)
	}
	return json.Marshal(map[string]any{f.name: f.with})
}

// Route is what a request is for.
type Route string

// What requests are for.
const (
	RouteCreateInstance  Route = "create_instance"
	RouteGetInstance     Route = "get_instance"
	RouteListInstances   Route = "list_instances"
	RouteUpdateInstance  Route = "update_instance"
	RoutePowerInstance   Route = "power_instance"
	RouteDestroyInstance Route = "destroy_instance"
	RouteCreateSnapshot  Route = "create_snapshot"
	RouteGetSnapshot     Route = "get_snapshot"
	RouteListSnapshots   Route = "list_snapshots"
	RouteUpdateSnapshot  Route = "update_snapshot"
	RouteDeleteSnapshot  Route = "delete_snapshot"
	RouteGetAction       Route = "get_action"
	RouteSSHKeys         Route = "ssh_keys"
	RouteCatalogue       Route = "catalogue"
	RouteOther           Route = "other"
)

// FaultRule is a fault, and which requests it strikes. A request that several rules match is struck
// by the first of them.
type FaultRule struct {
	Fault Fault `json:"fault"`
	// Provider is the cloud; all of them when it is empty.
	Provider string `json:"provider,omitempty"`
	// Route is what the requests are for; anything when it is empty.
	Route Route `json:"route,omitempty"`
	// Skip is how many of these requests are spared first.
	Skip uint64 `json:"skip,omitempty"`
	// Times is how many are struck at most; 0 is no limit.
	Times uint64 `json:"times,omitempty"`
	// Chance is that of such a request to be struck, up to 1; 0 stands for 1.
	Chance float64 `json:"chance,omitempty"`
}
