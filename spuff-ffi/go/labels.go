// The labels that spuff itself sets, for authors of providers.

package spuff

const (
	// ManagedByKey is the label of everything that spuff manages; its value is ManagedByValue.
	ManagedByKey = "managed-by"
	// ManagedByValue is the value of ManagedByKey.
	ManagedByValue = "spuff"
	// OwnerKey is the label of InstanceRequest.Owner.
	OwnerKey = "spuff-owner"
	// ExpiresKey is the label of the end of a lease, in seconds since 1970 (UTC).
	ExpiresKey = "spuff-expires"
)
