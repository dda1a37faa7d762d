-- Counts like wc: find /etc -type f | neap map examples/wordcount.lua
local BLOCK = 65536

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

return {
  summary = "Count the lines, words and bytes of a file",
  args = { "string", min_length = 1, help = "path of the file" },
  run = function(path)
    local file <close>, message = io.open(path, "rb")
    if not file then
      return nil, message -- the attempt fails with this message
    end
    local lines, words, bytes, inside = 0, 0, 0, false
    while true do
      local block, why = file:read(BLOCK)
      if not block then
        if why then
          return nil, path .. ": " .. why -- a directory, or a bad disk
        end
        return { file = path, lines = lines, words = words, bytes = bytes }
      end
      bytes = bytes + #block
      lines = lines + count(block, "\n")
      words = words + count(block, "%S+")
      if inside and block:find("^%S") then
        words = words - 1 -- it began in the block before
      end
      inside = block:find("%S$") ~= nil
    end
  end,
}
