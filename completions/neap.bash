# bash completion for neap; made by: neap help --completion bash
# shellcheck shell=bash disable=SC2207
_neap() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'run map serve check new test config version help' -- "$word"))
        return
    fi
    case $before in
        --arg) return ;;
        --output|-o) COMPREPLY=($(compgen -W 'jsonl' -- "$word")); return ;;
        --timeout) return ;;
        --retries) return ;;
        --config|-c) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --plugins) COMPREPLY=($(compgen -d -- "$word")); return ;;
        --set) return ;;
        --workers) return ;;
        --log-level) COMPREPLY=($(compgen -W 'debug info warn error' -- "$word")); return ;;
        --jobs|-j) return ;;
        --as) return ;;
        --joblog) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --halt) return ;;
        --filter) return ;;
    esac
    case ${COMP_WORDS[1]} in
        run) words='-h --help --arg -o --output --timeout --retries -c --config --plugins --set --workers --log-level' ;;
        map) words='-h --help -j --jobs -k --keep-order --jsonl -0 --null --as --tag --bar --joblog --resume --resume-failed --halt -o --output --timeout --retries -c --config --plugins --set --workers --log-level' ;;
        serve) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        check) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        new) words='-h --help --plugins plugin task' ;;
        test) words='-h --help --filter -o --output -c --config --plugins --set --workers --log-level' ;;
        config) words='-h --help -c --config --plugins --set --workers --log-level' ;;
        version) words='-h --help' ;;
        help) words='-h --help run map serve check new test config version help' ;;
    esac
    if [[ $word == -* ]] || [ "${COMP_WORDS[1]}" = new ] || [ "${COMP_WORDS[1]}" = help ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -o filenames -F _neap neap
