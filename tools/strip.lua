-- strip(code): bytecode of Lua 5.4 as string.dump gives it, without the names of local variables,
-- which are a good part of the time that loading it takes. The rest stays, unlike with
-- string.dump(f, true): files and lines, by which tracebacks tell our frames from others, and the
-- names of upvalues, which stand in messages of library functions and tell tests what a task can
-- reach.
local NUMBER <const>, FIXED <const> = 8, 4 -- bytes of a lua_Integer or lua_Number; an instruction
local HEADER <const> = 4 + 1 + 1 + 6 + 3 + NUMBER + NUMBER
local STRINGS <const> = { [0x04] = true, [0x14] = true }
local NUMBERS <const> = { [0x03] = true, [0x13] = true }

local reader = {}
reader.__index = reader

function reader:skip(bytes)
  self.at = self.at + bytes
end

function reader:byte()
  self.at = self.at + 1
  return self.code:byte(self.at - 1)
end

-- Seven bits a byte, the most significant first; the last byte has the eighth.
function reader:int()
  local value = 0
  while true do
    local byte = self:byte()
    value = value << 7 | byte & 0x7F
    if byte & 0x80 ~= 0 then return value end
  end
end

function reader:string()
  local size = self:int()
  if size > 0 then self:skip(size - 1) end
end

-- What has been read since the last call goes to the output, but for `dropped` written instead.
function reader:keep(dropped)
  self.out[#self.out + 1] = self.code:sub(self.from, (dropped or self.at) - 1)
  self.from = self.at
end

function reader:constants()
  for _ = 1, self:int() do
    local kind = self:byte()
    if STRINGS[kind] then
      self:string()
    elseif NUMBERS[kind] then
      self:skip(NUMBER)
    end
  end
end

function reader:locals()
  local start = self.at
  for _ = 1, self:int() do
    self:string()
    self:int()
    self:int()
  end
  self:keep(start)
  self.out[#self.out + 1] = "\x80" -- none
  for _ = 1, self:int() do self:string() end -- upvalues
end

function reader:body()
  self:string()
  self:int()
  self:int()
  self:skip(3)
  self:skip(self:int() * FIXED)
  self:constants()
  self:skip(self:int() * 3) -- upvalues
  for _ = 1, self:int() do self:body() end
  self:skip(self:int()) -- lines
  for _ = 1, self:int() do
    self:int()
    self:int()
  end
  self:locals()
end

return function(code)
  assert(code:sub(1, 6) == "\x1bLua\x54\0", "not the bytecode of Lua 5.4")
  local self = setmetatable({ code = code, at = HEADER + 2, from = 1, out = {} }, reader)
  self:body()
  assert(self.at == #code + 1, "the bytecode is not what it seemed")
  self:keep()
  return table.concat(self.out)
end
