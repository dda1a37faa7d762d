---@meta neap
-- luacheck: ignore 212 241 631 (nothing here runs)
-- Definitions for lua-language-server: what `require "neap"` and the tables of tasks hold.
-- `neap new` points .luarc.json here. Name a task's type where it is returned:
--
--     ---@type neap.Task
--     return { run = function(args, ctx) ... end }

---@class neap
---The value that stands for JSON's null and survives inside tables, where nil cannot.
---@field null lightuserdata
local neap = {}

---Seconds as a number (0.25), or text: "250ms" "1.5s" "2m" "1h30m" "1d".
---@alias neap.Duration number|string

---Bytes as an integer, or text: "64K" "16M" "1G" (powers of 1024).
---@alias neap.Size integer|string

---From -128 to 127, higher first. low -10, normal 0, high 10, critical 20.
---@alias neap.Priority integer|"low"|"normal"|"high"|"critical"

---@alias neap.State
---| "scheduled" # due later
---| "pending" # waits for other jobs
---| "available" # can run
---| "running"
---| "completed"
---| "retryable" # failed, due again later
---| "dead" # attempts used up, or failed for good
---| "cancelled"

---What crosses between jobs: nil, boolean, integer, number, string, and tables of these, to 64 levels and
---1 MiB. No functions, userdata, threads or cycles.
---@alias neap.Value any

-- Tasks ---------------------------------------------------------------------------------------

---What a task file returns, instead of only its function. An unknown field is an error.
---@class neap.Task
---@field run fun(args: any, ctx: neap.Ctx): neap.Value, string? The job. Returning nil and a message fails the attempt.
---@field summary? string One line for listings.
---@field queue? string The queue of its jobs, else "default".
---@field priority? neap.Priority
---@field timeout? neap.Duration|"none" How long one attempt may take; 0 is "none". Else 1 h in `neap serve`, none in `run` and `map`.
---@field reentrant? boolean While a job of this task is preempted, others of its plugin may run in its worker.
---@field retry? integer|neap.Retry
---@field args? neap.Schema What arguments it takes: checked and completed before `run`.
---@field config? table<string, neap.Type|neap.Descriptor> Settings, given as `config.NAME` in [task ...] of the INI.
---@field setup? fun(config: table): any Once in each worker and generation, before the first job; its result is `ctx.state`. May wait.
---@field on_dead? fun(args: any, ctx: neap.Ctx, err: neap.Error) After the last attempt has failed.
---@field teardown? fun(state: any) Before this generation leaves a worker. Cannot wait.

---@class neap.Retry
---@field max? integer Retries after the first attempt.
---@field backoff? "exponential"|"linear"|"fixed"
---@field base? neap.Duration Delay of the first retry.
---@field cap? neap.Duration No delay is longer.
---@field jitter? number From 0 to 1: the part of a delay that is random.

---A type as text. `?` makes it optional.
---@alias neap.Type
---| "string" | "string?"
---| "integer" | "integer?" # 1.0 counts, and becomes 1
---| "number" | "number?"
---| "boolean" | "boolean?"
---| "table" | "table?" # any object or array
---| "array" | "array?"
---| "any" | "any?"
---| "duration" | "duration?" # arrives as a number of seconds
---| "size" | "size?" # arrives as a number of bytes

---@class neap.Descriptor
---@field [1] neap.Type|"object"|"object?"
---@field optional? boolean
---@field default? any Taken where the value is absent; makes it optional.
---@field help? string
---@field enum? any[] Of a string, integer or number: the values it may have.
---@field min? number|string Of an integer, number, duration or size.
---@field max? number|string
---@field min_length? integer Bytes of a string, items of an array.
---@field max_length? integer
---@field pattern? string Of a string: a Lua pattern, unanchored.
---@field items? neap.Type|neap.Descriptor Of an array: each item.
---@field fields? table<string, neap.Type|neap.Descriptor> Of an object.

---One value, or named fields.
---@alias neap.Schema neap.Type|neap.Descriptor|table<string, neap.Type|neap.Descriptor>

---@class neap.Error
---@field code "error"|"args"|"timeout"|"memory"|"stuck"|"crash"|string
---@field message string
---@field traceback? string
---@field attempt? integer

-- ctx -----------------------------------------------------------------------------------------

