#include "config_files.h"

#include <fcntl.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X200 X50 X50 X50 X50
#define DURATION "a duration (such as 250ms, 1.5s, 2m, 1h30m or 1d"

static const struct {
    const char *text, *want;
} cases[] = {
    /* sections */
    {"[pools default]\nworkers = x\n",
     "neap.ini:1: [pools default]: unknown section (did you mean [pool NAME]?)\n"},
    {"[Neap]\n", "neap.ini:1: [Neap]: unknown section (did you mean [neap]?)\n"},
    {"[http]\nlisten = localhost:80\n",
     "neap.ini:2: [http] listen: \"localhost:80\" is not an address and port (such as "
     "127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080), or none\n"},
    {"[http]\nlisten = [::1]:70000\n",
     "neap.ini:2: [http] listen: \"[::1]:70000\" is not an address and port (such as "
     "127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080), or none\n"},
    {"[http]\ntoken = hunter2\n", /* not told back: it may be the secret itself */
     "neap.ini:2: [http] token: it is not env:NAME or file:PATH, or none\n"},
    {"[http]\nhosts = a.example, b.example:80\n",
     "neap.ini:2: [http] hosts: \"a.example, b.example:80\" is not names of hosts, without ports, "
     "or none\n"},
    {"[web]\n", "neap.ini:1: [web]: unknown section (there are [neap], [pool NAME], [queue NAME], "
                "[task PATTERN], [schedule NAME], [store], [http] and [log])\n"},
    {"[]\n", "neap.ini:1: []: unknown section (there are [neap], [pool NAME], [queue NAME], "
             "[task PATTERN], [schedule NAME], [store], [http] and [log])\n"},
    {"[queue]\n", "neap.ini:1: [queue]: it needs a name: [queue NAME]\n"},
    {"[log mail]\n", "neap.ini:1: [log mail]: it takes no name: [log]\n"},
    {"[queue a b]\n",
     "neap.ini:1: [queue a b]: a b is not a name (letters, digits, _ and -, at most "
     "40)\n"},
    {"[task mail.*.x]\n", "neap.ini:1: [task mail.*.x]: mail.*.x is no task (mail.send), plugin "
                          "(mail.*) or *, of at most 40 bytes\n"},
    {"[task *.send]\n",
     "neap.ini:1: [task *.send]: *.send is no task (mail.send), plugin (mail.*) or "
     "*, of at most 40 bytes\n"},
    {"[queue " X50 "]\nnonsense = 1\n",
     "neap.ini:1: the section's name is 56 bytes long, at most 49 fit\n"},
    {"[queue mail\ncapacity = 1\n", "neap.ini:1: the [section] has no closing ]\n"},
    {"[queue mail] capacity = x\n", "neap.ini:1: [queue mail]: there is something after the ] (put "
                                    "keys on lines of their own)\n"},
    {"[log]\n [queue mail]\n", "neap.ini:2: [queue mail]: a [section] must not be indented\n"},

    /* keys */
    {"level = info\n[log]\n", "neap.ini:1: level: a key before the first [section]\n"},
    {"[queue mail]\ncapacty = 5\n",
     "neap.ini:2: [queue mail] capacty: unknown key (did you mean capacity?)\n"},
    {"[log]\nLevel = info\n", "neap.ini:2: [log] Level: unknown key (did you mean level?)\n"},
    {"[neap]\nlevel = info\n",
     "neap.ini:2: [neap] level: unknown key here (it belongs in [log])\n"},
    {"[neap]\nnonsense = 8\n",
     "neap.ini:2: [neap] nonsense: unknown key (there are plugins, include, drain, watch, "
     "max_children, grace and max_stuck)\n"},
    {"[task mail.*]\nnonsense = 5m\n",
     "neap.ini:2: [task mail.*] nonsense: unknown key (there are queue, priority, timeout, "
     "retry.max, retry.backoff, retry.base, retry.cap, retry.jitter, on_dead and config.NAME)\n"},
    {"[neap]\nmax_child = 8\n[pool a]\nmemroy = 8\n[task b]\ntimout = 1s\ngrace = 1s\n",
     "neap.ini:2: [neap] max_child: unknown key (did you mean max_children?)\n"
     "neap.ini:4: [pool a] memroy: unknown key (did you mean memory?)\n"
     "neap.ini:6: [task b] timout: unknown key (did you mean timeout?)\n"
     "neap.ini:7: [task b] grace: unknown key here (it belongs in [neap])\n"},
    {"[task a]\nconfig.a.b = 1\n",
     "neap.ini:2: [task a] config.a.b: a config key is config.NAME, of "
     "letters, digits, _ and -\n"},
    {"[queue q]\ncapacity = 1\n\n; x\ncapacity = 2\n",
     "neap.ini:5: [queue q] capacity: set twice, first on line 2\n"},
    {"[queue q]\ncapacity = 1\n[log]\n[queue q]\ncapacity = 2\n",
     "neap.ini:5: [queue q] capacity: set twice, first on line 2\n"},
    {"[task a]\nretry = 1\nretry.max = 1\n",
     "neap.ini:3: [task a] retry.max: set twice, first on line 2\n"},
    {"[queue q]\ncapacity = 1\n  ageing = 5s\n", "neap.ini:3: [queue q] ageing: a key must not be "
                                                 "indented: an indented line continues the value "
                                                 "above\n"},
    {"[queue q]\n  ageing : 5\n", "neap.ini:2: [queue q] ageing: a key must not be indented: an "
                                  "indented line continues the value "
                                  "above\n"},
    {"[queue q]\nageing = 5s\n\tcapcity=1\n",
     "neap.ini:3: [queue q] capcity: a key must not be indented: an indented line continues the "
     "value "
     "above\n"
     "neap.ini:3: [queue q] capcity: unknown key (did you mean capacity?)\n"},
    {"[queue q]\n  more\n  still more\n",
     "neap.ini:2: [queue q]: neither `key = value` nor a [section] nor a comment\n"},
    {"[queue q]\ncapacity 5\n",
     "neap.ini:2: [queue q]: neither `key = value` nor a [section] nor a comment\n"},
    {"capacity", "neap.ini:1: neither `key = value` nor a [section] nor a comment\n"},
    {"[queue q]\n= 5\n  more\n", "neap.ini:2: [queue q]: there is no key before the `=`\n"},

    /* lines */
    {"[task a]\nconfig.x = " X200 "\n  more\nretry = x\n",
     "neap.ini:2: [task a]: the line is 211 bytes long, at most 199 fit (continue a long value on "
     "indented lines, or take it from a file where file:PATH is allowed)\n"
     "neap.ini:4: [task a] retry.max: \"x\" is not a whole number from 0 to 1000000\n"},
    {"[task a]\nconfig.x = a\n    " X200 "\n",
     "neap.ini:3: [task a]: the line is 201 bytes long, at most 199 fit (continue a long value on "
     "indented lines, or take it from a file where file:PATH is allowed)\n"},
    {"[log]\n; " X200 " = 1\nlevel = x\n",
     "neap.ini:3: [log] level: \"x\" is not debug, info, warn or "
     "error\n"},
    {"[log]\nlevel\x01\x7f = \xff\n",
     "neap.ini:2: [log] level??: unknown key (did you mean level?)\n"},

    /* values */
    {"[pool a]\nworkers = four\n",
     "neap.ini:2: [pool a] workers: \"four\" is not auto or a whole number from 1 to 1024\n"},
    {"[pool a]\nworkers = atuo\n", "neap.ini:2: [pool a] workers: \"atuo\" is not auto or a whole "
                                   "number from 1 to 1024 (did you mean auto?)\n"},
    {"[pool a]\nworkers = 0\nslots = 1000001\n",
     "neap.ini:2: [pool a] workers: \"0\" is not auto or a whole number from 1 to 1024\n"
     "neap.ini:3: [pool a] slots: \"1000001\" is not a whole number from 1 to 1000000\n"},
    {"[pool a]\nslots = 1.5\n",
     "neap.ini:2: [pool a] slots: \"1.5\" is not a whole number from 1 to 1000000\n"},
    {"[pool a]\nslots =\n",
     "neap.ini:2: [pool a] slots: the value is missing: it is a whole number from 1 to 1000000\n"},
    {"[pool a]\nqueues = a,,b\n", "neap.ini:2: [pool a] queues: an empty item between commas\n"},
    {"[pool a]\nqueues = a, *\n",
     "neap.ini:2: [pool a] queues: * must stand alone: it is every queue "
     "that no other pool names\n"},
    {"[pool a]\nqueues = a, b, a\n", "neap.ini:2: [pool a] queues: a stands twice\n"},
    {"[pool a]\nqueues = a b\n",
     "neap.ini:2: [pool a] queues: \"a b\" is not a name (letters, digits, "
     "_ and -, at most 40)\n"},
    {"[pool a]\nqueues =\n",
     "neap.ini:2: [pool a] queues: the value is missing: name a queue, or *\n"},
    {"[neap]\ndrain = 25 seconds\nwatch = maybe\nplugins = a,\n",
     "neap.ini:2: [neap] drain: \"25 seconds\" is not " DURATION ")\n"
     "neap.ini:3: [neap] watch: \"maybe\" is not yes or no\n"
     "neap.ini:4: [neap] plugins: an empty item between commas\n"},
    {"[queue q]\nconcurrency = 0\ncapacity = nnoe\nageing = 0\n",
     "neap.ini:2: [queue q] concurrency: \"0\" is not a whole number from 1 to 1000000, or none\n"
     "neap.ini:3: [queue q] capacity: \"nnoe\" is not a whole number from 1 to 1000000000, or none "
     "(did "
     "you mean none?)\n"
     "neap.ini:4: [queue q] ageing: \"0\" is not " DURATION "; at least 1ms), or none\n"},
    {"[neap]\nmax_children = 0\ngrace = 99ms\nmax_stuck = -1\n",
     "neap.ini:2: [neap] max_children: \"0\" is not auto or a whole number from 1 to 10000\n"
     "neap.ini:3: [neap] grace: \"99ms\" is not " DURATION "; at least 100ms; at most 1h)\n"
     "neap.ini:4: [neap] max_stuck: \"-1\" is not a whole number from 0 to 10000\n"},
    {"[neap]\nmax_children = auot\ngrace = 2h\n",
     "neap.ini:2: [neap] max_children: \"auot\" is not auto or a whole number from 1 to 10000 (did "
     "you mean auto?)\n"
     "neap.ini:3: [neap] grace: \"2h\" is not " DURATION "; at least 100ms; at most 1h)\n"},
    {"[pool a]\nslice = 0.09ms\nmemory = 4095K\nsandbox = strct\n",
     "neap.ini:2: [pool a] slice: \"0.09ms\" is not a duration (such as 0.5ms, 10ms or 1s; at "
     "least "
     "0.1ms; at most 1m)\n"
     "neap.ini:3: [pool a] memory: \"4095K\" is not a size (such as 64K, 16M or 1G; at least 4M), "
     "or none\n"
     "neap.ini:4: [pool a] sandbox: \"strct\" is not standard or strict (did you mean strict?)\n"},
    {"[pool a]\nslice = none\nmemory = 16MB\n[task t]\ntimeout = nnoe\n",
     "neap.ini:2: [pool a] slice: \"none\" is not a duration (such as 0.5ms, 10ms or 1s; at least "
     "0.1ms; at most 1m)\n"
     "neap.ini:3: [pool a] memory: \"16MB\" is not a size (such as 64K, 16M or 1G; at least 4M), "
     "or none\n"
     "neap.ini:5: [task t] timeout: \"nnoe\" is not " DURATION "), or none (did you mean none?)\n"},
    {"[queue q]\nwhen_full = rejct\n",
     "neap.ini:2: [queue q] when_full: \"rejct\" is not block, reject "
     "or drop (did you mean reject?)\n"},
    {"[queue q]\nrate = 100\n[queue r]\nrate = 0/s\n[queue s]\nrate = -1/s\n[queue t]\nrate = "
     "1/min\n",
     "neap.ini:2: [queue q] rate: \"100\" is not a rate (such as 5/s, 100/m, 1000/h or 10/d), or "
     "none\n"
     "neap.ini:4: [queue r] rate: \"0/s\" is not a rate (such as 5/s, 100/m, 1000/h or 10/d), or "
     "none\n"
     "neap.ini:6: [queue s] rate: \"-1/s\" is not a rate (such as 5/s, 100/m, 1000/h or 10/d), or "
     "none\n"
     "neap.ini:8: [queue t] rate: \"1/min\" is not a rate (such as 5/s, 100/m, 1000/h or 10/d), or "
     "none\n"},
    {"[task a]\npriority = hihg\nretry.jitter = 1.5\nretry.backoff = exp\nqueue = a.b\n",
     "neap.ini:2: [task a] priority: \"hihg\" is not low, normal, high, critical or a whole "
     "number from -128 to 127 (did you mean high?)\n"
     "neap.ini:3: [task a] retry.jitter: \"1.5\" is not a number from 0 to 1\n"
     "neap.ini:4: [task a] retry.backoff: \"exp\" is not exponential, linear or fixed\n"
     "neap.ini:5: [task a] queue: \"a.b\" is not the name of a queue (letters, digits, _ and "
     "-, at most 40)\n"},
    {"[task a]\npriority = 128\n",
     "neap.ini:2: [task a] priority: \"128\" is not low, normal, high, critical or a "
     "whole number from -128 to 127\n"},
    {"[task a]\nconfig.a = env:NEAP_TEST_VARIABEL\n",
     "neap.ini:2: [task a] config.a: the environment variable \"NEAP_TEST_VARIABEL\" is not set "
     "(did "
     "you mean NEAP_TEST_VARIABLE?)\n"},
    {"[task a]\nconfig.a = file:none/x\n",
     "neap.ini:2: [task a] config.a: none/x: No such file or directory\n"},
    {"[task a]\nconfig.a = file:naep.ini\n",
     "neap.ini:2: [task a] config.a: naep.ini: No such file or "
     "directory (did you mean neap.ini?)\n"},
    {"[task a]\nconfig.a = file:\nconfig.b = file:.\n",
     "neap.ini:2: [task a] config.a: file: names no file\n"
     "neap.ini:3: [task a] config.b: .: Is a directory\n"},
    {"[task a]\nconfig.a = \"x ; y\"\n",
     "neap.ini:2: [task a] config.a: ` ;` starts a comment, inside quotes too, and cuts the value "
     "(write it without the space, or use file:PATH)\n"},

    /* schedules */
    {"[schedule s]\ntask = a\nevery = 1s\nargs = {\"a\": 1 ; \"b\": \"c\"}\n",
     "neap.ini:4: [schedule s] args: bad JSON: line 1, column 7: '}' expected near end of file\n"},
    {"[schedule s]\ntask = a\nevery = 1s\nargs = {\"a\":\n  \"b ; c\"}\n",
     "neap.ini:4: [schedule s] args: ` ;` starts a comment, inside quotes too, and cuts the value "
     "(write \\u003b for the semicolon)\n"},
    {"[schedule s]\ntask = a\nevery = 1s\nargs = {a: 1}\n",
     "neap.ini:4: [schedule s] args: bad JSON: line 1, column 2: string or '}' expected near "
     "'a'\n"},
    {"[schedule s]\ntask = a.b.c\ncron = 60 * * * *\n",
     "neap.ini:2: [schedule s] task: \"a.b.c\" is not the name of a task (such as mail.send; at "
     "most 40 "
     "bytes)\n"
     "neap.ini:3: [schedule s] cron: minute 60 is out of range 0-59\n"},
    {"[schedule s]\ntask = a\ncron = 0 0 30 2 *\n",
     "neap.ini:3: [schedule s] cron: it never happens (no such day in that month)\n"},
    {"[schedule s]\ntask = a\ncron = 0 0 * * *\nevery = 1s\n",
     "neap.ini:4: [schedule s] every: there is `cron` already (only one of the two)\n"},
    {"[schedule s]\ntask = a\nevery = 1ms\ntz = UTC\n",
     "neap.ini:3: [schedule s] every: \"1ms\" is not " DURATION "; at least 10ms)\n"
     "neap.ini:4: [schedule s] tz: it counts only with `cron`\n"},
    {"\n[schedule s]\n",
     "neap.ini:2: [schedule s]: `task` is missing\n"
     "neap.ini:2: [schedule s]: `cron` or `every` is missing (such as cron = 0 3 * * "
     "1-5, every = 10s)\n"},
    {"[schedule s]\ntask = a\ncron = 0 0 * * *\noverlap = no\n",
     "neap.ini:4: [schedule s] overlap: \"no\" is not skip or allow\n"},

    /* between sections */
    {"[pool a]\n[pool b]\nqueues = *\n",
     "neap.ini:3: [pool b] queues: [pool a] serves * already (name the queues of one of them)\n"},
    {"[pool a]\n[pool b]\n",
     "neap.ini:2: [pool b] queues: [pool a] serves * already, and that is the "
     "default (name the queues of one of them)\n"},
    {"[pool a]\nqueues = mail\n[queue mial]\n[queue other]\n[task a]\nqueue = more\n",
     "neap.ini:3: [queue mial]: no pool serves it (did you mean mail?)\n"
     "neap.ini:4: [queue other]: no pool serves it (name it in `queues` of a [pool], or have a "
     "pool "
     "with *)\n"
     "neap.ini:6: [task a] queue: no pool serves the queue (name it in `queues` of a [pool], or "
     "have a "
     "pool with *)\n"},

    /* includes */
    {"[neap]\ninclude = conf/x.ini, neap.ini\n",
     "neap.ini:2: [neap] include: conf/x.ini: No such file or directory\n"
     "neap.ini:2: [neap] include: neap.ini is being read already: it includes itself\n"},
};

