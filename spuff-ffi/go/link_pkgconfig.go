//go:build !spuff_flags

// How the library is found: by pkg-config.

package spuff

// #cgo pkg-config: spuff
import "C"
