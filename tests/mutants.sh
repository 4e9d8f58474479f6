#!/usr/bin/env bash
# Takes the rules in tests/mutants/list.txt out one by one, and says which test notices.
#
#     tests/mutants.sh                 all of them
#     tests/mutants.sh NAME…           only these
#     tests/mutants.sh --list          their names and rules
#
# It works in a copy of the sources below target/mutants, and builds there, so nothing else is changed, whatever becomes
# of it: not even what is built, for cargo takes two copies of one package for the same. One line of the result for each:
# killed by which test, survived, or "no longer applies", which fails the run, and so does a survivor that
# tests/mutants/survivors.txt does not give a reason for. CADENCED_SIM_SEEDS (800 here) is how many seeds of the
# simulation each one gets. Results are appended to target/mutants/results.txt.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD
list=tests/mutants/list.txt
reasons=tests/mutants/survivors.txt
work=$root/target/mutants
export CARGO_TARGET_DIR=$work/build
export CADENCED_SIM_SEEDS=${CADENCED_SIM_SEEDS:-800}
# Nobody debugs a mutant; what is left out here need not be written and linked for each one.
export CARGO_PROFILE_DEV_DEBUG=none CARGO_PROFILE_TEST_DEBUG=none
# That a test fails is all that is wanted; nobody reads how little is needed for it.
export PROPTEST_MAX_SHRINK_ITERS=0
# A mutant that waits for ever is killed by that. Building counts.
limit=${CADENCED_MUTANT_SECONDS:-1200}

names=() rules=() files=() places=() froms=() tos=() tests=()
while IFS= read -r line; do
    key=${line%% *} rest=${line#* }
    rest=${rest#"${rest%%[! ]*}"}
    case $key in
    mutant) names+=("$rest") rules+=("") files+=("") places+=("1/1") froms+=("") tos+=("") tests+=("") ;;
    rule) rules[-1]=$rest ;;
    file) files[-1]=$rest ;;
    at) places[-1]=$rest ;;
    from) froms[-1]=$rest ;;
    to) tos[-1]=$rest ;;
    tests) tests[-1]=$rest ;;
    '#'* | '') ;;
    *) echo "$list: what is \"$line\"?" >&2; exit 2 ;;
    esac
done <"$list"

if [ "${1:-}" = --list ]; then
    for at in "${!names[@]}"; do printf '%-45s %s\n' "${names[at]}" "${rules[at]}"; done
    exit
fi
for wanted in "$@"; do
    printf '%s\n' "${names[@]}" | grep -qxF -- "$wanted" || { echo "there is no mutant $wanted" >&2; exit 2; }
done

fresh_copy() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    # What git knows, as it stands now, and nothing else.
    git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$work/tree" || return 1
    # A run that was broken off may have left a mutant in the build.
    find "$work/tree/src" -name '*.rs' -exec touch {} +
}

# Replaces occurrence NUMBER of FROM in FILE; fails unless there are as many as the list says.
apply() {
    local file=$1 number=${2%/*} of=${2#*/} from=$3 to=$4 text head='' count
    text=$(cat "$file"; printf x) && text=${text%x}
    count=$(grep -oF -- "$from" "$file" | wc -l)
    [ "$count" -eq "$of" ] || { echo "no longer applies: \"$from\" is in $file $count times, not $of"; return 1; }
    while [ "$number" -gt 1 ]; do
        head+=${text%%"$from"*}$from
        text=${text#*"$from"}
        number=$((number - 1))
    done
    printf '%s' "$head${text%%"$from"*}$to${text#*"$from"}" >"$file"
}

# Runs one group of tests; gives the first test that failed.
notices() {
    local log=$work/log.txt status
    case $1 in
    lib) set -- --lib -- "${2:-}" ;;
    simulation) set -- --test simulation -- promises_hold_whatever_happens ;;
    *) set -- --test "$1" -- ;;
    esac
    (cd "$work/tree" && exec setsid timeout "$limit" cargo test --locked --quiet "$@") >"$log" 2>&1 &
    local run=$!
    # The first test that fails is enough: some of the others would look for the end of a wait that never comes.
    while kill -0 "$run" 2>/dev/null; do
        if grep -q ' \(\.\.\.\|---\) FAILED$' "$log"; then kill -- "-$run" 2>/dev/null; fi
        sleep 1
    done
    wait "$run"
    status=$?
    [ $status -eq 0 ] && return 1
    if [ $status -eq 124 ]; then echo "it comes to no end"; return; fi
    if grep -q '^error\(\[E[0-9]*\]\)\?: ' "$log" && ! grep -q '^test result:\|^running ' "$log"; then
        echo "DOES NOT COMPILE"
        grep -m3 '^error' "$log" >&2
        return
    fi
    local first
    first=$(grep -m1 -oE '[a-z_:0-9]+ (\.\.\.|---) FAILED$' "$log" | sed 's/ .*//')
    echo "${first:-a test that is not named}"
}

mkdir -p "$work"
fresh_copy || exit 2
killed=0 survived=0 wrong=0
for at in "${!names[@]}"; do
    name=${names[at]}
    if [ $# -gt 0 ]; then printf '%s\n' "$@" | grep -qxF -- "$name" || continue; fi
    cp "$work/tree/${files[at]}" "$work/before"
    if ! why=$(apply "$work/tree/${files[at]}" "${places[at]}" "${froms[at]}" "${tos[at]}"); then
        echo "$name: $why"
        wrong=$((wrong + 1))
        continue
    fi
    by=
    read -ra groups <<<"${tests[at]}"
    while [ ${#groups[@]} -gt 0 ] && [ -z "$by" ]; do
        group=${groups[0]} filter=
        groups=("${groups[@]:1}")
        if [ "$group" = lib ]; then
            filter=${groups[0]}
            groups=("${groups[@]:1}")
        fi
        by=$(notices "$group" "$filter") && by="$group: $by"
    done
    cp "$work/before" "$work/tree/${files[at]}"
    case $by in
    *"DOES NOT COMPILE"*) result="DOES NOT COMPILE" wrong=$((wrong + 1)) ;;
    '')
        reason=$(grep -m1 -- "^$name: " "$reasons" 2>/dev/null | cut -d' ' -f2-)
        result="SURVIVED${reason:+ ($reason)}"
        survived=$((survived + 1))
        [ -n "$reason" ] || wrong=$((wrong + 1))
        ;;
    *) result="killed by $by" killed=$((killed + 1)) ;;
    esac
    printf '%s %s: %s\n' "$(date +%F)" "$name" "$result" | tee -a "$work/results.txt"
done
echo "$killed killed, $survived survived, $wrong to be looked at"
[ "$wrong" -eq 0 ]
