# What the tests of the C library take long to build. To be sourced from the repository's root,
# after tests/lib.sh.

host=$(rustc -vV | sed -n 's/^host: //p')

# A static library with a sanitizer in it. The flag is one of nightly; the compiler is the one that
# is there.
instrumented() { # sanitizer
  local flags="-Zsanitizer=$1"
  [ "$1" != thread ] || flags="$flags -Cunsafe-allow-abi-mismatch=sanitizer"
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags \
    cargo build --quiet -p spuff-ffi --lib --target "$host" --target-dir "$target/sanitize-$1" ||
    return 1
  echo "$target/sanitize-$1/$host/debug/libspuff.a"
}
