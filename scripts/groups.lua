-- Several jobs at once: neap.submit_all, neap.chain, neap.group. An entry of their lists is
-- {task, args, options}, as neap.submit takes them.
local core = ...

local type, error, next = type, error, next

local function check_entries(list, who)
  if type(list) ~= "table" or #list == 0 then
    error(who .. ": a list of {task, args, options}", 3)
  end
  for i = 1, #list do
    local entry = list[i]
    if type(entry) ~= "table" or type(entry[1]) ~= "string" then
      error(who .. ": entry " .. i .. " is no {task, args, options}", 3)
    end
    if entry[3] ~= nil and type(entry[3]) ~= "table" then
      error(who .. ": entry " .. i .. ": options are a table", 3)
    end
  end
end

local function with_after(options, after, who)
  local own = {}
  for key, value in next, options or {} do own[key] = value end
  if own.after ~= nil then error(who .. " sets `after` itself", 4) end
  own.after = after
  return own
end

function core.add_groups(neap)
  -- The jobs, in order; false where a queue took none, and then the reasons by place.
  function neap.submit_all(list)
    check_entries(list, "neap.submit_all")
    local jobs, reasons = {}, nil
    for i = 1, #list do
      local job, why = neap.submit(list[i][1], list[i][2], list[i][3])
      jobs[i] = job or false
      if not job then
        reasons = reasons or {}
        reasons[i] = why
      end
    end
    return jobs, reasons
  end

  -- One after the other: each waits for the one before it. Where a queue takes one of them no more,
  -- those before it are cancelled.
  function neap.chain(list)
    check_entries(list, "neap.chain")
    local jobs = {}
    for i = 1, #list do
      local options = i > 1 and with_after(list[i][3], jobs[i - 1], "neap.chain") or list[i][3]
      local job, why = neap.submit(list[i][1], list[i][2], options)
      if not job then
        for k = i - 1, 1, -1 do jobs[k]:cancel() end
        return nil, why
      end
      jobs[i] = job
    end
    return jobs
  end

  -- All of them beside each other, and a last job once they have ended. Returns that one and the
  -- list of the others.
  function neap.group(list, task, args, options)
    check_entries(list, "neap.group")
    local jobs, reasons = neap.submit_all(list)
    local last, why
    if not reasons then
      last, why = neap.submit(task, args, with_after(options, jobs, "neap.group"))
    end
    if last then return last, jobs end
    for i = 1, #jobs do
      if jobs[i] then jobs[i]:cancel() end
    end
    for _, reason in next, reasons or {} do why = reason end
    return nil, why
  end
end
