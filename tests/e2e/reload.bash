# A task under load while its file is rewritten, also into things that are no task.

# drive.load submits demo.hello 1,000 times a second until the file "stop" is there, checks what comes
# back, tells in "newest" which version answers, and leaves "summary".
write_driver() {
    write_files_helper drive
    task plugins/drive/load.lua <<'EOF'
local neap = require "neap"

local files = require "files"
local is_there, write = files.is_there, files.write

return function()
  if is_there("summary") then return end
  local submitted, newest, generations, faults = 0, 0, {}, {}
  local function fault(text) if #faults < 20 then faults[#faults + 1] = text end end

  local function take(one)
    local ok, r = one.job:wait()
    if not ok then return fault("failed: " .. tostring(r)) end
    if r.generation < one.floor then
      fault(("generation %d started after %d had ended"):format(r.generation, one.floor))
    end
    local version = generations[r.generation]
    if version and version ~= r.version then
      fault(("generation %d is version %d and %d"):format(r.generation, version, r.version))
    end
    if r.before ~= r.version then fault("two versions in one job") end
    generations[r.generation] = r.version
    if r.generation > newest then
      newest = r.generation
      write("newest", tostring(r.version))
    end
  end

  local started, rounds, done = neap.now(), {}, 0
  while not is_there("stop") do
    local due, round = math.min((neap.now() - started) * 1000, submitted + 500), {}
    while submitted < due do
      submitted = submitted + 1
      round[#round + 1] = { floor = newest, job = assert(neap.submit("demo.hello", { n = submitted })) }
    end
    rounds[#rounds + 1] = round
    if #rounds - done > 2 then -- by now they have ended, or nearly
      done = done + 1
      for _, one in ipairs(rounds[done]) do take(one) end
      rounds[done] = false
    end
    neap.sleep(0.01)
  end
  for i = done + 1, #rounds do
    for _, one in ipairs(rounds[i]) do take(one) end
  end
  local last, count = 0, 0
  for generation = 1, newest do
    local version = generations[generation]
    if version then
      count = count + 1
      if version <= last then fault(("version %d came after %d"):format(version, last)) end
      last = version
    end
  end
  write("summary", neap.json.encode {
    submitted = submitted, generations = count, seconds = neap.now() - started, faults = neap.array(faults),
  })
end
EOF
    printf '[schedule load]\ntask = drive.load\nevery = 50ms\n[task *]\nretry.max = 0\n' >neap.ini
}

good() { # VERSION
    cat <<EOF
local neap = require "neap"
VERSION = $1
return {
  args = { n = "integer" },
  run = function(args, ctx)
    local before = VERSION
    if args.n % 40 == 0 then neap.sleep(0.03) end
    return { before = before, version = $1, generation = ctx.generation }
  end,
}
EOF
}

# A version that must not run, and what the log says of it, in $sign.
broken() { # VERSION KIND
    case $2 in
        0) sign=broken$1 text="return function() broken$1 broken$1 end" ;;
        1) sign=broken$1 text="error('broken$1')" ;;
        2) sign=broken$1 text="return { run = function() end, broken$1 = 1 }" ;;
        3) sign="file is empty" text= ;;
        4) sign="near <eof>" text=$(good "$1" | head -n 7) ;;
        5) sign="cannot be called" text="require('neap').submit('demo.hello')" ;;
        6) sign="did not end within" text="while true do end -- $1" ;;
    esac
}

put() { # TEXT: at once, by turns as an editor does and as a shell does
    if [ $((version % 2)) = 0 ]; then
        printf '%s\n' "$1" >plugins/demo/.hello.new
        mv plugins/demo/.hello.new plugins/demo/hello.lua
    else
        printf '%s\n' "$1" >plugins/demo/hello.lua
    fi
}

put_halves() { # TEXT PAUSE
    printf '%s' "${1:0:90}" >plugins/demo/hello.lua
    sleep "$2"
    printf '%s\n' "${1:90}" >>plugins/demo/hello.lua
}

answers() { # the newest version runs
    [ "$(cat newest)" = "$version" ]
}

# One of nine ways to write the next version; three of them are broken.
rewrite() {
    version=$((version + 1))
    case $((version % 9)) in
        0 | 2) put "$(good $version)" && until_true answers ;;
        3) put_halves "$(good $version)" 0.02 && until_true answers ;;
        5) put_halves "$(good $version)" 0.3 && until_true answers ;;
        6) put "$(good $version)" ;; # and at once the next
        7) broken $version $((version / 9 % 3)) && put "$text" ;;
        8) put "$(good $version)" && until_true answers ;;
        *)
            broken $version $kind
            local before
            before=$(grep -cF -- "$sign" err || true)
            if [ "$kind" = 3 ]; then : >plugins/demo/hello.lua; else put "$text"; fi
            until_true more_than "$before" "$sign"
            kind=$(((kind + 1) % 7))
            ;;
    esac
}

kept_kb() { # the store remembers the last 100,000 jobs that ended
    local jobs
    jobs=$(grep -o '"submitted":[0-9]*' summary | cut -d: -f2)
    echo $(((jobs < 100000 ? jobs : 100000) * 4 / 10))
}

reload_under_load() { # REWRITES
    write_driver
    version=1 kind=0
    good 1 | task plugins/demo/hello.lua
    serve
    until_true answers
    while [ $version -lt $(($1 / 4)) ]; do rewrite; done
    local fds_before kb_before
    fds_before=$(fds) kb_before=$(kb VmRSS)
    while [ $version -lt "$1" ]; do rewrite; done
    version=$((version + 1))
    put "$(good $version)"
    until_true answers
    touch stop
    until_true test -e summary
    echo "$(cat summary); kB $kb_before -> $(kb VmRSS), fds $fds_before -> $(fds)"
    has summary '"faults":[]'
    [ "$(fds)" -le $((fds_before + 2)) ]
    [ -n "$sanitized" ] || [ $(($(kb VmRSS) - kb_before)) -lt $((6000 + $(kept_kb))) ]
    stop
}
