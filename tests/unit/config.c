#include "config_files.h"

#include <limits.h>

#include "model/config_private.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static const struct config_pool *only_pool(const struct config *config)
{
    assert_int_equal(config->n_pools, 1);
    return &config->pools[0];
}

static void without_a_file_all_is_default(void **state)
{
    (void)state;
    struct config *config = files_load((struct config_source){.file = NULL});
    const struct config_pool *pool = only_pool(config);
    assert_string_equal(pool->name, "default");
    assert_in_range(pool->workers, 1, 1024);
    assert_int_equal(pool->slots, 1024);
    assert_string_equal(pool->queues[0], "*");
    assert_null(pool->queues[1]);
    assert_string_equal(config->plugins[0], "./plugins");
    assert_null(config->plugins[1]);
    assert_false(config->plugins_set);
    assert_int_equal(config->drain_ms, 25000);
    assert_false(config->watch);
    assert_in_range(config->max_children, 1, 10000);
    assert_int_equal(config->grace_ms, 2000);
    assert_int_equal(config->max_stuck, 8);
    assert_int_equal(pool->slice_us, 10000);
    assert_int_equal(pool->memory_bytes, 256 * 1024 * 1024);
    assert_false(pool->strict);
    assert_int_equal(config->log_level, NEAP_INFO);
    assert_int_equal(config->log_format, LOG_AUTO);
    assert_int_equal(config->n_queues + config->n_tasks + config->n_schedules, 0);
    config_unref(config);
    config = files_load((struct config_source){.service = true});
    assert_true(config->watch);
    config_unref(config);
}

static void one_setting_is_found_whatever_is_wrong_elsewhere(void **state)
{
    (void)state;
    char *origin = NULL;
    mkdir("more", 0700);
    file_put("look.ini", "[neap]\ndrian = 1s\ninclude = more/*.ini\ndrain = soon\n[nothing]\n");
    file_put("more/log.ini", "\n[log]\nlevel = warn\n[task *]\nconfig.a = env:NEAP_IS_NOT_SET\n");
    char *text = config_look("look.ini", "log", "level", &origin);
    assert_string_equal(text, "warn");
    assert_string_equal(origin, "more/log.ini:3");
    free(text);
    free(origin);
    assert_null(config_look("look.ini", "log", "format", &origin));
    assert_null(config_look("look.ini", "store", "url", &origin));
    assert_null(config_look("absent.ini", "log", "level", &origin));
}