---What a job knows of itself. Of no use once the job has ended.
---@class neap.Ctx
---@field id string 13 characters.
---@field task string
---@field queue string
---@field attempt integer 1 for the first.
---@field after? string[] The ids of the jobs that it waited for.
---@field generation integer The version of the plugin that runs this attempt.
---@field scheduled_at? number Unix time of its schedule's tick, which may be long ago; nil: no schedule submitted it.
---@field deadline? number Unix time at which this attempt is stopped; nil: never.
---@field config table The checked settings of the task.
---@field state any What `setup` returned.
---@field dir string The plugin's directory.
local ctx = {}

---Tells how far the job is.
---@param fraction number From 0 to 1.
---@param text? string
function ctx:progress(fraction, text) end

---Submits a job that comes to be only if this attempt completes. It cannot be waited for.
---@param task string
---@param args? neap.Value
---@param options? neap.Options
---@return neap.Job? job
---@return "full"|"dropped"? why
function ctx:submit(task, args, options) end

---Fails this attempt; the next one comes after `after`, or when the retry policy says. Never returns.
---@param after? neap.Duration
---@param why? string
function ctx:retry(after, why) end

---Ends this attempt without counting it; the next one comes after `after`. Never returns.
---@param after neap.Duration
function ctx:snooze(after) end

---Ends the job as cancelled. Never returns.
---@param why? string
function ctx:cancel(why) end

---Ends the job as dead, without further attempts. Never returns.
---@param why? string
function ctx:fail(why) end

-- Jobs ----------------------------------------------------------------------------------------

---An unknown option is an error.
---@class neap.Options
---@field delay? neap.Duration Not before so long from now.
---@field at? number|string Not before: Unix seconds, or RFC 3339 ("2026-01-31T03:00:00Z"). Not with `delay`.
---@field expires? neap.Duration|string Cancelled if not started so long from now, or by an RFC 3339 time.
---@field priority? neap.Priority
---@field queue? string
---@field retry? integer|neap.Retry
---@field timeout? neap.Duration|"none" Of each attempt; 0 is "none".
---@field unique? boolean|string|neap.Unique No second job like it.
---@field after? neap.Job|string|(neap.Job|string)[] Not before these have ended.
---@field after_failed? "cancel"|"run" Where one of them failed; "cancel" is the default.

---@class neap.Unique
---@field by? "args"|string[] The arguments that tell jobs apart.
---@field key? string A text instead.
---@field within? neap.Duration Only a job submitted so recently is in the way.
---@field states? neap.State[] Only a job in one of these is; otherwise one that has not ended.

---A submitted job.
---@class neap.Job
---@field id string
local job = {}

---Waits until the job has ended. The waiting job gives up its slot meanwhile.
---@param timeout? neap.Duration
---@return boolean ok
---@return neap.Value|neap.Error result What it returned, or why it failed; code "timeout" when it has not ended.
function job:wait(timeout) end

---@return neap.State? state nil: ended long ago and forgotten.
function job:state() end

---Cancels it: at once where it waits, at its next wait where it runs.
---@return true? ok
---@return string? why
function job:cancel() end

---Waits until the store has the job for good.
---@return true? ok
---@return string? why
function job:stored() end

---What code waits for and something else sets: a callback of luv, another async function.
---@class neap.Signal
local signal = {}

---@param ... any
---@return boolean first false: it was set before, and keeps what it had.
function signal:set(...) end

---@param timeout? neap.Duration
---@return boolean? ok
---@return any ... What it was set to, or an error with the code "timeout".
function signal:wait(timeout) end

---@return boolean
function signal:is_set() end

---@return neap.Signal
function neap.signal() end

---Submits a job. Raises on an unknown task, a bad option, or arguments that cannot cross.
---@param task string Its full name, "mail.send".
---@param args? neap.Value
---@param options? neap.Options
---@return neap.Job? job nil where its queue is full and does not block.
---@return "duplicate"|"full"|"dropped"|"closed"? why
function neap.submit(task, args, options) end

---The job with that id, whether or not there is one.
---@param id string|neap.Job
---@return neap.Job
function neap.job(id) end

---Submits every {task, args, options} of the list.
---@param list table[]
---@return (neap.Job|false)[] jobs in order; false where a queue took none
---@return table<integer, string>? reasons by place
function neap.submit_all(list) end

---Submits the list so that each job waits for the one before it.
---@param list table[]
---@return neap.Job[]? jobs
---@return string? why
function neap.chain(list) end

---Submits the list, and a job of `task` that waits for all of them.
---@param list table[]
---@param task string
---@param args? neap.Value
---@param options? neap.Options
---@return neap.Job? last
---@return neap.Job[]|string jobs or why not
function neap.group(list, task, args, options) end

---A function that runs beside its caller, in the same job.
---@class neap.Handle
local handle = {}

