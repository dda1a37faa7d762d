-- One mail, by SMTP. A server that refuses for good (5xx) ends the job; all else is tried again.
local neap = require "neap"

-- Codes of what another attempt does not change.
local HOPELESS = { refused = true, address = true, url = true, too_large = true }

-- Addresses: "a@example.org", or { "a@example.org", ... }; nil and why where it is neither.
local function addresses(value, name)
  if value == nil or type(value) == "string" then
    return value
  elseif type(value) == "table" and #value > 0 then
    for i, item in ipairs(value) do
      if type(item) ~= "string" then
        return nil, ("%s[%d]: must be a string, not a %s"):format(name, i, type(item))
      end
    end
    return value
  end
  return nil, name .. ": must be an address or a list of them"
end

local function run(args, ctx)
  local config = ctx.config
  local from = args.from or config.from
  if not from then
    ctx:fail("from: neither an argument nor config.from")
  elseif not args.text and not args.html then
    ctx:fail("give text, html or both")
  end
  local people = {}
  for _, name in ipairs { "to", "cc", "bcc" } do
    local list, wrong = addresses(args[name], name)
    if wrong then
      ctx:fail(wrong)
    end
    people[name] = list
  end
  local sent, message, code = neap.mail.send {
    server = config.server, tls = config.tls, user = config.user, password = config.password,
    ca = config.ca, from = from, to = people.to, cc = people.cc, bcc = people.bcc,
    reply_to = args.reply_to, subject = args.subject, text = args.text, html = args.html,
    attachments = args.attachments, headers = args.headers, timeout = config.timeout,
  }
  if sent then
    return { id = sent.id }
  elseif HOPELESS[code] then
    ctx:fail(message)
  end
  return nil, message
end

return {
  summary = "Send a mail",
  timeout = "10m",
  retry = { max = 10, backoff = "exponential", base = "30s", cap = "1h", jitter = 0.2 },
  args = {
    to = { "any", help = "an address, or a list of them" },
    cc = { "any", optional = true, help = "the same" },
    bcc = { "any", optional = true, help = "the same; not shown to the others" },
    from = { "string", optional = true, min_length = 1, help = "instead of config.from" },
    reply_to = { "string", optional = true, min_length = 1 },
    subject = { "string", default = "" },
    text = { "string", optional = true, help = "the body as plain text" },
    html = { "string", optional = true, help = "the body as HTML" },
    attachments = { "array", optional = true, help = "each { name, type, data or path }",
                    items = { "object", fields = {
                      name = "string?", type = "string?", data = "string?", path = "string?",
                    } } },
    headers = { "table", optional = true, help = "further ones: name = value" },
  },
  config = {
    server = { "string", default = "smtp://127.0.0.1:25", pattern = "^smtps?://.",
               help = "smtp://HOST:PORT or smtps://HOST:PORT" },
    tls = { "string", default = "auto", enum = { "auto", "starttls", "none" },
            help = "auto: encrypted where the server offers it; starttls: or not at all" },
    user = { "string", optional = true },
    password = { "string", optional = true, help = "as env:NAME or file:PATH" },
    from = { "string", optional = true, min_length = 1, help = "the sender if a job names none" },
    ca = { "string", optional = true, min_length = 1,
           help = "a file of certificates to trust instead of the system's" },
    timeout = { "duration", default = "60s", help = "of the whole exchange with the server" },
  },
  run = run,
}