static void every_key_is_read(void **state)
{
    (void)state;
    mkdir("one", 0700);
    struct config *config = files_load_text("; a comment\n"
                                            "[neap]\n"
                                            "plugins = one, /tmp\n"
                                            "drain = 1m30s\n"
                                            "watch = on\n"
                                            "max_children = 10000\n"
                                            "grace = 100ms\n"
                                            "max_stuck = 0\n"
                                            "[pool a]\n"
                                            "workers = 3   ; three\n"
                                            "slots = 7\n"
                                            "queues = mail, slow\n"
                                            "slice = 0.1ms\n"
                                            "memory = 4M\n"
                                            "sandbox = strict\n"
                                            "[pool b]\n"
                                            "memory = none\n"
                                            "sandbox = standard\n"
                                            "[queue mail]\n"
                                            "concurrency = 20\n"
                                            "capacity = none\n"
                                            "when_full = drop\n"
                                            "rate = 100/m\n"
                                            "ageing = 30s\n"
                                            "paused = yes\n"
                                            "[schedule nightly]\n"
                                            "task = mail.report\n"
                                            "cron = 0 3 * * 1-5\n"
                                            "tz = UTC\n"
                                            "args = {\"a\": 1}\n"
                                            "[schedule often]\n"
                                            "task = tick\n"
                                            "every = 10s\n"
                                            "overlap = allow\n"
                                            "catchup = all\n"
                                            "[log]\n"
                                            "level = debug\n"
                                            "format = json\n");
    assert_string_equal(config->plugins[0], "one");
    assert_string_equal(config->plugins[1], "/tmp");
    assert_true(config->plugins_set);
    assert_int_equal(config->drain_ms, 90000);
    assert_true(config->watch);
    assert_int_equal(config->max_children, 10000);
    assert_int_equal(config->grace_ms, 100);
    assert_int_equal(config->max_stuck, 0);
    assert_int_equal(config->n_pools, 2);
    assert_int_equal(config->pools[0].workers, 3);
    assert_int_equal(config->pools[0].slots, 7);
    assert_string_equal(config->pools[0].queues[1], "slow");
    assert_int_equal(config->pools[0].slice_us, 100);
    assert_int_equal(config->pools[0].memory_bytes, 4 * 1024 * 1024);
    assert_true(config->pools[0].strict);
    assert_string_equal(config->pools[1].queues[0], "*");
    assert_int_equal(config->pools[1].memory_bytes, 0);
    assert_false(config->pools[1].strict);
    const struct config_queue *mail = config_queue_find(config, "mail");
    assert_int_equal(mail->concurrency, 20);
    assert_int_equal(mail->capacity, 0);
    assert_int_equal(mail->when_full, 2);
    assert_int_equal(mail->rate_interval_ns, 600 * 1000 * 1000);
    assert_int_equal(mail->ageing_ms, 30000);
    assert_true(mail->paused);
    assert_null(config_queue_find(config, "other"));
    const struct config_schedule *nightly = &config->schedules[0], *often = &config->schedules[1];
    assert_string_equal(nightly->task, "mail.report");
    assert_true(nightly->has_cron);
    assert_int_equal(cron_next(&nightly->cron, nightly->zone, 0), 3 * 3600 * 1000);
    assert_int_equal(nightly->args_len, 4);
    assert_memory_equal(nightly->args,
                        "\x81\xa1"
                        "a\x01",
                        4);
    assert_string_equal(nightly->origin, "neap.ini:26");
    assert_false(nightly->overlap);
    assert_int_equal(often->every_ms, 10000);
    assert_false(often->has_cron);
    assert_true(often->overlap);
    assert_int_equal(nightly->catchup, CATCHUP_SKIP);
    assert_int_equal(often->catchup, CATCHUP_ALL);
    assert_string_equal(nightly->cron_text, "0 3 * * 1-5");
    assert_string_equal(nightly->zone_text, "UTC");
    assert_null(often->args);
    assert_int_equal(config->log_level, NEAP_DEBUG);
    assert_int_equal(config->log_format, LOG_JSON);
    config_unref(config);
}

static void the_most_specific_alert_task_wins(void **state)
{
    (void)state;
    struct config *config = files_load_text("[task *]\n"
                                            "on_dead = ops.alert\n"
                                            "[task mail.*]\n"
                                            "on_dead = mail.alert\n"
                                            "[task mail.send]\n"
                                            "queue = q\n"
                                            "[task cache.*]\n"
                                            "on_dead = none\n");
    assert_string_equal(config_task_on_dead(config, "x.y"), "ops.alert");
    assert_string_equal(config_task_on_dead(config, "mail.send"), "mail.alert");
    assert_null(config_task_on_dead(config, "cache.clean"));
    assert_null(config_task_on_dead(config, "mail.alert")); /* none of alerts, to any task */
    assert_null(config_task_on_dead(config, "ops.alert"));
    config_unref(config);
}

static void rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"5/s", 200000000},      {"0.5/s", 2000000000}, {"1000/h", 3600000000},
                 {"10/d", 8640000000000}, {"3/s", 333333333},    {"none", 0}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char *text = mem_format("[queue q]\nrate = %s\n", cases[i].text);
        struct config *config = files_load_text(text);
        assert_int_equal(config->queues[0].rate_interval_ns, cases[i].ns);
        config_unref(config);
        free(text);
    }
}

static void put_pair(void *user, const char *key, const char *value, bool secret)
{
    buf_format(user, "%s=<%s>%s\n", key, value, secret ? " secret" : "");
}

static void assert_task(const struct config *config, const char *task, const char *want)
{
    struct buf text = {0};
    config_task_each(config, task, &text, put_pair);
    assert_string_equal(buf_string(&text), want);
    buf_close(&text);
}

