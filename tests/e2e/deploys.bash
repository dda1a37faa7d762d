# Whole plugins that are replaced while they are used: by a symlink, by git, by rsync.

# Version N of the plugin: a task and four helpers, two of them loaded only while the job runs. No two
# versions have the same sizes, or rsync would take files of the same second to be the same.
write_version() { # DIRECTORY VERSION [BYTES that each helper has more]
    local part
    mkdir -p "$1/lib/late"
    for part in lib/one lib/two lib/late/three lib/late/four; do
        {
            printf -- '-- %*s\n' $((${3:-0} + $2)) ''
            echo "return { version = $2 }"
        } >"$1/$part.lua"
    done
    cat >"$1/page.lua" <<EOF
-- $(printf '%*s' "$2" '').
local neap = require "neap"
local one, two = require "one", require "two"
return function(args, ctx)
  if args.slow then neap.sleep(0.02) end
  local three, four = require "late.three", require "late.four"
  return { generation = ctx.generation, versions = { $2, one.version, two.version, three.version, four.version } }
end
EOF
}

# watch.load runs site.page all the time, and tells in "newest" which version answers.
write_watcher() {
    write_files_helper watch
    task plugins/watch/load.lua <<'EOF'
local neap = require "neap"
local files = require "files"
local is_there, write = files.is_there, files.write
return function()
  if is_there("summary") then return end
  local faults, count, newest, versions = {}, 0, 0, {}
  local function fault(text) if #faults < 20 then faults[#faults + 1] = text end end
  while not is_there("stop") do
    local jobs = {}
    for i = 1, 10 do jobs[i] = neap.submit("site.page", { slow = i > 5 }) end
    local results, errors = neap.all(jobs)
    for i = 1, #jobs do
      local r = results[i]
      count = count + 1
      if not r then
        fault("failed: " .. tostring(errors[i]))
      else
        for _, version in ipairs(r.versions) do
          if version ~= r.versions[1] then fault("mixed: " .. neap.json.encode(r)) break end
        end
        if (versions[r.generation] or r.versions[1]) ~= r.versions[1] then fault("two versions of " .. r.generation) end
        versions[r.generation] = r.versions[1]
        if r.generation > newest then
          newest = r.generation
          write("newest", tostring(r.versions[1]))
        end
      end
    end
    neap.sleep(0.005)
  end
  write("summary", neap.json.encode { jobs = count, generation = newest, faults = neap.array(faults) })
end
EOF
    printf '[schedule load]\ntask = watch.load\nevery = 50ms\n[task *]\nretry.max = 0\n' >neap.ini
}

answers() { # VERSION
    [ "$(cat newest)" = "$1" ]
}

begin() { # with version 1 in place
    write_watcher
    serve
    until_true answers 1
}

# Each deploy was taken, none was taken in part.
conclude() { # DEPLOYS
    touch stop
    until_true test -e summary
    cat summary
    has summary '"faults":[]'
    [ "$(grep -o '"generation":[0-9]*' summary)" = "\"generation\":$(($1 + 1))" ]
    stop
}

by_symlink() { # DEPLOYS
    local n
    write_version releases/1 1
    mkdir plugins
    ln -s ../releases/1 plugins/site
    begin
    for ((n = 2; n <= $1 + 1; n++)); do
        write_version "releases/$n" "$n"
        ln -s "../releases/$n" new
        mv -T new plugins/site
        until_true answers "$n"
    done
    conclude "$1"
}

by_git() { # DEPLOYS
    local n
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    git init -q plugins/site
    git -C plugins/site config user.email test@example.org
    git -C plugins/site config user.name test
    for ((n = 1; n <= $1 + 1; n++)); do
        write_version plugins/site "$n"
        git -C plugins/site add -A
        git -C plugins/site commit -qm "$n"
        git -C plugins/site tag "v$n"
    done
    git -C plugins/site checkout -q v1
    begin
    for ((n = 2; n <= $1 + 1; n++)); do
        git -C plugins/site checkout -q "v$n"
        until_true answers "$n"
    done
    conclude "$1"
}

by_rsync() { # DEPLOYS [BYTES of each helper, KIBIBYTES a second]
    local n
    write_version plugins/site 1 "${2:-0}"
    begin
    for ((n = 2; n <= $1 + 1; n++)); do
        rm -rf from
        write_version from "$n" "${2:-0}"
        rsync -a --delete ${3:+--bwlimit="$3"} from/ plugins/site/
        until_true answers "$n"
    done
    conclude "$1"
}
