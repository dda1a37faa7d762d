# A daemon and requests to it.
# shellcheck shell=bash disable=SC2034,SC2154 # the tests set and read them

# Writes neap.ini with these lines in [http]. Jobs are in memory unless store is set.
api_ini() { # LINES
    printf '[neap]\ndrain = 10s\n[store]\nurl = %s\n[http]\n%s\n' "${store:-memory}" "$1" >neap.ini
}

# Starts a daemon with the common tasks and waits until it listens.
api_serve() {
    mkdir -p plugins
    (cd plugins && common_tasks)
    [ -e neap.ini ] || api_ini ''
    start serve "$@"
    until_true has err '"msg":"started"'
}

# A request over the socket: its answer is in $output, the header in the file headers. request STATUS CURL-ARGS...
request() {
    local wanted=$1 code
    shift
    code=$(curl -sS --max-time 30 --unix-socket neap.sock -D headers -o body -w '%{http_code}' "$@") || return 1
    output=$(cat body)
    [ "$code" = "$wanted" ] || { echo "status $code, not $wanted: $output"; return 1; }
}

get() { # STATUS PATH
    request "$1" "http://x$2"
}

post() { # STATUS PATH JSON
    request "$1" -H 'Content-Type: application/json' -d "$3" "http://x$2"
}

field() { # NAME: a text in $output
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$output" | head -n 1
}

tcp_url() { # where the daemon listens
    sed -n 's/.*"listens":"[^"]*\(127\.0\.0\.1:[0-9]*\)".*/http:\/\/\1/p' err
}