static void a_value_goes_on_in_indented_lines(void **state)
{
    (void)state;
    struct config *config = files_load_text("\xEF\xBB\xBF[task a]\r\n"
                                            "config.text = one ; a comment\r\n"
                                            "\r\n"
                                            "   two ; another\r\n"
                                            "; between\r\n"
                                            "\thttp://three\r\n"
                                            "config.empty =\r\n"
                                            "config.semi =;a;b\r\n"
                                            "config.colon : c=d\r\n"
                                            "[ schedule\ts ]\r\n"
                                            "task = a\r\n"
                                            "every = 1s\r\n"
                                            "args = [1,\r\n"
                                            "  [2], ; a comment\r\n"
                                            "  \"x\\u003b\"]");
    assert_task(config, "a", "text=<one two http://three>\nempty=<>\nsemi=<;a;b>\ncolon=<c=d>\n");
    assert_string_equal(config->schedules[0].name, "s");
    assert_int_equal(config->schedules[0].args_len, 7);
    assert_memory_equal(config->schedules[0].args, "\x93\x01\x91\x02\xa2x;", 7);
    config_unref(config);
}

static void lines_of_199_bytes_and_comments_of_any_length(void **state)
{
    (void)state;
    char value[186], comment[5000];
    memset(value, 'v', sizeof value - 1);
    memset(comment, 'c', sizeof comment - 1);
    value[sizeof value - 1] = comment[sizeof comment - 1] = 0;
    char *text =
        mem_format("# %s = 1\n[task a]  ; %s = 1\nconfig.long = %s ; %s = 2\n  %s\n  ;%s\n",
                   comment, comment, value, comment, value, comment);
    char *want = mem_format("long=<%s %s>\n", value, value);
    struct config *config = files_load_text(text);
    assert_task(config, "a", want);
    config_unref(config);
    free(text);
    free(want);
}

static void long_keys_keep_their_names_in_further_lines(void **state)
{
    (void)state;
    /* inih keeps 49 bytes of a key for the lines that continue it. */
    const char *key = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn";
    char *text = mem_format("[task mail.report]\nconfig.%s = 1\n  2\n", key);
    char *want = mem_format("%s=<1 2>\n", key);
    struct config *config = files_load_text(text);
    assert_task(config, "mail.report", want);
    config_unref(config);
    free(text);
    free(want);
}

static void the_most_specific_pattern_wins_field_by_field(void **state)
{
    (void)state;
    struct config *config = files_load_text("[task *]\n"
                                            "queue = all\n"
                                            "priority = low\n"
                                            "retry = 1\n"
                                            "retry.base = 5s\n"
                                            "timeout = 10m\n"
                                            "config.a = star\n"
                                            "config.b = star\n"
                                            "config.c = star\n"
                                            "[task mail.report]\n"
                                            "config.a = exact\n"
                                            "priority = 99\n"
                                            "[task mail.slow]\n"
                                            "timeout = none\n"
                                            "[task mail.never]\n"
                                            "timeout = 0\n"
                                            "[task mail.*]\n"
                                            "config.a = plugin\n"
                                            "config.b = plugin\n"
                                            "timeout = 1.5s\n"
                                            "retry.max = 3\n"
                                            "retry.backoff = linear\n"
                                            "retry.cap = 1h\n"
                                            "retry.jitter = 0.5\n");
    struct retry retry;
    config_task_retry(config, "mail.report", &retry);
    assert_int_equal(retry.max, 3);
    assert_int_equal(retry.backoff, NEAP_LINEAR);
    assert_int_equal(retry.base_ms, 5000);
    assert_int_equal(retry.cap_ms, 3600000);
    assert_true(retry.jitter == 0.5);
    assert_int_equal(config_task_priority(config, "mail.report"), 99);
    assert_int_equal(config_task_priority(config, "mail.send"), -10);
    assert_int_equal(config_task_timeout(config, "mail.report"), 1500);
    assert_int_equal(config_task_timeout(config, "mail.slow"), 0);
    assert_int_equal(config_task_timeout(config, "mail.never"), 0);
    assert_int_equal(config_task_timeout(config, "other"), 600000);
    assert_string_equal(config_task_queue(config, "mail.report"), "all");
    assert_task(config, "mail.report", "a=<exact>\nb=<plugin>\nc=<star>\n");
    assert_task(config, "mail", "a=<star>\nb=<star>\nc=<star>\n");
    config_task_retry(config, "mailer.report", &retry);
    assert_int_equal(retry.max, 1);
    assert_int_equal(retry.backoff, -1);
    char *where = config_task_where(config, "mail.report", "b");
    assert_string_equal(where, "neap.ini:19: [task mail.*] config.b");
    free(where);
    assert_null(config_task_where(config, "mail.report", "d"));
    config_unref(config);
    config = files_load_text("[task a.b]\n");
    assert_int_equal(config_task_priority(config, "a.b"), INT_MIN);
    assert_null(config_task_queue(config, "a.b"));
    assert_int_equal(config_task_timeout(config, "a.b"), -1);
    config_unref(config);
}

