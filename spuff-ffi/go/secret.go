// Secrets: texts that nothing prints.

package spuff

// A Secret is a text that is not shown where a value is printed, logged or written as JSON. The
// zero value is none at all.
type Secret struct{ text *string }

// NewSecret keeps a text secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Expose gives the text in the clear; empty where there is none.
func (s Secret) Expose() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String shows whether there is one.
func (s Secret) String() string {
	if s.text == nil {
		return "none"
	}
	return "redacted"
}

// GoString shows as much as String.
func (s Secret) GoString() string { return "spuff.Secret{" + s.String() + "}" }

// MarshalText shows as much as String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
