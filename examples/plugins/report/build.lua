-- neap run -c examples/neap.ini report.build '{"dir": "/etc"}'
local neap = require "neap"
local layout = require "layout" -- lib/layout.lua of this plugin

local function bigger_first(a, b)
  if a.size ~= b.size then
    return a.size > b.size
  end
  return a.name < b.name
end

return {
  summary = "Report the largest files of a directory",
  queue = "reports",
  args = {
    dir = { "string", min_length = 1, help = "the directory" },
    top = { "integer", default = 5, min = 1, max = 100, help = "how many files to name" },
    to = { "string", enum = { "file", "log" }, default = "file", help = "where the report goes" },
  },

  run = function(args, ctx)
    local entries, message = neap.fs.list(args.dir)
    if not entries then
      ctx:fail(message) -- no retry would help
    end
    local files, bytes = {}, 0
    for _, entry in ipairs(entries) do
      if entry.type == "file" then
        files[#files + 1] = entry
        bytes = bytes + entry.size
      end
    end
    table.sort(files, bigger_first)
    ctx:progress(0.5, #files .. " files")
    local text = layout.render(files, args.top)
    -- Delivered only if this attempt completes: a retry of it never delivers twice.
    local report = { title = args.dir, text = text, to = args.to }
    local delivery = ctx:submit("report.deliver", report, { priority = "high" })
    return { files = #files, bytes = bytes, delivery = delivery and delivery.id }
  end,
}