static void put_row(void *user, const char *section, const char *key, const char *value,
                    const char *origin)
{
    buf_format(user, "[%s] %s = %s (%s)\n", section, key, value, origin);
}

static void secrets_are_shown_by_name(void **state)
{
    (void)state;
    setenv("NEAP_TEST_SECRET", "hunter2", 1);
    mkdir("keys", 0700);
    mkdir("conf", 0700);
    file_put("keys/token", "s3cret\r\n");
    file_put("conf/neap.ini", "[task a]\n"
                              "config.password = env:NEAP_TEST_SECRET\n"
                              "config.token = file:../keys/token\n"
                              "config.plain = text\n");
    struct config *config = files_load((struct config_source){.file = "conf/neap.ini"});
    assert_task(config, "a", "password=<hunter2> secret\ntoken=<s3cret> secret\nplain=<text>\n");
    struct buf rows = {0};
    config_rows(config, &rows, put_row);
    assert_non_null(strstr(buf_string(&rows), "config.password = env:NEAP_TEST_SECRET"));
    assert_non_null(strstr(rows.data, "config.token = file:../keys/token"));
    assert_null(strstr(rows.data, "hunter2"));
    assert_null(strstr(rows.data, "s3cret"));
    assert_string_equal(config->plugins[0], "conf/plugins");
    buf_close(&rows);
    config_unref(config);
}

static void rows_say_where_each_value_is_from(void **state)
{
    (void)state;
    file_put("neap.ini",
             "[neap]\nmax_children = 3\n[pool default]\nworkers = 2\n[log]\nlevel = warn\n"
             "[queue q]\nrate = 5/s\n"
             "[task *]\nretry = 2\ntimeout = 5m\n[schedule s]\ntask = t\nevery = 1h\n");
    const char *settings[] = {"[log] format=json", "[pool default]slots = 3"};
    struct config *config = files_load((struct config_source){
        .file = "neap.ini", .settings = settings, .n_settings = LENGTH(settings)});
    struct buf rows = {0};
    config_rows(config, &rows, put_row);
    assert_string_equal(buf_string(&rows), "[neap] plugins = plugins (default)\n"
                                           "[neap] drain = 25s (default)\n"
                                           "[neap] watch = no (default)\n"
                                           "[neap] max_children = 3 (neap.ini:2)\n"
                                           "[neap] grace = 2s (default)\n"
                                           "[neap] max_stuck = 8 (default)\n"
                                           "[pool default] workers = 2 (neap.ini:4)\n"
                                           "[pool default] slots = 3 (--set)\n"
                                           "[pool default] queues = * (default)\n"
                                           "[pool default] slice = 10ms (default)\n"
                                           "[pool default] memory = 256M (default)\n"
                                           "[pool default] sandbox = standard (default)\n"
                                           "[queue q] concurrency = none (default)\n"
                                           "[queue q] capacity = 1000000 (default)\n"
                                           "[queue q] when_full = block (default)\n"
                                           "[queue q] rate = 5/s (neap.ini:8)\n"
                                           "[queue q] ageing = none (default)\n"
                                           "[queue q] paused = no (default)\n"
                                           "[task *] timeout = 5m (neap.ini:11)\n"
                                           "[task *] retry.max = 2 (neap.ini:10)\n"
                                           "[schedule s] task = t (neap.ini:13)\n"
                                           "[schedule s] every = 1h (neap.ini:14)\n"
                                           "[schedule s] overlap = skip (default)\n"
                                           "[schedule s] catchup = skip (default)\n"
                                           "[store] url = memory (default)\n"
                                           "[store] keep_completed = 24h, 100000 (default)\n"
                                           "[store] keep_dead = 30d, 100000 (default)\n"
                                           "[store] window = 10000 (default)\n"
                                           "[http] socket = neap.sock (default)\n"
                                           "[http] listen = none (default)\n"
                                           "[http] token = none (default)\n"
                                           "[http] hosts = none (default)\n"
                                           "[http] max_body = 8M (default)\n"
                                           "[http] max_connections = 1024 (default)\n"
                                           "[http] max_per_address = none (default)\n"
                                           "[http] header_timeout = 10s (default)\n"
                                           "[http] body_timeout = 10s (default)\n"
                                           "[log] level = warn (neap.ini:6)\n"
                                           "[log] format = json (--set)\n");
    assert_int_equal(config_int(config, "pool default", "workers", -1), 2);
    assert_int_equal(config_int(config, "neap", "drain", -1), 25000);
    assert_int_equal(config_int(config, "pool default", "slice", -1), 10000);
    assert_int_equal(config_int(config, "pool default", "memory", -1), 256 << 20);
    assert_int_equal(config_int(config, "pool default", "sandbox", -1), 0);
    assert_int_equal(config_int(config, "log", "level", -1), NEAP_WARN);
    assert_int_equal(config_int(config, "neap", "plugins", -1), -1);
    assert_int_equal(config_int(config, "neap", "nothing", -1), -1);
    assert_int_equal(config_int(config, "pool other", "slots", -1), -1);
    buf_close(&rows);
    config_unref(config);
}

