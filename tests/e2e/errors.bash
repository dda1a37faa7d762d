# Inputs of which every third fails, in one of six ways.

write_failing() { # DEEP: no input beyond it recurses deeply
    deep=$1
    task failing.lua <<EOF
-- The lines of the errors are known to the test.
local function deep(n) return 1 + deep(n + 1) end
local ways = {
  function(n) error("text " .. n) end, -- line 4
  function(n) error({ code = n }) end,
  function() error() end,
  function(n) return tostring(n):nosuch() end,
  function(n) return nil + n end,
  function() error(setmetatable({}, { __tostring = function() return "spoken" end })) end,
}
return function(a)
  if a == "memory" then return io.open("/proc/self/status"):read("a"):match("VmRSS:%s*(%d+)") end
  local n = tonumber(a)
  if n % 3 ~= 0 then return a end
  if n % 300 == 0 and n <= $1 then return deep(n) end
  ways[n // 3 % #ways + 1](n)
end
EOF
}

# Maps COUNT inputs; the memory it has at the end is in $memory.
map_failing() { # COUNT
    seq "$1" >in
    echo memory >>in
    start map -k ./failing.lua
    until_now 3600 gone
    finish
    [ "$status" = 1 ]
    memory=$(tail -n 1 out)
    head -n -1 out | cmp - <(seq "$1" | awk '$1 % 3')
    has err "neap map: $(($1 + 1)) jobs, $(($1 - $1 / 3 + 1)) completed, $(($1 / 3)) failed"
    check_tracebacks "$1"
}

# Each failed input is told of once, with its message and the line that failed.
check_tracebacks() { # COUNT
    lua "$1" "$deep" <<'EOF'
local count, deep = tonumber(arg[1]), tonumber(arg[2])
local messages = {
  function(n) return "./failing.lua:4: text " .. n end,
  function() return "(error object is a table value)" end,
  function() return "(error object is a nil value)" end,
  function() return "./failing.lua:7: attempt to call a nil value (method 'nosuch')" end,
  function() return "./failing.lua:8: attempt to perform arithmetic on a nil value" end,
  function() return "spoken" end,
}
local seen, message, input, lines = {}, nil, nil, nil
local function finish()
  if not message then return end
  local n = assert(input, "no input after: " .. message)
  assert(not seen[n], "told of twice: " .. n)
  seen[n] = true
  local way = n // 3 % #messages + 1
  local wanted, line = messages[way](n), way + 3
  if n % 300 == 0 and n <= deep then wanted, line = "./failing.lua:2: stack overflow", 2 end
  assert(message == wanted, ("input %d: %s, not %s"):format(n, message, wanted))
  local trace = table.concat(lines, "\n")
  assert(trace:find("./failing.lua:" .. line .. ":", 1, true), ("input %d: no line %d in\n%s"):format(n, line, trace))
  assert(not trace:find("neap:", 1, true), trace)
end
for text in io.lines("err") do
  local new = text:match("^neap: failing: (.*)")
  if new or text:find("^neap map: ") then
    finish()
    message, input, lines = new, nil, {}
  elseif text:find("^    input ") then
    input = tonumber(text:match("(%d+)$"))
  else
    lines[#lines + 1] = text
  end
end
for n = 3, count, 3 do assert(seen[n], "not told of: " .. n) end
EOF
}

# What MORE inputs need beyond what FEW do, with errors of all kinds but deep recursion.
flat_while_failing() { # FEW MORE
    local small
    write_failing 0
    map_failing "$1"
    small=$memory
    map_failing "$2"
    echo "after $1 inputs $small kB, after $2 $memory kB"
    [ -n "$sanitized" ] || [ $((memory - small)) -lt 4000 ]
}
