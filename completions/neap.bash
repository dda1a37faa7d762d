# bash completion for neap; made by: neap help --completion bash
# shellcheck shell=bash disable=SC2207
_neap() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'run map serve submit ls show logs wait explain cancel retry rm edit queue schedule stats stack events reload backup dump check new test config version help' -- "$word"))
        return
    fi
    case "${COMP_WORDS[1]} $before" in
        "run --arg") return ;;
        "run --output" | "run -o") COMPREPLY=($(compgen -W 'jsonl' -- "$word")); return ;;
        "run --timeout") return ;;
        "run --retries") return ;;
        "run --config" | "run -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "run --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "run --set") return ;;
        "run --workers") return ;;
        "run --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        "map --jobs" | "map -j") return ;;
        "map --as") return ;;
        "map --joblog") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "map --halt") return ;;
        "map --output" | "map -o") COMPREPLY=($(compgen -W 'jsonl' -- "$word")); return ;;
        "map --timeout") return ;;
        "map --retries") return ;;
        "map --config" | "map -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "map --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "map --set") return ;;
        "map --workers") return ;;
        "map --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        "serve --config" | "serve -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "serve --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "serve --set") return ;;
        "serve --workers") return ;;
        "serve --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        "submit --arg") return ;;
        "submit --queue") return ;;
        "submit --priority") return ;;
        "submit --delay") return ;;
        "submit --at") return ;;
        "submit --expires") return ;;
        "submit --timeout") return ;;
        "submit --retries") return ;;
        "submit --unique") return ;;
        "submit --unique-by") return ;;
        "submit --within") return ;;
        "submit --after") return ;;
        "submit --after-failed") COMPREPLY=($(compgen -W 'cancel run' -- "$word")); return ;;
        "submit --idempotency-key") return ;;
        "submit --output" | "submit -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "submit --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "submit --url") return ;;
        "submit --config" | "submit -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "ls --number" | "ls -n") return ;;
        "ls --output" | "ls -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "ls --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "ls --url") return ;;
        "ls --config" | "ls -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "show --output" | "show -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "show --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "show --url") return ;;
        "show --config" | "show -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "logs --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "logs --url") return ;;
        "logs --config" | "logs -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "wait --timeout") return ;;
        "wait --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "wait --url") return ;;
        "wait --config" | "wait -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "explain --output" | "explain -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "explain --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "explain --url") return ;;
        "explain --config" | "explain -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "cancel --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "cancel --url") return ;;
        "cancel --config" | "cancel -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "retry --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "retry --url") return ;;
        "retry --config" | "retry -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "rm --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "rm --url") return ;;
        "rm --config" | "rm -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "edit --priority") return ;;
        "edit --due") return ;;
        "edit --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "edit --url") return ;;
        "edit --config" | "edit -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "queue --output" | "queue -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "queue --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "queue --url") return ;;
        "queue --config" | "queue -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "schedule --output" | "schedule -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "schedule --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "schedule --url") return ;;
        "schedule --config" | "schedule -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "stats --output" | "stats -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "stats --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "stats --url") return ;;
        "stats --config" | "stats -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "stack --output" | "stack -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "stack --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "stack --url") return ;;
        "stack --config" | "stack -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "events --output" | "events -o") COMPREPLY=($(compgen -W 'table wide json jsonl name' -- "$word")); return ;;
        "events --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "events --url") return ;;
        "events --config" | "events -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "reload --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "reload --url") return ;;
        "reload --config" | "reload -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "backup --socket") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "backup --url") return ;;
        "backup --config" | "backup -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "dump --output" | "dump -o") COMPREPLY=($(compgen -W 'jsonl' -- "$word")); return ;;
        "check --config" | "check -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "check --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "check --set") return ;;
        "check --workers") return ;;
        "check --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        "new --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "test --filter") return ;;
        "test --output" | "test -o") COMPREPLY=($(compgen -W 'tap' -- "$word")); return ;;
        "test --config" | "test -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "test --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "test --set") return ;;
        "test --workers") return ;;
        "test --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        "config --config" | "config -c") COMPREPLY=($(compgen -f -- "$word")); return ;;
        "config --plugins") COMPREPLY=($(compgen -d -- "$word")); return ;;
        "config --set") return ;;
        "config --workers") return ;;
        "config --log-level") COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
    esac
    case ${COMP_WORDS[1]} in
        run) words='-h --help --arg -o --output --timeout --retries -c --config --plugins --set --workers --log-level' ;;
        map) words='-h --help -j --jobs -k --keep-order --jsonl -0 --null --as --tag --bar --joblog --resume --resume-failed --halt -o --output --timeout --retries -c --config --plugins --set --workers --log-level' ;;
        serve) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        submit) words='-h --help --arg --queue --priority --delay --at --expires --timeout --retries --unique --unique-by --within --after --after-failed --idempotency-key --jsonl -w --wait -f --follow -o --output --socket --url -c --config' ;;
        ls) words='-h --help -n --number --oldest -w --watch -o --output --socket --url -c --config' ;;
        show) words='-h --help -o --output --socket --url -c --config' ;;
        logs) words='-h --help -f --follow --socket --url -c --config' ;;
        wait) words='-h --help --timeout --socket --url -c --config' ;;
        explain) words='-h --help -o --output --socket --url -c --config' ;;
        cancel) words='-h --help --dry-run -y --yes --socket --url -c --config' ;;
        retry) words='-h --help --dry-run -y --yes --socket --url -c --config' ;;
        rm) words='-h --help --dry-run -y --yes --socket --url -c --config' ;;
        edit) words='-h --help --priority --due --dry-run -y --yes --socket --url -c --config' ;;
        queue) words='-h --help -o --output --socket --url -c --config ls show pause resume set' ;;
        schedule) words='-h --help -o --output --socket --url -c --config ls show run pause resume' ;;
        stats) words='-h --help -w --watch -o --output --socket --url -c --config' ;;
        stack) words='-h --help -o --output --socket --url -c --config' ;;
        events) words='-h --help -o --output --socket --url -c --config' ;;
        reload) words='-h --help --socket --url -c --config' ;;
        backup) words='-h --help --socket --url -c --config' ;;
        dump) words='-h --help -o --output --check' ;;
        check) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        new) words='-h --help --plugins plugin task' ;;
        test) words='-h --help --filter -o --output -c --config --plugins --set --workers --log-level' ;;
        config) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        version) words='-h --help' ;;
        help) words='-h --help run map serve submit ls show logs wait explain cancel retry rm edit queue schedule stats stack events reload backup dump check new test config version help' ;;
    esac
    if [[ $word == -* ]] || [[ ${COMP_WORDS[1]} == queue || ${COMP_WORDS[1]} == schedule || ${COMP_WORDS[1]} == new || ${COMP_WORDS[1]} == help ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -o filenames -F _neap neap
