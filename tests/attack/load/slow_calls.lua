-- expect: task.lua: the top level of the file did not end within
-- Few instructions, each of which takes long.
while true do
  local s = ("x"):rep(20000000)
  pcall(string.find, s, "y")
end
