#!/bin/sh
# Breaks what makes the store honest, one way at a time in a copy of the tree, and expects a test to
# fail of it: sh tests/fault/mutants.sh. Speaks TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude=./build --exclude=./.git . | tar -C "$copy" -xf -
cd "$copy" || exit 1
export NEAP_POINTS="${NEAP_POINTS:-60}" CMOCKA_MESSAGE_OUTPUT=TAP
n=0 failed=0

tell() { # ok|not ok, NAME
    n=$((n + 1))
    echo "$1 $n - $2"
    [ "$1" = ok ] || failed=1
}

caught() { # NAME TEST
    if ! ./dev build debug "unit-$2" >log 2>&1; then
        sed 's/^/# /' log
        tell "not ok" "$1: does not build"
    elif timeout 600 "build/debug/unit/$2" >log 2>&1; then
        tell "not ok" "$1: tests/*/$2.c passes"
    else
        grep 'seed\|error: Fail' log | head -n 2 | sed 's/^#* */# /'
        tell ok "$1 is caught by tests/*/$2.c"
    fi
}

# mutant NAME TEST FILE SED-EXPRESSION: what the expression leaves as it was is no mutant
mutant() {
    cp "$3" kept
    sed -i "$4" "$3"
    if cmp -s kept "$3"; then
        tell "not ok" "$1: nothing to change in $3"
    else
        caught "$1" "$2"
    fi
    cp kept "$3"
}

echo 1..4
mutant "answers before the commit" power core/engine/engine.c \
    's|^    engine_commit(e); /\* before.*|    send_answers(e);\n&|'
mutant "synchronous = NORMAL" power core/parts/sqlite_file.c \
    's/synchronous = FULL/synchronous = NORMAL/'
mutant "no fencing check in the engine" fencing core/engine/engine_jobs.c \
    's/if (!job->claim || job->token != outcome->token)/if (!job->claim)/'
mutant "no fencing check in the store" fencing core/parts/store_sqlite.c \
    's/job->token != token/token == 0/'
exit "$failed"