static void precedence_is_settings_then_includes_then_the_file(void **state)
{
    (void)state;
    mkdir("conf.d", 0700);
    mkdir("conf.d/keys", 0700);
    mkdir("conf.d/p", 0700);
    file_put("conf.d/keys/k", "from conf.d\n");
    file_put("conf.d/10-a.ini", "[neap]\ndrain = 2s\nplugins = p\n[pool default]\nslots = 2\n"
                                "[task t]\nconfig.k = file:keys/k\n");
    file_put("conf.d/9-b.ini", "[neap]\ndrain = 3s\ninclude = 10-a.ini, more.ini\n[pool default]\n"
                               "slots = 3\n");
    file_put("conf.d/more.ini", "[task t]\nconfig.more = 1\n");
    file_put("neap.ini", "[neap]\ninclude = conf.d/[0-9]*.ini, none/*.ini\ndrain = 1s\n"
                         "[pool default]\nworkers = 1\nslots = 1\n");
    const char *settings[] = {"[pool default] slots=9", "[pool default] slots=10"};
    struct config *config = files_load((struct config_source){
        .file = "neap.ini", .settings = settings, .n_settings = LENGTH(settings)});
    assert_int_equal(config->drain_ms, 3000); /* 9-b is read after 10-a */
    assert_int_equal(config->pools[0].workers, 1);
    assert_int_equal(config->pools[0].slots, 10);
    assert_string_equal(config->plugins[0], "conf.d/p");
    assert_task(config, "t", "k=<from conf.d> secret\nmore=<1>\n");
    config_unref(config);
}

