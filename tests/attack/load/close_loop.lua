-- expect: task.lua: the top level of the file did not end within
local function forever()
  while true do end
end
local _ <close> = setmetatable({}, { __close = forever })
local _ <close> = setmetatable({}, { __close = forever })
forever()
