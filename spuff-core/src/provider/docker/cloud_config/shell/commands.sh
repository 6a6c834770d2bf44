
# Takes the key and the count of the commands that follow in this shell, which is theirs.
spuff_begin() {
    spuff_name=$1 spuff_count=$2 spuff_index=0 spuff_status=0
    trap 'spuff_left "$?"' EXIT
}

# After each command: says if it failed, and leaves its status for the next.
spuff_next() {
    [ "$1" -eq 0 ] || {
        spuff_say "${spuff_name}[$spuff_index] failed with status $1"
        spuff_status=1
    }
    spuff_index=$((spuff_index + 1))
    return "$1"
}

# At the end, which a command may bring about before the others had their turn.
spuff_left() {
    [ "$1" -eq 0 ] || [ "$spuff_index" -ge "$spuff_count" ] || {
        spuff_say "${spuff_name}[$spuff_index] ended the commands with status $1"
        spuff_status=1
    }
    exit "$spuff_status"
}