static void settings_are_of_any_length(void **state)
{
    (void)state;
    char value[2000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    char *setting = mem_format("[task a.b] config.x = %s ; whole", value);
    char *want = mem_format("x=<%s ; whole>\n", value);
    const char *settings[] = {setting, " [neap]plugins=here "};
    mkdir("here", 0700);
    struct config *config =
        files_load((struct config_source){.settings = settings, .n_settings = LENGTH(settings)});
    assert_task(config, "a.b", want);
    assert_string_equal(config->plugins[0], "here");
    config_unref(config);
    free(setting);
    free(want);
}

static void plugins_of_the_command_line_replace_all(void **state)
{
    (void)state;
    file_put("neap.ini", "[neap]\nplugins = a\n");
    const char *plugins[] = {"b,c", "/d"};
    struct config *config = files_load((struct config_source){
        .file = "neap.ini", .plugins = plugins, .n_plugins = LENGTH(plugins)});
    assert_string_equal(config->plugins[0], "b,c");
    assert_string_equal(config->plugins[1], "/d");
    assert_null(config->plugins[2]);
    assert_true(config->plugins_set);
    config_unref(config);
    config = files_load_text("[neap]\nplugins =\n");
    assert_null(config->plugins[0]);
    assert_true(config->plugins_set);
    config_unref(config);
}

static void assert_change(const char *before, const char *after, const char *want)
{
    struct config *old = files_load_text(before), *new = files_load_text(after);
    struct buf told = {0};
    struct neap_error err = {0};
    const struct config_source source = {.problem = files_problem, .user = &told};
    const int rc = config_may_replace(old, new, &source, &err);
    assert_string_equal(buf_string(&told), want);
    assert_int_equal(rc, *want ? NEAP_ECONFIG : NEAP_OK);
    assert_int_equal(err.code, rc);
    buf_close(&told);
    config_unref(old);
    config_unref(new);
}

static void what_a_reload_may_change(void **state)
{
    (void)state;
    mkdir("a", 0700);
    mkdir("b", 0700);
    assert_change("", "", "");
    assert_change("[pool default]\nworkers = 4\nslots = 1\n",
                  "[pool default]\nworkers = 2\nslots = 5\nqueues = a\n", "");
    assert_change("[queue a]\n[neap]\ndrain = 1s\n", "[log]\nlevel = debug\n[queue b]\n", "");
    assert_change("[neap]\nplugins = a\n", "[neap]\nplugins = b\nwatch = yes\n",
                  "neap.ini:2: [neap] plugins: it was a and is b now, which takes a restart\n"
                  "neap.ini:3: [neap] watch: it was no and is yes now, which takes a restart\n");
    assert_change("[neap]\nplugins = a\n", "",
                  "default: [neap] plugins: it was a and is plugins now, which takes a restart\n");
    assert_change("", "[neap]\nmax_children = 10000\ngrace = 1m\nmax_stuck = 1\n",
                  "neap.ini:2: [neap] max_children: it was auto and is 10000 now, which takes a "
                  "restart\n"
                  "neap.ini:3: [neap] grace: it was 2s and is 1m now, which takes a restart\n"
                  "neap.ini:4: [neap] max_stuck: it was 8 and is 1 now, which takes a restart\n");
    assert_change("[pool default]\nslice = 1ms\nmemory = none\nsandbox = strict\n",
                  "[pool default]\nslice = 0.5ms\nmemory = 1G\n",
                  "neap.ini:2: [pool default] slice: it was 1ms and is 0.5ms now, which takes a "
                  "restart\n"
                  "neap.ini:3: [pool default] memory: it was none and is 1G now, which takes a "
                  "restart\n"
                  "default: [pool default] sandbox: it was strict and is standard now, which takes "
                  "a restart\n");
    assert_change("[pool default]\nslice = 0.01\nmemory = 262144K\n", "", "");
    assert_change("[task *]\ntimeout = 1s\n", "[task *]\ntimeout = none\n", "");
    assert_change("[pool a]\n", "\n[pool b]\n",
                  "neap.ini:2: [pool b]: a new pool takes a restart\n"
                  "neap.ini: [pool a]: it is gone, which takes a restart\n");
}

static void references_are_counted(void **state)
{
    (void)state;
    struct config *config = files_load_text("[task t]\nconfig.a = 1\n");
    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_task(config, "t", "a=<1>\n");
    config_unref(config);
    config_unref(NULL);
}

static void a_text_reads_no_other_file(void **state)
{
    (void)state;
    file_put("other.ini", "[log]\nlevel = debug\n");
    struct buf told = {0};
    struct config *config = NULL;
    struct neap_error err;
    const struct config_source source = {.problem = files_problem, .user = &told};
    const char *text = "[neap]\ninclude = *.ini\n[task t]\nconfig.a = file:other.ini\n";
    assert_int_equal(config_load_text(&config, &source, "x", text, strlen(text), &err),
                     NEAP_ECONFIG);
    assert_string_equal(buf_string(&told), "x:2: [neap] include: no file can be read here\n"
                                           "x:4: [task t] config.a: no file can be read here\n");
    buf_close(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_all_is_default),
        cmocka_unit_test(one_setting_is_found_whatever_is_wrong_elsewhere),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(the_most_specific_alert_task_wins),
        cmocka_unit_test(rates),
        cmocka_unit_test(a_value_goes_on_in_indented_lines),
        cmocka_unit_test(lines_of_199_bytes_and_comments_of_any_length),
        cmocka_unit_test(long_keys_keep_their_names_in_further_lines),
        cmocka_unit_test(the_most_specific_pattern_wins_field_by_field),
        cmocka_unit_test(secrets_are_shown_by_name),
        cmocka_unit_test(rows_say_where_each_value_is_from),
        cmocka_unit_test(precedence_is_settings_then_includes_then_the_file),
        cmocka_unit_test(settings_are_of_any_length),
        cmocka_unit_test(plugins_of_the_command_line_replace_all),
        cmocka_unit_test(what_a_reload_may_change),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(a_text_reads_no_other_file),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
