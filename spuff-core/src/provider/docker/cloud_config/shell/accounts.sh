
# Takes `passwd` or `group` and a name: whether that file has it. Its line is then in spuff_line.
spuff_known() {
    [ -f "/etc/$1" ] || return 1
    while IFS= read -r spuff_line || [ -n "$spuff_line" ]; do
        case $spuff_line in
        "$2":*) return 0 ;;
        esac
    done <"/etc/$1"
    return 1
}

spuff_group() {
    if spuff_known group "$1"; then
        return 0
    elif spuff_has groupadd; then
        groupadd "$1"
    elif spuff_has addgroup; then
        addgroup "$1"
    else
        spuff_say "neither groupadd nor addgroup is there"
        return 1
    fi
}

# Takes a group and who joins it.
spuff_members() {
    spuff_to=$1 spuff_result=0
    shift
    for spuff_member; do
        if spuff_has usermod; then
            usermod -a -G "$spuff_to" "$spuff_member"
        else
            addgroup "$spuff_member" "$spuff_to"
        fi || spuff_result=$?
    done
    return "$spuff_result"
}

# Takes a name, uid, comment, home, shell, primary group, groups with commas, then what is so of it,
# and its groups each. What is not given is empty.
spuff_user() {
    spuff_login=$1 spuff_uid=$2 spuff_comment=$3 spuff_home=$4 spuff_shell=$5
    spuff_primary=$6 spuff_groups=$7 spuff_is=" $8 "
    shift 8
    if spuff_known passwd "$spuff_login"; then
        spuff_say "the user $spuff_login exists," \
            "and stays as it is but for its password's lock, sudo and keys"
        return 0
    fi
    for spuff_each in ${spuff_primary:+"$spuff_primary"} "$@"; do
        spuff_group "$spuff_each" || return
    done
    if spuff_has useradd; then
        spuff_useradd
    elif spuff_has adduser; then
        spuff_adduser "$@"
    else
        spuff_say "neither useradd nor adduser is there"
        return 1
    fi
}

spuff_is() {
    case $spuff_is in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

spuff_useradd() {
    if spuff_is system || spuff_is homeless; then set -- -M; else set -- -m; fi
    if spuff_is system; then set -- "$@" --system; fi
    if spuff_is alone; then set -- "$@" --no-user-group; fi
    [ -z "$spuff_uid" ] || set -- "$@" --uid "$spuff_uid"
    [ -z "$spuff_comment" ] || set -- "$@" --comment "$spuff_comment"
    [ -z "$spuff_home" ] || set -- "$@" --home-dir "$spuff_home"
    [ -z "$spuff_shell" ] || set -- "$@" --shell "$spuff_shell"
    [ -z "$spuff_primary" ] || set -- "$@" --gid "$spuff_primary"
    [ -z "$spuff_groups" ] || set -- "$@" --groups "$spuff_groups"
    useradd "$@" "$spuff_login"
}

# BusyBox's, which knows no list of groups. Without a group of its own a user is in `users`, as with
# useradd.
spuff_adduser() {
    spuff_count=$#
    set -- "$@" -D
    if spuff_is system || spuff_is homeless; then set -- "$@" -H; fi
    if spuff_is system; then set -- "$@" -S; fi
    if spuff_is alone && [ -z "$spuff_primary" ]; then spuff_primary=users; fi
    [ -z "$spuff_uid" ] || set -- "$@" -u "$spuff_uid"
    [ -z "$spuff_comment" ] || set -- "$@" -g "$spuff_comment"
    [ -z "$spuff_home" ] || set -- "$@" -h "$spuff_home"
    [ -z "$spuff_shell" ] || set -- "$@" -s "$spuff_shell"
    [ -z "$spuff_primary" ] || set -- "$@" -G "$spuff_primary"
    (shift "$spuff_count" && adduser "$@" "$spuff_login") || return
    while [ "$spuff_count" -gt 0 ]; do
        addgroup "$spuff_login" "$1" || return
        shift
        spuff_count=$((spuff_count - 1))
    done
}

# The password of a user in /etc/shadow, as spuff_hash.
spuff_shadow() {
    spuff_known shadow "$1" || return
    spuff_hash=${spuff_line#*:}
    spuff_hash=${spuff_hash%%:*}
}

# No login by password. What begins with ! or * is locked already, as that of a new user is.
spuff_lock() {
    spuff_known passwd "$1" || return
    spuff_shadow "$1" || spuff_hash=
    case $spuff_hash in
    '!'* | '*'*) ;;
    *) spuff_change_lock "$1" -l -L ;;
    esac
}

# Of a password that is locked. A new user has none.
spuff_unlock() {
    spuff_shadow "$1" || return 0
    case $spuff_hash in
    '!!' | '!*') ;;
    '!'?*) spuff_change_lock "$1" -u -U ;;
    esac
}

spuff_change_lock() {
    if spuff_has passwd; then
        passwd "$2" "$1"
    elif spuff_has usermod; then
        usermod "$3" "$1"
    else
        spuff_say "neither passwd nor usermod is there"
        return 1
    fi
}

# Takes a user and the rules. Where there is no sudoers file, sudo is still to be installed and
# brings one.
spuff_sudo() {
    spuff_login=$1
    shift
    spuff_rules=/etc/sudoers.d/90-cloud-init-users
    [ -d /etc/sudoers.d ] || { mkdir -p /etc/sudoers.d && chmod 0750 /etc/sudoers.d; } || return
    if [ -f /etc/sudoers ] &&
        ! grep -Eq '^[#@]includedir[[:space:]]+/etc/sudoers\.d/?[[:space:]]*$' /etc/sudoers; then
        printf '\n#includedir /etc/sudoers.d\n' >>/etc/sudoers || return
    fi
    {
        printf '\n# User rules for %s\n' "$spuff_login"
        for spuff_rule; do
            printf '%s %s\n' "$spuff_login" "$spuff_rule"
        done
    } >>"$spuff_rules" && chmod 0440 "$spuff_rules"
}

# Takes a user and the keys that are to open it. Those that are there stay.
spuff_keys() {
    spuff_login=$1
    shift
    if spuff_known passwd "$spuff_login"; then
        spuff_owner=${spuff_line#*:*:}
        spuff_home=${spuff_owner#*:*:*:}
        spuff_home=${spuff_home%%:*}
        spuff_group=${spuff_owner#*:}
        spuff_owner=${spuff_owner%%:*}:${spuff_group%%:*}
    elif [ "$spuff_login" = root ]; then
        spuff_owner=0:0 spuff_home=/root
    else
        spuff_say "there is no user $spuff_login"
        return 1
    fi
    spuff_path=$spuff_home/.ssh/authorized_keys
    [ -d "$spuff_home" ] || {
        mkdir -p "$spuff_home" && chown "$spuff_owner" "$spuff_home" && chmod 0700 "$spuff_home"
    } || return
    [ -d "$spuff_home/.ssh" ] || {
        mkdir "$spuff_home/.ssh" && chmod 0700 "$spuff_home/.ssh" &&
            chown "$spuff_owner" "$spuff_home/.ssh"
    } || return
    [ -f "$spuff_path" ] || {
        : >"$spuff_path" && chmod 0600 "$spuff_path" && chown "$spuff_owner" "$spuff_path"
    } || return
    # A last line without its end.
    [ -z "$(tail -c 1 "$spuff_path")" ] || echo >>"$spuff_path" || return
    for spuff_key; do
        grep -qxF -e "$spuff_key" "$spuff_path" ||
            printf '%s\n' "$spuff_key" >>"$spuff_path" || return
    done
}
