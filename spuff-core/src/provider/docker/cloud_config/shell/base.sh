# Written by spuff from a #cloud-config. A step that fails is said, and does not end the others.
set +eu
spuff_failed=

spuff_say() {
    printf 'spuff: %s\n' "$*" >&2
}

# Counts a step that failed.
spuff_fail() {
    spuff_say "$1 failed with status $2"
    spuff_failed="$spuff_failed $1"
}

spuff_check() {
    [ "$2" -eq 0 ] || spuff_fail "$1" "$2"
}

# Takes the step's name, then what to run.
spuff_try() {
    spuff_name=$1
    shift
    "$@" || spuff_fail "$spuff_name" "$?"
}

spuff_end() {
    [ -n "$spuff_failed" ] || exit 0
    spuff_say "these steps of the user data failed:$spuff_failed"
    exit 1
}

spuff_has() {
    command -v "$1" >/dev/null 2>&1
}

# Gives a path to its owner: `-` leaves it as it is, and nothing is root where root runs this.
spuff_own() {
    case $1 in
    -) return 0 ;;
    '') [ "$(id -u)" = 0 ] || return 0 ;;
    esac
    chown "${1:-0:0}" "$2"
}

# Takes an absolute path, its mode, its owner, and `append` or `replace`. Makes the directories that
# are not there. Reads the content in base64.
spuff_file() {
    spuff_path=$1 spuff_mode=$2 spuff_owner=$3 spuff_how=$4
    spuff_directory='' spuff_rest=${1#/}
    while [ "$spuff_rest" != "${spuff_rest#*/}" ]; do
        spuff_directory=$spuff_directory/${spuff_rest%%/*} spuff_rest=${spuff_rest#*/}
        [ -d "$spuff_directory" ] || {
            mkdir "$spuff_directory" && spuff_own "$spuff_owner" "$spuff_directory"
        } || return
    done
    # Nobody reads it before its mode is set.
    case $spuff_how in
    append) (umask 077 && base64 -d >>"$spuff_path") ;;
    *) (umask 077 && base64 -d >"$spuff_path") ;;
    esac || return
    # The mode comes last, as a change of owner takes bits from it.
    spuff_own "$spuff_owner" "$spuff_path" && chmod "$spuff_mode" "$spuff_path"
}

spuff_timezone() {
    [ -f "/usr/share/zoneinfo/$1" ] || {
        spuff_say "there is no /usr/share/zoneinfo/$1: name the package tzdata in packages"
        return 1
    }
    ln -sf "/usr/share/zoneinfo/$1" /etc/localtime && printf '%s\n' "$1" >/etc/timezone
}