---Waits for its end. A timeout leaves it running.
---@param timeout? neap.Duration
---@return boolean ok
---@return any ... its results, or the error: a neap.Error with `value`, what was raised
function handle:wait(timeout) end

---Stops it; its to-be-closed variables run.
function handle:cancel() end

---Runs f(...) beside the caller, once that waits. It ends with its job.
---@param f fun(...): ...
---@param ... any
---@return neap.Handle
function neap.async(f, ...) end

---The first that ends; the other functions and handles are cancelled, jobs are not.
---@param list (neap.Handle|neap.Job|fun(): ...)[]
---@return integer place
---@return boolean ok
---@return any ... its results, or the error
function neap.race(list) end

---Waits for all. Results and errors stand at the places of their jobs.
---@param jobs (neap.Job|neap.Handle)[]
---@return table<integer, neap.Value> results
---@return table<integer, neap.Error>? errors nil: none failed.
function neap.all(jobs) end

---Waits; other jobs of the worker run meanwhile. 0 only gives them a chance.
---@param duration neap.Duration
function neap.sleep(duration) end

---@return number seconds Unix time.
function neap.now() end

---Marks a table as an array, so that an empty one crosses and prints as [].
---@generic T: table
---@param list? T
---@return T
function neap.array(list) end

-- The rest ------------------------------------------------------------------------------------

---@class neap.json
neap.json = {}

---One line. Raises on what cannot cross. inf and nan become null.
---@param value neap.Value
---@return string
function neap.json.encode(value) end

---@param text string
---@return neap.Value value JSON's null is neap.null; arrays are marked as such.
---@return string? message With a nil value: what is wrong, and where.
function neap.json.decode(text) end

---Log lines carry the job, its task and attempt.
---@class neap.log
neap.log = {}

---@param text string
---@param fields? table<string, neap.Value>
function neap.log.debug(text, fields) end

---@param text string
---@param fields? table<string, neap.Value>
function neap.log.info(text, fields) end

---@param text string
---@param fields? table<string, neap.Value>
function neap.log.warn(text, fields) end

---@param text string
---@param fields? table<string, neap.Value>
function neap.log.error(text, fields) end

---Times of ended attempts, in seconds.
---@class neap.Histogram
---@field count integer
---@field sum number
---@field p50 number
---@field p99 number
---@field buckets integer[] Item i counts what took less than 2^(i-1) microseconds; the last, the rest.

---Counts since the start.
---@class neap.Counters
---@field submitted integer
---@field completed integer
---@field failed integer Attempts that failed.
---@field retried integer
---@field dead integer
---@field cancelled integer
---@field dropped integer
---@field rejected integer
---@field running integer Now.
---@field waiting integer Now.
---@field run neap.Histogram How long attempts took, waits included.
---@field wait neap.Histogram How long jobs that could run waited for it.
---@field cpu number Seconds that ended attempts computed.
---@field bytes integer That they allocated in Lua, freed again or not.

---@class neap.Stats: neap.Counters
---@field queues table<string, neap.Counters>
---@field tasks table<string, neap.Counters>
---@field workers integer
---@field reloads integer Versions of plugins published.
---@field broken integer Plugins whose newest version could not be loaded.
---@field stuck integer Workers given up because a call into C did not come back.
---@field preemptions integer Times a job computed for a whole slice and its worker looked around.
---@field uptime number Seconds.

---@return neap.Stats
function neap.stats() end

---A map that all workers share. Values are copied in and out. Every call is atomic.
---@class neap.Shared
local shared = {}

---@param key string
---@return neap.Value value nil: no such key.
function shared:get(key) end

---@param key string
---@param value neap.Value nil deletes.
---@param ttl? neap.Duration The key vanishes after that.
---@return true? ok
---@return "full"? why
function shared:set(key, value, ttl) end

---As `set`, only where there is no such key. With a ttl: a lock that frees itself.
---@param key string
---@param value neap.Value
---@param ttl? neap.Duration
---@return true? ok
---@return "exists"|"full"? why
function shared:add(key, value, ttl) end

---Adds to a number.
---@param key string
---@param by? number Default 1.
---@param start? number What an absent key counts as; default 0.
---@param ttl? neap.Duration Of a key that was absent.
---@return number? value The new one.
---@return "full"? why
function shared:incr(key, by, start, ttl) end

---@param key string
---@return boolean existed
function shared:delete(key) end

---@return string[] keys In no order.
function shared:keys() end

---@param name string Maps are made on first use and live as long as the executor.
---@return neap.Shared
function neap.shared(name) end

