-- For the tasks of tests/attack/run: a list of cases; the task runs the one it is told to, or
-- lists them. Each is to end in a state with a text in its result or message, and to leave the
-- worker usable; `only` in one of the sandboxes, or in both. Driver: tests/unit/attack.c.
local cases = {}

function cases.new()
  local list, by_name = {}, {}
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
