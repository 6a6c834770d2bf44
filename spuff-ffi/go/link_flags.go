//go:build spuff_flags

// How the library is found: by the flags in CGO_CFLAGS and CGO_LDFLAGS.

package spuff

import "C"
