
# Which package manager is there, as spuff_tool.
spuff_manager() {
    for spuff_tool in apt-get dnf yum apk zypper; do
        ! spuff_has "$spuff_tool" || return 0
    done
    spuff_say "none of apt-get, dnf, yum, apk and zypper is there:" \
        "use an image that has one, or leave packages out"
    return 1
}

spuff_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get --option=Dpkg::Options::=--force-confold \
        --assume-yes --quiet "$@"
}

spuff_update() {
    spuff_manager || return
    case $spuff_tool in
    apt-get) spuff_apt update ;;
    dnf) dnf -y makecache ;;
    yum) yum -y makecache ;;
    apk) apk update ;;
    zypper) zypper --non-interactive refresh ;;
    esac
}

spuff_upgrade() {
    spuff_manager || return
    case $spuff_tool in
    apt-get) spuff_apt dist-upgrade ;;
    dnf) dnf -y upgrade ;;
    yum) yum -y upgrade ;;
    apk) apk upgrade --update-cache --available ;;
    zypper) zypper --non-interactive update ;;
    esac
}

spuff_install() {
    case $spuff_tool in
    apt-get) spuff_apt install "$@" ;;
    dnf) dnf -y install "$@" ;;
    yum) yum -y install "$@" ;;
    apk) apk add "$@" ;;
    zypper) zypper --non-interactive install "$@" ;;
    esac
}

# Takes names, each with a version, which may be empty. Where not all can be had, those that can are
# installed.
spuff_packages() {
    spuff_manager || return
    spuff_pairs=$(($# / 2))
    while [ "$spuff_pairs" -gt 0 ]; do
        case $spuff_tool:$2 in
        *:) set -- "$@" "$1" ;;
        dnf:* | yum:*) set -- "$@" "$1-$2" ;;
        *) set -- "$@" "$1=$2" ;;
        esac
        shift 2
        spuff_pairs=$((spuff_pairs - 1))
    done
    spuff_install "$@" && return
    [ "$#" -gt 1 ] || return
    spuff_result=0
    for spuff_package; do
        spuff_install "$spuff_package" || {
            spuff_result=$?
            spuff_say "the package $spuff_package is not installed"
        }
    done
    return "$spuff_result"
}
