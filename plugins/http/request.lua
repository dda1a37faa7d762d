-- One HTTP request. What may pass by itself is tried again (no connection, 408, 429, 5xx), after
-- the time the server asks for where it does; what cannot ends the job.
local neap = require "neap"

local LONGEST_WAIT = 24 * 60 * 60 -- seconds: what a Retry-After may ask for at most
local MAX_BODY = 1000 * 1024      -- of a body that is returned: a result holds 1 MiB

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6,
                 Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }

-- Unix time of a date in UTC (days since 0000-03-01 count leap days last).
local function utc(year, month, day, hour, min, sec)
  if month < 3 then
    year, month = year - 1, month + 12
  end
  local days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5
    + day - 719469
  return days * 86400 + hour * 3600 + min * 60 + sec
end

-- Seconds from now: a number, or "Wed, 21 Oct 2015 07:28:00 GMT"; nil for anything else.
local function wait_of(text)
  local seconds = tonumber(text)
  if not seconds and text then
    local day, month, year, hour, min, sec =
      text:match("^%a+, (%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT$")
    seconds = MONTHS[month] and utc(tonumber(year), MONTHS[month], tonumber(day), tonumber(hour),
                                    tonumber(min), tonumber(sec)) - neap.now()
  end
  if seconds and seconds == seconds then
    return math.min(math.max(seconds, 0), LONGEST_WAIT)
  end
end

-- Whether `status` is among 204, "404", "200-299", "2xx"; nil and why where one is none of these.
local function is_among(status, list)
  local found = false
  for _, item in ipairs(list) do
    local text = tostring(item)
    local from, to = text:match("^(%d%d%d)%-(%d%d%d)$")
    if text:find("^%dxx$") then
      from, to = text:sub(1, 1) .. "00", text:sub(1, 1) .. "99"
    elseif text:find("^%d%d%d$") then
      from, to = text, text
    elseif not from then
      return nil, "expect: a status such as 204, \"2xx\" or \"200-299\", not " .. text
    end
    found = found or (status >= tonumber(from) and status <= tonumber(to))
  end
  return found
end

local function passes(status)
  return status == 408 or status == 429 or status >= 500
end

-- Where to write, or nil and why not there.
local function path_of(file, dir)
  if not file or not dir then
    return file
  elseif file:sub(1, 1) == "/" or ("/" .. file .. "/"):find("/../", 1, true) then
    return nil, "to: must be a path below config.dir, without '..'"
  end
  return dir:gsub("/*$", "/", 1) .. file
end

local function ask(args, ctx, to)
  local res, message, code = neap.http.request {
    url = args.url, method = args.method, headers = args.headers, body = args.body,
    json = args.json, timeout = args.timeout, redirects = args.redirects,
    max_body = not to and MAX_BODY or nil, to = to, ca = ctx.config.ca,
  }
  if code == "too_large" then
    ctx:fail(message .. " (give `to` to have it in a file)")
  elseif code == "url" or code == "redirects" then
    ctx:fail(message)
  end
  return res, message
end

local function run(args, ctx)
  local expect = args.expect or {}
  local ok, mistake = is_among(0, expect)
  local to, refusal = path_of(args.to, ctx.config.dir)
  if ok == nil or refusal then
    ctx:fail(mistake or refusal)
  elseif args.body and args.json ~= nil then
    ctx:fail("give either body or json")
  end
  local res, message = ask(args, ctx, to)
  if not res then
    return nil, message
  elseif not is_among(res.status, expect) then
    local why = args.method .. " " .. args.url .. ": status " .. res.status
    if passes(res.status) then
      ctx:retry(wait_of(res.headers["retry-after"]), why)
    elseif #expect > 0 then
      ctx:fail(why)
    end
  end
  local saved = to and res.status >= 200 and res.status < 300 -- no other body goes into the file
  return { status = res.status, headers = res.headers, url = res.url, to = saved and to or nil,
           body = not saved and res.body:sub(1, MAX_BODY) or nil }
end

return {
  summary = "Make an HTTP request",
  timeout = "1h",
  retry = { max = 8, backoff = "exponential", base = "2s", cap = "10m", jitter = 0.2 },
  args = {
    url = { "string", pattern = "^[hH][tT][tT][pP][sS]?://.", help = "http:// or https://" },
    method = { "string", default = "GET", pattern = "^%u+$", help = "GET, POST, PUT..." },
    headers = { "table", optional = true, help = "name = value" },
    body = { "string", optional = true, help = "what is sent" },
    json = { "any", optional = true, help = "instead of body: sent as JSON" },
    timeout = { "duration", default = "30s", help = "of the whole request" },
    redirects = { "integer", default = 10, min = 0, max = 50, help = "followed at most" },
    expect = { "array", optional = true,
               help = "the statuses that are good, such as 204, \"2xx\", \"200-299\"; any other "
                 .. "but 408, 429 and 5xx ends the job. Without it, all but those are good" },
    to = { "string", optional = true, min_length = 1, help = "the file that the body goes into" },
  },
  config = {
    dir = { "string", optional = true, min_length = 1,
            help = "only files below this directory are written; to is relative to it" },
    ca = { "string", optional = true, min_length = 1,
           help = "a file of certificates to trust instead of the system's" },
  },
  run = run,
}
