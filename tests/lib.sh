# What the test scripts share. To be sourced from the repository's root.

target=${CARGO_TARGET_DIR:-target}

# Installs Debian packages where that is possible, one caller at a time, and says what is missing
# where it is not.
need_packages() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    mkdir -p "$target"
    (
      flock 9
      apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    ) 9>"$target/apt.lock"
  else
    echo "missing: $*; install it with your system's package manager" >&2
    return 1
  fi
}

# A Python with the packages of a requirements file, kept below the build folder under a name.
python_with() {
  local venv=$target/$1-env requirements=$2
  if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      { echo "Python 3.10 or newer is needed" >&2; return 1; }
    rm -rf "$venv"
    python3 -m venv "$venv" 2>/dev/null ||
      { need_packages python3-venv && python3 -m venv "$venv"; } || return 1
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" || return 1
    cp "$requirements" "$venv/requirements.txt"
  fi
  echo "$(cd "$venv/bin" && pwd)/python"
}

# A Python with moto.
test_python() {
  python_with test tests/moto/requirements.txt
}

# The library with the C ABI, for tests.
library() {
  cargo build --quiet -p spuff-ffi
}