static void assert_mistakes(const struct config_source *given, const char *want)
{
    struct buf told = {0};
    struct config_source source = *given;
    struct neap_error err = {0};
    struct config *config = NULL;
    source.problem = files_problem;
    source.user = &told;
    const int rc = config_load(&config, &source, &err);
    assert_string_equal(buf_string(&told), want);
    assert_int_equal(rc, NEAP_ECONFIG);
    assert_int_equal(err.code, NEAP_ECONFIG);
    assert_null(config);
    buf_close(&told);
}

static void each_mistake_is_told_with_its_place(void **state)
{
    (void)state;
    setenv("NEAP_TEST_VARIABLE", "1", 1);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        file_put("neap.ini", cases[i].text);
        assert_mistakes(&(struct config_source){.file = "neap.ini"}, cases[i].want);
    }
}

static void a_circle_of_includes(void **state)
{
    (void)state;
    file_put("neap.ini", "[neap]\ninclude = one.ini\n");
    file_put("one.ini", "[neap]\ninclude = two.ini\n");
    file_put("two.ini", "\n[neap]\ninclude = one.ini\n[log]\nlevel = x\n");
    assert_mistakes(&(struct config_source){.file = "neap.ini"},
                    "two.ini:3: [neap] include: one.ini is being read already: it includes itself\n"
                    "two.ini:5: [log] level: \"x\" is not debug, info, warn or error\n");
}

