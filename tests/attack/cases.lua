-- For the tasks of tests/attack/run: a list of cases; the task runs the one it is told to, or
-- lists them. Each is to end in a state with a text in its result or message, and to leave the
-- worker usable; `only` in one of the sandboxes, or in both. Driver: tests/unit/attack.c.
-- In those of tests/attack/hold the text lists the codes with which it may end, and each has a case
-- "peer" that does no harm. Driver: tests/unit/attack_hold.c.
local cases = {}

local function peer()
  local t = {}
  for i = 1, 500 do t[i] = i * i % 97 end
  table.sort(t, function(a, b) return a < b end)
  return table.concat(t, "", 495)
end

function cases.new()
  local list, by_name = {}, { peer = peer }
  local function run(args, ctx)
    if args.case then return by_name[args.case](args, ctx) end
    return list
  end
  return setmetatable({ task = { run = run } }, {
    __call = function(_, name, state, text, f, only)
      assert(not by_name[name], name)
      by_name[name] = f
      list[#list + 1] = { name = name, state = state, text = text, only = only }
    end,
  })
end

return cases
