# SPDX-License-Identifier: BSD-2-Clause
# Functions for scripts that use apt: sources like the machine's own, which stay as they are. To be sourced.

# One field of /etc/os-release.
os_release() {
    (. /etc/os-release && eval "echo \"\${$1:-}\"")
}

# Reads the machine's own apt sources and prints those of the suite $1 again, in deb822 form, for the suite $2
# and the types $3 (deb, deb-src, or both), so that the same mirror, with the same key, is asked.
sources_like() {
    cat /dev/null /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk -v suite="$1" -v other="$2" -v as="$3" '
        $1 == "deb" {
            options = ""
            if (match($0, /\[[^]]*\]/)) {
                options = substr($0, RSTART + 1, RLENGTH - 2)
                $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
            }
            if ($3 != suite)
                next
            print "Types: " as "\nURIs: " $2 "\nSuites: " other "\nComponents: main"
            count = split(options, option, " ")
            for (i = 1; i <= count; i++)
                if (sub(/^signed-by=/, "", option[i]))
                    print "Signed-By: " option[i]
            print ""
        }'
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || { cat "$file"; echo; }
    done | awk -v suite="$1" -v other="$2" -v as="$3" '
        function flush(    i, count, word) {
            count = split(suites, word, " ")
            for (i = 1; i <= count; i++)
                if (word[i] == suite && types ~ /(^| )deb( |$)/ && enabled !~ /^(no|false|0)$/)
                    print "Types: " as "\nURIs: " uris "\nSuites: " other "\nComponents: main\n" key
            types = suites = uris = enabled = key = field = ""
        }
        /^#/ { next }
        /^[ \t]*$/ { flush(); next }
        /^[ \t]/ { # goes on from the line before
            if (field == "signed-by")
                key = key $0 "\n"
            else if (field == "uris")
                uris = uris " " $0
            else if (field == "suites")
                suites = suites " " $0
            next
        }
        {
            field = tolower(substr($0, 1, index($0, ":") - 1))
            value = substr($0, index($0, ":") + 1)
            gsub(/^[ \t]+|[ \t]+$/, "", value)
            if (field == "types")
                types = value
            else if (field == "uris")
                uris = value
            else if (field == "suites")
                suites = value
            else if (field == "enabled")
                enabled = value
            else if (field == "signed-by")
                key = "Signed-By: " value "\n"
        }
        END { flush() }'
}

# Sets $as_root to what a command needs before it to run as root; ends the script where there is nothing.
find_root() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "You are not root, and there is no sudo: have them installed, and start again." >&2
            exit 1
        fi
        as_root=sudo
    fi
}

# Copies the machine's sources into the folder $1, where more can be added for apt_get.
copy_sources() {
    for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || cp "$file" "$1/"
    done
}

# Adds the backports of the suite $2 to the folder $1, unless apt has them anyway: twice the same source, with
# keys that are named differently, is an error to it.
add_backports() {
    ! apt-get indextargets --format '$(RELEASE)' | grep -qx "$2-backports" || return 0
    sources_like "$2" "$2-backports" deb >"$1/lull-backports.sources"
    if [ ! -s "$1/lull-backports.sources" ]; then
        echo "No source of apt's has the suite $2, so its backports cannot be found." >&2
        return 1
    fi
}

# apt-get as root, with the sources in the folder $1. find_root comes before.
apt_get() {
    sources=$1
    shift
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dir::Etc::SourceParts="$sources" \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null
}