static void all_files_and_settings_are_told_in_order(void **state)
{
    (void)state;
    mkdir("conf.d", 0700);
    file_put("neap.ini",
             "[neap]\ninclude = conf.d/*.ini\n[queue q]\n[log]\nlevel = a\n[pool p]\nqueues = a\n");
    file_put("conf.d/b.ini", "[log]\nlevel = b\n");
    file_put("conf.d/a.ini", "[log]\n\nlevel = c\n");
    const char *settings[] = {"[log] level=d", "log.level=e", "[lgo] level=f",
                              "[log] x",       "[log] = 1",   "[neap] include=x"};
    assert_mistakes(&(struct config_source){.file = "./neap.ini",
                                            .settings = settings,
                                            .n_settings = LENGTH(settings)},
                    "./neap.ini:3: [queue q]: no pool serves it (name it in `queues` of a [pool], "
                    "or have a pool "
                    "with *)\n"
                    "./neap.ini:5: [log] level: \"a\" is not debug, info, warn or error\n"
                    "./conf.d/a.ini:3: [log] level: \"c\" is not debug, info, warn or error\n"
                    "./conf.d/b.ini:2: [log] level: \"b\" is not debug, info, warn or error\n"
                    "--set: [log] level: \"d\" is not debug, info, warn or error\n"
                    "--set: \"log.level=e\" is not \"[section] key=value\"\n"
                    "--set: [lgo]: unknown section (did you mean [log]?)\n"
                    "--set: \"[log] x\" is not \"[section] key=value\"\n"
                    "--set: \"[log] = 1\" is not \"[section] key=value\"\n"
                    "--set: [neap] include: only a file can include files\n");
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    assert_mistakes(&(struct config_source){.file = "missing.conf"},
                    "missing.conf: No such file or directory\n");
    file_put("neap.ini", "");
    assert_mistakes(&(struct config_source){.file = "naep.ini"},
                    "naep.ini: No such file or directory (did you mean neap.ini?)\n");
    mkdir("dir.ini", 0700);
    assert_mistakes(&(struct config_source){.file = "dir.ini"}, "dir.ini: Is a directory\n");
    assert_mistakes(&(struct config_source){.file = "/dev/zero"},
                    "/dev/zero: larger than 4096 KiB\n");
    file_put("secret.ini", "");
    assert_int_equal(chmod("secret.ini", 0), 0);
    assert_int_equal(chmod(".", 0755), 0);
    const uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_mistakes(&(struct config_source){.file = "secret.ini"},
                    "secret.ini: Permission denied\n");
    assert_int_equal(seteuid(user), 0);
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    const int fd = open("neap.ini", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static const char bytes[] = "[log]\nlevel = x\n\0[log]\nlevel = y\n";
    assert_int_equal(write(fd, bytes, sizeof bytes - 1), sizeof bytes - 1);
    close(fd);
    assert_mistakes(&(struct config_source){.file = "neap.ini"},
                    "neap.ini:2: [log] level: \"x\" is not debug, info, warn or error\n"
                    "neap.ini:3: [log]: a NUL byte: this is no UTF-8 text; the rest is not read\n");
    file_put("neap.ini", "[queue \xff\x1b[31m]\n");
    assert_mistakes(
        &(struct config_source){.file = "neap.ini"},
        "neap.ini:1: [queue \xEF\xBF\xBD?[31m]: \xEF\xBF\xBD?[31m is not a name (letters, "
        "digits, _ and -, at most 40)\n");
}

static void no_more_than_a_hundred(void **state)
{
    (void)state;
    struct buf text = {0}, want = {0};
    buf_text(&text, "[log]\n");
    for (int i = 0; i < 110; i++) {
        buf_text(&text, "x\n");
        if (i < 100)
            buf_format(&want,
                       "neap.ini:%d: [log]: neither `key = value` nor a [section] nor a comment\n",
                       i + 2);
    }
    buf_text(&want, "... and 10 more mistakes\n");
    file_put("neap.ini", buf_string(&text));
    assert_mistakes(&(struct config_source){.file = "neap.ini"}, buf_string(&want));
    buf_close(&text);
    buf_close(&want);
}

static void the_error_holds_a_single_mistake(void **state)
{
    (void)state;
    struct config *config;
    struct neap_error err;
    file_put("neap.ini", "[log]\nlevel = x\n");
    const struct config_source source = {.file = "neap.ini"};
    assert_int_equal(config_load(&config, &source, &err), NEAP_ECONFIG);
    assert_string_equal(err.message,
                        "neap.ini:2: [log] level: \"x\" is not debug, info, warn or error");
    assert_int_equal(config_load(&config, &source, NULL), NEAP_ECONFIG);
    file_put("neap.ini", "[log]\nlevel = x\nformat = y\n");
    assert_int_equal(config_load(&config, &source, &err), NEAP_ECONFIG);
    assert_string_equal(err.message, "2 mistakes in the configuration");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_told_with_its_place),
        cmocka_unit_test(a_circle_of_includes),
        cmocka_unit_test(all_files_and_settings_are_told_in_order),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(no_more_than_a_hundred),
        cmocka_unit_test(the_error_holds_a_single_mistake),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
