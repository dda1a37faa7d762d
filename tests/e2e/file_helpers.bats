#!/usr/bin/env bats
# A FILE's helper modules: beside it or in lib/ beside it, never from the current directory.

load helper

@test "require finds what lies beside the file, and in lib/ beside it" {
  mkdir -p there/lib elsewhere
  echo 'return { v = 1 }' >there/near.lua
  echo 'return { v = 2 }' >there/lib/far.lua
  echo 'return { v = 9 }' >elsewhere/near.lua
  cat >there/t.lua <<'EOT'
#!/usr/bin/env -S neap run
local near, far = require "near", require "far"
return function() return { near.v, far.v } end
EOT
  cd elsewhere
  run "$NEAP" run ../there/t.lua
  [ "$status" = 0 ]
  [ "$output" = "[1,2]" ]
}

@test "a module in the current directory is not found" {
  mkdir there
  echo 'return 1' >stray.lua
  echo 'require "stray" return function() end' >there/t.lua
  run "$NEAP" run there/t.lua
  [ "$status" = 78 ]
  [[ "$output" == *"there/t.lua:1: module 'stray' not found"* ]]
}