---Files. Other jobs run while the disk works; where nothing can wait (in the `__close` of a killed job, in
---`teardown`, inside `table.sort`) the call holds the worker instead. Failures return nil, a message and a
---code such as "ENOENT".
---@class neap.fs
neap.fs = {}

---@class neap.FileInfo
---@field type "file"|"directory"|"link"|"other"
---@field size integer
---@field mtime number Unix seconds.
---@field mode string Permissions as octal digits, "644".

---@class neap.FileEntry: neap.FileInfo
---@field name string

---@param path string
---@param options? { max?: neap.Size } A larger file is an error, code "EFBIG"; default 64M.
---@return string? data
---@return string? message
---@return string? code
function neap.fs.read(path, options) end

---Replaces the contents, or adds to them. `mode` is octal digits, "600".
---@param path string
---@param data string
---@param options? { append?: boolean, mode?: string }
---@return true? ok
---@return string? message
---@return string? code
function neap.fs.write(path, data, options) end

---Readers see the old file or the new one, also after a crash.
---@param path string
---@param data string
---@param options? { mode?: string } Default: those of the file it replaces.
---@return true? ok
---@return string? message
---@return string? code
function neap.fs.write_atomic(path, data, options) end

---The entries of a directory without "." and "..", in no order. Follows no symbolic link.
---@param dir string
---@return neap.FileEntry[]? entries
---@return string? message
---@return string? code
function neap.fs.list(dir) end

---Follows no symbolic link.
---@param path string
---@return neap.FileInfo? info
---@return string? message
---@return string? code
function neap.fs.stat(path) end

---@param path string
---@param options? { parents?: boolean } Those above it, too; then it may be there already.
---@return true? ok
---@return string? message
---@return string? code
function neap.fs.mkdir(path, options) end

---Removes a file, a symbolic link, or an empty directory. Follows no symbolic link.
---@param path string
---@param options? { recursive?: boolean } A directory with all that is in it.
---@return true? ok
---@return string? message
---@return string? code
function neap.fs.remove(path, options) end

---@param from string
---@param to string
---@return true? ok
---@return string? message
---@return string? code
function neap.fs.rename(from, to) end

-- Programs ------------------------------------------------------------------------------------

---@class neap.ExecOptions
---@field stdin? string Default: empty.
---@field cwd? string
---@field env? table<string, string|number|false> Variables to add; false takes one away.
---@field clear_env? boolean Only the variables in `env`.
---@field timeout? neap.Duration From its start; 0: none.
---@field max_output? neap.Size Kept of each of stdout and stderr, default 1M; more is thrown away.
---@field stderr? "stdout" Both go to `stdout`.

---@class neap.ExecResult
---@field code? integer The exit status; nil: a signal ended it.
---@field signal? integer
---@field stdout string
---@field stderr string
---@field truncated boolean It printed more than `max_output`.
---@field timed_out boolean

---Runs a program and waits for its end: a list of its name and arguments, or a command for /bin/sh. It
---has a process group of its own, which is killed as a whole: with the job, after `timeout`, and what is
---left of it once the program has ended.
---@param command string|(string|number)[]
---@param options? neap.ExecOptions
---@return neap.ExecResult? result Whatever its exit status is. nil: it could not be started.
---@return string? message
---@return string? code Such as "ENOENT".
function neap.exec(command, options) end

-- HTTP and mail -------------------------------------------------------------------------------

---What goes wrong: "url" "resolve" "connect" "tls" "timeout" "too_large" "redirects" "protocol" "io" "unavailable".
---@alias neap.NetCode string

---@class neap.http
neap.http = {}

---An unknown option is an error.
---@class neap.HttpOptions
---@field headers? table<string, string|integer>
---@field body? string
---@field json? neap.Value Sent as JSON, in place of `body`.
---@field timeout? neap.Duration|"none" For all of it; default 30s.
---@field connect_timeout? neap.Duration|"none" Default 10s.
---@field redirects? integer How many are followed; default 10.
---@field max_body? neap.Size Default 16M; of a file: no limit.
---@field to? string A file for the body of a 2xx response; it appears when it is whole.
---@field verify? boolean Default true.
---@field ca? string A PEM file of authorities, in place of the system's.
---@field user? string Basic authentication.
---@field password? string

---@class neap.HttpRequest: neap.HttpOptions
---@field url string
---@field method? string Default "GET".

---@class neap.HttpResponse
---@field status integer 404 is no error here.
---@field headers table<string, string> By names in lower case.
---@field body? string nil: it is in the file `to`.
---@field url string After all redirects.
local response = {}

