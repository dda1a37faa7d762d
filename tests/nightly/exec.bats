# Programs by the thousand.
load ../e2e/live

@test "a map of 10,000 programs: never more than max_children at once, nothing left" {
    mkdir now
    task count.lua <<'EOF'
local neap = require "neap"
return function(a)
  local r = assert(neap.exec(": >now/$$; ls now | wc -l; rm now/$$"))
  assert(r.code == 0, r.stderr)
  return tonumber(r.stdout)
end
EOF
    seq 10000 >in
    start map --set '[neap] max_children=4' --set '[pool default] workers=2' ./count.lua
    finish
    [ "$status" = 0 ]
    lines out 10000
    echo "most at once: $(sort -n out | tail -n 1)"
    [ "$(sort -n out | tail -n 1)" -le 4 ]
    [ -z "$(ls now)" ]
}
