# What builds Go programs with the library of this repository. To be sourced from its root, after
# tests/lib.sh.

go_target=$(mkdir -p "$target/go" && cd "$target/go" && pwd)

# Go itself, and the library as pkg-config finds it.
go_with_library() {
  command -v go >/dev/null || need_packages golang-go || return 1
  command -v pkg-config >/dev/null || need_packages pkg-config || return 1
  library || return 1
  local built
  built=$(cd "$target/debug" && pwd)
  cat >"$go_target/spuff.pc" <<PC
Name: spuff
Description: spuff as it was built for tests
Version: 0
Cflags: -I$PWD/include
Libs: -L$built -lspuff -Wl,-rpath,$built
PC
  export PKG_CONFIG_PATH=$go_target${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
}
