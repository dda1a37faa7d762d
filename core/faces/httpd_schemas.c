#include "faces/httpd_schemas.h"

#include <stddef.h>

/* clang-format off */
const struct httpd_schema httpd_schemas[] = {
    {"Id",
     "{\"type\":\"string\",\"description\":\"Of a job: Crockford base32\",\"pattern\":\"^[0-9A-Za-z]{13}$\"}"},
    {"Time",
     "{\"description\":\"RFC 3339 (answers: UTC with milliseconds), or Unix seconds\",\"type\":[\"string\","
     "\"number\"]}"},
    {"Duration",
     "{\"description\":\"Text as 5s, 250ms, 1h30m, or a number of seconds\",\"type\":[\"string\",\"number\"]}"},
    {"Priority",
     "{\"description\":\"-128 to 127, or low (-10), normal (0), high (10), critical (20)\","
     "\"oneOf\":[{\"type\":\"integer\",\"minimum\":-128,\"maximum\":127},{\"enum\":[\"low\",\"normal\",\"high\","
     "\"critical\"]}]}"},
    {"State",
     "{\"enum\":[\"scheduled\",\"pending\",\"available\",\"running\",\"completed\",\"retryable\",\"dead\",\"cancelled\"]}"},
    {"Submission",
     "{\"type\":\"object\",\"properties\":{\"task\":{\"type\":\"string\",\"description\":\"The task to run\"},"
     "\"args\":{\"description\":\"Any JSON value; integers of 64 bits stay integers. Absent: {}\"},"
     "\"queue\":{\"type\":\"string\",\"description\":\"Instead of the task's own\"},"
     "\"priority\":{\"$ref\":\"#/components/schemas/Priority\"},\"delay\":{\"$ref\":\"#/components/schemas/Duration\","
     "\"description\":\"Not before so long from now\"},\"at\":{\"$ref\":\"#/components/schemas/Time\","
     "\"description\":\"Not before this time; not beside delay\"},"
     "\"expires\":{\"description\":\"Cancelled if it has not started by then: a time, or a duration from now\","
     "\"type\":[\"string\",\"number\"]},\"timeout\":{\"description\":\"Of each attempt: a duration, or none\","
     "\"type\":[\"string\",\"number\"]},\"retry\":{\"description\":\"Retries after the first attempt\","
     "\"oneOf\":[{\"type\":\"integer\",\"minimum\":0},{\"type\":\"object\",\"properties\":{\"max\":{\"type\":\"integer\","
     "\"minimum\":0},\"backoff\":{\"enum\":[\"exponential\",\"linear\",\"fixed\"]},"
     "\"base\":{\"$ref\":\"#/components/schemas/Duration\"},\"cap\":{\"$ref\":\"#/components/schemas/Duration\"},"
     "\"jitter\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1}},\"additionalProperties\":false}]},"
     "\"unique\":{\"description\":\"Where such a job is there already, it is answered, and none is made: true,"
     " for the same task and arguments\",\"oneOf\":[{\"type\":\"boolean\"},{\"type\":\"object\","
     "\"properties\":{\"key\":{\"type\":\"string\",\"description\":\"Instead of arguments\"},\"by\":{\"type\":\"array\","
     "\"items\":{\"type\":\"string\"},\"description\":\"Names of the arguments that count\"},"
     "\"within\":{\"$ref\":\"#/components/schemas/Duration\","
     "\"description\":\"Only a job submitted so recently counts\"},\"states\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/State\"},\"description\":\"Only jobs in these states count\"}},"
     "\"additionalProperties\":false}]},\"after\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Id\"},"
     "\"description\":\"Jobs that must end first\"},"
     "\"after_failed\":{\"description\":\"What becomes of it if one of them is dead or cancelled\","
     "\"enum\":[\"cancel\",\"run\"],\"default\":\"cancel\"}},\"required\":[\"task\"],\"additionalProperties\":false}"},
    {"Error",
     "{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\",\"description\":\"error, args, timeout, memory,"
     " stuck, crash\"},\"message\":{\"type\":\"string\"},\"traceback\":{\"type\":\"string\"},"
     "\"attempt\":{\"type\":\"integer\"}}}"},
    {"Attempt",
     "{\"type\":\"object\",\"properties\":{\"attempt\":{\"type\":\"integer\"},"
     "\"started_at\":{\"$ref\":\"#/components/schemas/Time\"},\"run_ms\":{\"type\":\"number\"},"
     "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}"},
    {"Job",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"$ref\":\"#/components/schemas/Id\"},\"task\":{\"type\":\"string\"},"
     "\"queue\":{\"type\":\"string\"},\"state\":{\"$ref\":\"#/components/schemas/State\"},"
     "\"priority\":{\"type\":\"integer\"},\"attempt\":{\"type\":\"integer\"},\"crashes\":{\"type\":\"integer\","
     "\"description\":\"Of the process, while it ran\"},\"submitted_at\":{\"$ref\":\"#/components/schemas/Time\"},"
     "\"due_at\":{\"$ref\":\"#/components/schemas/Time\"},\"started_at\":{\"$ref\":\"#/components/schemas/Time\"},"
     "\"finished_at\":{\"$ref\":\"#/components/schemas/Time\"},"
     "\"expires_at\":{\"$ref\":\"#/components/schemas/Time\"},\"parent\":{\"$ref\":\"#/components/schemas/Id\"},"
     "\"after\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Id\"}},\"held\":{\"type\":\"string\","
     "\"description\":\"Why it cannot start\"},\"progress\":{\"type\":\"number\"},\"progress_text\":{\"type\":\"string\"},"
     "\"run_ms\":{\"type\":\"number\"},\"cpu_ms\":{\"type\":\"number\"},\"bytes\":{\"type\":\"integer\"},"
     "\"generation\":{\"type\":\"integer\"},\"args\":{},\"result\":{},\"error\":{\"$ref\":\"#/components/schemas/Error\"},"
     "\"attempts\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Attempt\"},"
     "\"description\":\"Those that failed\"}},\"required\":[\"id\",\"task\",\"queue\",\"state\"],"
     "\"description\":\"Members that do not apply are absent\"}"},
    {"Submitted",
     "{\"description\":\"The job,"
     " with whether it was there already. With Prefer: return=minimal the first two members alone; id is n"
     "ull where a full queue has dropped it\",\"type\":\"object\",\"properties\":{\"id\":{\"type\":[\"string\","
     "\"null\"]},\"duplicate\":{\"type\":\"boolean\"},\"dropped\":{\"type\":\"boolean\"}},\"required\":[\"id\",\"duplicate\"],"
     "\"additionalProperties\":true}"},
    {"SubmittedLine",
     "{\"description\":\"The answer to a line of NDJSON\",\"oneOf\":[{\"type\":\"object\","
     "\"properties\":{\"id\":{\"type\":[\"string\",\"null\"]},\"duplicate\":{\"type\":\"boolean\"},"
     "\"dropped\":{\"type\":\"boolean\"}},\"required\":[\"id\",\"duplicate\"]},{\"type\":\"object\","
     "\"properties\":{\"error\":{\"$ref\":\"#/components/schemas/Problem\"}},\"required\":[\"error\"]}]}"},
    {"JobPage",
     "{\"type\":\"object\",\"properties\":{\"jobs\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Job\"}},"
     "\"next\":{\"description\":\"The cursor of the next page; null: this is the last\",\"type\":[\"string\","
     "\"null\"]}},\"required\":[\"jobs\",\"next\"]}"},
    {"JobEdit",
     "{\"type\":\"object\",\"properties\":{\"priority\":{\"type\":[\"integer\",\"string\"]},"
     "\"due\":{\"description\":\"A time, a duration from now, or now\",\"type\":[\"string\",\"number\"]}},"
     "\"additionalProperties\":false,\"minProperties\":1}"},
    {"Deleted",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"$ref\":\"#/components/schemas/Id\"},"
     "\"deleted\":{\"type\":\"boolean\"}},\"required\":[\"id\",\"deleted\"]}"},
    {"Log",
     "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},\"offset\":{\"type\":\"integer\","
     "\"description\":\"Of the text\"},\"next\":{\"type\":\"integer\",\"description\":\"The offset to ask for next\"},"
     "\"ended\":{\"type\":\"boolean\",\"description\":\"The job has\"}},\"required\":[\"text\"]}"},
    {"Explanation",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"$ref\":\"#/components/schemas/Id\"},"
     "\"state\":{\"$ref\":\"#/components/schemas/State\"},\"why\":{\"type\":\"string\"},\"reasons\":{\"type\":\"array\","
     "\"items\":{}}},\"required\":[\"id\",\"state\",\"why\"]}"},
    {"Stacks",
     "{\"type\":\"object\",\"properties\":{\"jobs\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
     "\"properties\":{\"id\":{\"$ref\":\"#/components/schemas/Id\"},\"task\":{\"type\":\"string\"},\"worker\":{},"
     "\"for_ms\":{\"type\":\"number\"},\"traceback\":{\"type\":\"string\"}}}}},\"required\":[\"jobs\"]}"},
    {"BulkResult",
     "{\"type\":\"object\",\"properties\":{\"matched\":{\"type\":\"integer\"},\"changed\":{\"type\":\"integer\"},"
     "\"skipped\":{\"type\":\"integer\"},\"dry_run\":{\"type\":\"boolean\"}},\"required\":[\"matched\",\"changed\","
     "\"skipped\"]}"},
    {"Queue",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}"},
    {"Queues",
     "{\"type\":\"object\",\"properties\":{\"queues\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/Queue\"}}},\"required\":[\"queues\"]}"},
    {"QueueLimits",
     "{\"type\":\"object\",\"properties\":{\"concurrency\":{\"type\":[\"integer\",\"string\",\"null\"]},"
     "\"rate\":{\"description\":\"100/m; default takes the override away, as null does\",\"type\":[\"string\","
     "\"null\"]},\"capacity\":{\"type\":[\"integer\",\"string\",\"null\"]}},\"additionalProperties\":false,"
     "\"minProperties\":1}"},
    {"Task",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"summary\":{\"type\":\"string\"},"
     "\"file\":{\"type\":\"string\"},\"queue\":{\"type\":\"string\"},\"generation\":{\"type\":\"integer\"}}}"},
    {"Tasks",
     "{\"type\":\"object\",\"properties\":{\"tasks\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/Task\"}}},\"required\":[\"tasks\"]}"},
    {"Schedule",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}"},
    {"Schedules",
     "{\"type\":\"object\",\"properties\":{\"schedules\":{\"type\":\"array\","
     "\"items\":{\"$ref\":\"#/components/schemas/Schedule\"}}},\"required\":[\"schedules\"]}"},
    {"Workers",
     "{\"type\":\"object\",\"properties\":{\"workers\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}},"
     "\"required\":[\"workers\"]}"},
    {"Stats",
     "{\"type\":\"object\",\"properties\":{\"version\":{\"type\":\"string\"},\"uptime_seconds\":{\"type\":\"number\"},"
     "\"draining\":{\"type\":\"boolean\"},\"jobs\":{\"type\":\"object\","
     "\"description\":\"How many there are in each state\"},\"total\":{\"type\":\"object\"},"
     "\"queues\":{\"type\":\"object\"},\"tasks\":{\"type\":\"object\"}}}"},
    {"Reloaded",
     "{\"type\":\"object\",\"properties\":{\"reloaded\":{\"type\":\"boolean\"}},\"required\":[\"reloaded\"]}"},
    {"Backup",
     "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\","
     "\"description\":\"A file that does not exist yet, on the daemon's machine\"}},\"required\":[\"path\"],"
     "\"additionalProperties\":false}"},
    {"BackupResult",
     "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}"},
    {"Status",
     "{\"type\":\"object\",\"properties\":{\"status\":{\"enum\":[\"ok\",\"unavailable\"]}},\"required\":[\"status\"]}"},
    {"Problem",
     "{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
     "\"code\":{\"type\":\"string\",\"description\":\"A word for programs\"},\"detail\":{\"type\":\"string\","
     "\"description\":\"For people\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
     "\"properties\":{\"pointer\":{\"type\":\"string\",\"description\":\"A JSON pointer into the body\"},"
     "\"parameter\":{\"type\":\"string\",\"description\":\"Of the query\"},\"header\":{\"type\":\"string\"},"
     "\"detail\":{\"type\":\"string\"}},\"required\":[\"detail\"]}}},\"required\":[\"title\",\"status\",\"code\",\"detail\"],"
     "\"description\":\"RFC 9457\"}"},
    {NULL, NULL},
};
/* clang-format on */
