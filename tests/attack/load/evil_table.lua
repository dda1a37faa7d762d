-- expect: task.lua: [1]: unknown field
local function forever()
  while true do end
end
return setmetatable({ 1 }, {
  __index = forever, __pairs = forever, __len = forever, __newindex = forever, __eq = forever,
  __call = forever, __tostring = forever, __name = forever, __concat = forever, __lt = forever,
})