---@return neap.Value value The decoded body.
---@return string? message With a nil value: what is wrong.
function response:json() end

---@param request neap.HttpRequest
---@return neap.HttpResponse? response
---@return string? message
---@return neap.NetCode? code
function neap.http.request(request) end

---@param url string
---@param options? neap.HttpOptions
---@return neap.HttpResponse? response
---@return string? message
---@return neap.NetCode? code
function neap.http.get(url, options) end

---@param url string
---@param options? neap.HttpOptions
---@return neap.HttpResponse? response
---@return string? message
---@return neap.NetCode? code
function neap.http.post(url, options) end

---@class neap.mail
neap.mail = {}

---@class neap.Attachment
---@field name? string Default: of the path.
---@field type? string Default "application/octet-stream".
---@field data? string Either this
---@field path? string or this.

---An unknown option is an error. A line break in a subject, name or header, too.
---@class neap.Mail
---@field server string "smtp://HOST:PORT", or "smtps://HOST:PORT" for TLS from the start.
---@field tls? "auto"|"starttls"|"none" Default "auto": where the server offers it.
---@field user? string
---@field password? string
---@field from string "a@example.org" or "Name <a@example.org>".
---@field to? string|string[]
---@field cc? string|string[]
---@field bcc? string|string[] Not shown to the others.
---@field reply_to? string
---@field subject? string
---@field text? string
---@field html? string
---@field attachments? neap.Attachment[]
---@field headers? table<string, string> Further ones.
---@field timeout? neap.Duration|"none" For all of it; default 60s.
---@field verify? boolean Default true.
---@field ca? string

---Returns when the server has taken the mail for all recipients.
---@param mail neap.Mail
---@return { id: string }? sent The message's id.
---@return string? message
---@return neap.NetCode|"refused"|"busy"|"login"|"address"? code refused: for good; busy: not now.
function neap.mail.send(mail) end

-- Specs ---------------------------------------------------------------------------------------
-- What `require "neap.test"` gives; docs/testing.md explains it.

---@class neap.test
local test = {}

---Loads a task into a new world. `file` is relative to the spec; ".lua" may be left out.
---@param file string
---@param options? { config?: table, modules?: table<string, any>, now?: number }
---@return neap.test.Task
function test.load(file, options) end

---A task in a world whose time is virtual and whose network, mail and programs are stubs.
---@class neap.test.Task
---@field neap neap What the task gets by `require "neap"`.
---@field task neap.Task
---@field state any What `setup` returned.
local task = {}

---What became of an attempt, and what it did.
---@class neap.test.Job
---@field state "completed"|"retryable"|"dead"|"cancelled"|"scheduled"
---@field result? neap.Value
---@field error? neap.Error
---@field ended_by? "retry"|"snooze"|"cancel"|"fail"
---@field after? number Seconds until the next attempt.
---@field elapsed number Seconds of its own clock.
---@field requests table[]
---@field mails table[]
---@field commands table[]
---@field jobs table[] What it submitted: {id, task, args, options, state, result, error}.
---@field log { level: string, text: string, fields?: table }[]
---@field progress { fraction: number, text?: string }[]
---@field printed string

---Makes one attempt.
---@param args? neap.Value
---@param options? { attempt?: integer, id?: string, queue?: string, scheduled_at?: number, timeout?: neap.Duration }
---@return neap.test.Job
function task:run(args, options) end

---Another task of the same world.
---@param file string
---@param options? { config?: table, modules?: table<string, any> }
---@return neap.test.Task
function task:load(file, options) end

---Answers requests: "METHOD URL" or a URL, where * stands for anything. Replies are given in turn.
---@param pattern string
---@param ... table|fun(request: table): table?, string?, string?
function task:http(pattern, ...) end

---Takes mails.
---@param ... table|fun(message: table): table?, string?, string?
function task:mail(...) end

---Runs programs by their command line.
---@param pattern string
---@param ... table|fun(call: table): table?, string?, string?
function task:exec(pattern, ...) end

---What submitted jobs of a task come to: a result, a function that makes it, or a task of this world.
---@param name string
---@param handler neap.Value|neap.test.Task|fun(args: any, options: neap.Options): neap.Value, string?
function task:job(name, handler) end

---Moves the clock on.
---@param duration neap.Duration
function task:sleep(duration) end

---@return number seconds Unix time of the world.
function task:now() end

---Calls the task's `teardown`.
function task:teardown() end

---@return string path A directory that goes with this task.
function task:dir() end

return neap
