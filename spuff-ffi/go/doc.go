// Package spuff starts, watches and ends cloud instances: DigitalOcean, Hetzner Cloud, AWS EC2,
// containers of Docker or Podman on this computer (the provider "docker", which needs no account),
// and providers of one's own.
//
// It is the Go face of the library libspuff, whose header is spuff.h; all that happens is decided
// there.
//
// # Building
//
// The package needs cgo and the library; a module that uses it says where it stands:
//
//	go mod edit -require example.com/spuff@v0.0.0 \
//	    -replace example.com/spuff=/path/to/spuff/spuff-ffi/go
//
// Once the library is installed, pkg-config finds it, and nothing has to be said:
//
//	cargo cinstall -p spuff-ffi --release --prefix /usr/local
//	go build ./...
//
// Where there is no pkg-config, or the library is not installed, the tag spuff_flags leaves the
// flags to the environment. So it is built in the repository of spuff, here with the library inside
// the program:
//
//	cargo build -p spuff-ffi --release
//	export CGO_CFLAGS="-I$PWD/include" \
//	    CGO_LDFLAGS="$PWD/target/release/libspuff.a -lm -ldl -lpthread"
//	go build -tags spuff_flags ./...
//
// # Contexts
//
// Every call that waits takes a context. When that is done the call returns at once; its error is
// context.Canceled or context.DeadlineExceeded for errors.Is, is also Cancelled or Timeout, and
// knows the instance that the call was about. What a create has begun by then is brought to an end
// in the background, as InstanceRequest.OnCancel says; Settled waits for that.
//
// # Errors
//
// Every error of the library is an *Error. errors.Is tells its kind, errors.As all that is known:
//
//	machine, err := provider.CreateInstance(ctx, request)
//	var failure *spuff.Error
//	switch {
//	case errors.Is(err, spuff.Capacity):
//		// Another size or region may do.
//	case errors.As(err, &failure) && failure.Kind == spuff.UnknownOutcome:
//		machine, err := provider.Resolve(ctx, failure.Key)
//	}
//
// # Values and handles
//
// A Registry, a Provider and a Cloud belong to their maker, and end with Close, also while calls
// are in progress; what is used later answers with ErrClosed. One that is forgotten ends when the
// garbage is collected. All other types are plain values. Everything may be used by many goroutines
// at once. A pointer in a value stands where nothing and empty, or zero, are not the same; Ptr
// makes one.
package spuff
