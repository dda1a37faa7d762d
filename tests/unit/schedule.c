/* When [schedule] sections are due: ticks, missed ones, reloads, restarts, a clock that is set. */
#include "engine/schedule.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define T0 (20000 * DAY) /* a midnight */

static struct cron cron_of(const char *text)
{
    struct cron cron;
    struct neap_error err;
    if (cron_parse(&cron, text, &err))
        fail_msg("%s", err.message);
    return cron;
}

/* ---- a world: schedules, the notes of a store, and two clocks */

#define PLANS 4

struct world {
    struct zone *utc;
    struct config_schedule plans[PLANS];
    struct config config;
    struct schedules s;
    char names[PLANS][20], notes[PLANS][200];
    int64_t now_ms, passed_ms;
    char ran[60000]; /* what ran, as "NAME+MINUTES" since T0, and missed or skipped ticks */
};

static const void *note_of(void *user, const char *name, size_t *len)
{
    struct world *w = user;
    for (int i = 0; i < PLANS; i++)
        if (strcmp(w->names[i], name) == 0) {
            *len = strlen(w->notes[i]);
            return w->notes[i];
        }
    return NULL;
}

static void keep_note(struct world *w, struct schedule *s)
{
    struct buf out = {0};
    int i = 0;
    while (w->names[i][0] && strcmp(w->names[i], s->plan->name) != 0)
        i++;
    assert_true(i < PLANS);
    strcpy(w->names[i], s->plan->name);
    schedule_put_note(s, &out);
    assert_true(out.len < sizeof w->notes[i]);
    strcpy(w->notes[i], buf_string(&out));
    buf_close(&out);
    s->changed = false;
}

static void keep_notes(struct world *w)
{
    for (size_t i = 0; i < w->s.count; i++)
        if (w->s.items[i].changed)
            keep_note(w, &w->s.items[i]);
}

static void follow(struct world *w)
{
    schedules_follow(&w->s, &w->config, w->now_ms, w->passed_ms, w, note_of);
    keep_notes(w);
}

static struct config_schedule *add_cron(struct world *w, const char *name, const char *text)
{
    struct config_schedule *plan = &w->plans[w->config.n_schedules++];
    *plan = (struct config_schedule){.name = (char *)name,
                                     .task = "t",
                                     .has_cron = true,
                                     .cron = cron_of(text),
                                     .cron_text = (char *)text,
                                     .overlap = true,
                                     .zone = w->utc};
    return plan;
}

static struct config_schedule *add_every(struct world *w, const char *name, int64_t every_ms)
{
    struct config_schedule *plan = &w->plans[w->config.n_schedules++];
    *plan = (struct config_schedule){
        .name = (char *)name, .task = "t", .every_ms = every_ms, .overlap = true};
    return plan;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->now_ms = T0;
    w->passed_ms = 5 * DAY;
    w->config.schedules = w->plans;
    assert_int_equal(zone_open(&w->utc, "UTC", NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    schedules_close(&w->s);
    zone_free(w->utc);
    free(w);
    return 0;
}

static void say(struct world *w, const char *format, ...)
{
    const size_t len = strlen(w->ran);
    va_list args;
    va_start(args, format);
    vsnprintf(w->ran + len, sizeof w->ran - len, format, args);
    va_end(args);
}

/* As the engine does in a turn. */
static void turn_busy(struct world *w, bool busy)
{
    schedules_see(&w->s, w->now_ms, w->passed_ms);
    for (size_t i = 0; i < w->s.count; i++) {
        struct schedule *item = &w->s.items[i];
        struct schedule_tick tick;
        while (item->next_ms <= w->now_ms && schedule_take(item, w->now_ms, busy, &tick)) {
            if (tick.missed)
                say(w, "%s-%" PRIu64 " ", item->plan->name, tick.missed);
            if (tick.overlaps)
                say(w, "%s! ", item->plan->name);
            if (tick.at_ms)
                say(w, "%s+%.7g ", item->plan->name, (double)(tick.at_ms - T0) / MINUTE);
            if (item->waiting)
                break;
        }
    }
    keep_notes(w);
}

static void pass(struct world *w, int64_t ms) /* both clocks */
{
    w->now_ms += ms;
    w->passed_ms += ms;
    turn_busy(w, false);
}

/* In steps, so that each tick is noticed. */
static void live(struct world *w, int64_t ms)
{
    for (int64_t step; ms > 0; ms -= step) {
        step = ms < SECOND ? ms : SECOND;
        pass(w, step);
    }
}

static void set_clock(struct world *w, int64_t step_ms)
{
    w->now_ms += step_ms;
    turn_busy(w, false);
}

static void away(struct world *w, int64_t ms) /* a restart that takes so long */
{
    w->now_ms += ms;
    w->passed_ms = 17;
    follow(w);
    turn_busy(w, false);
}

static void expect(struct world *w, const char *want)
{
    assert_string_equal(w->ran, want);
    w->ran[0] = 0;
}

/* ---- tests */

static void nothing_is_never_due(void **state)
{
    struct world *w = *state;
    follow(w);
    assert_int_equal(schedules_next_ms(&w->s), INT64_MAX);
    pass(w, DAY);
    expect(w, "");
}

static void every_keeps_its_phase(void **state)
{
    struct world *w = *state;
    add_every(w, "a", 10 * MINUTE);
    follow(w);
    assert_int_equal(schedules_next_ms(&w->s), T0 + 10 * MINUTE);
    pass(w, 10 * MINUTE - 1);
    expect(w, "");
    pass(w, 4);
    expect(w, "a+10 ");
    assert_int_equal(schedules_next_ms(&w->s), T0 + 20 * MINUTE);
    away(w, 15 * MINUTE); /* 25 minutes: what came at 20 was missed */
    expect(w, "a-1 ");
    assert_int_equal(schedules_next_ms(&w->s), T0 + 30 * MINUTE);
    live(w, 6 * MINUTE);
    expect(w, "a+30 ");
}

static void late_by_less_than_a_minute_is_not_missed(void **state)
{
    struct world *w = *state;
    add_every(w, "a", 10 * SECOND);
    add_cron(w, "c", "0 3 * * *");
    follow(w);
    pass(w, 57 * SECOND); /* somebody stopped the process: once for all */
    expect(w, "a-4 a+0.8333333 ");
    live(w, 3 * HOUR - 80 * SECOND);
    w->ran[0] = 0;
    away(w, 70 * SECOND); /* a restart at three o'clock */
    expect(w, "a-6 a+180.6667 c+180 ");
    assert_int_equal(w->s.items[1].skipped, 0);
    assert_int_equal(w->s.items[0].skipped, 10);
}

static void what_was_missed_is_skipped_or_runs_once_or_all_of_it(void **state)
{
    struct world *w = *state;
    add_cron(w, "s", "0 * * * *");
    add_cron(w, "o", "0 * * * *")->catchup = CATCHUP_ONCE;
    add_cron(w, "a", "0 * * * *")->catchup = CATCHUP_ALL;
    add_every(w, "e", HOUR)->catchup = CATCHUP_ALL;
    follow(w);
    live(w, HOUR);
    expect(w, "s+60 o+60 a+60 e+60 ");
    away(w, 3 * HOUR + 5 * MINUTE);
    expect(w, "s-3 o-2 o+240 a+120 a+180 a+240 e+120 e+180 e+240 ");
    assert_int_equal(w->s.items[0].skipped, 3);
    assert_int_equal(w->s.items[1].skipped, 2);
    assert_int_equal(w->s.items[2].skipped, 0);
    turn_busy(w, false);
    expect(w, "");
    live(w, 55 * MINUTE);
    expect(w, "s+300 o+300 a+300 e+300 ");
    away(w, 1000 * DAY + 30 * MINUTE); /* all is bounded */
    assert_non_null(strstr(w->ran, "s-24000 o-23999 o+1440300 a-23000 a+1380360 a+1380420 "));
    assert_non_null(strstr(w->ran, "e-23000 e+1380360 "));
    assert_int_equal(w->s.items[2].skipped, 23000);
    assert_int_equal(schedules_next_ms(&w->s), T0 + 1000 * DAY + 6 * HOUR);
}

static void a_crash_neither_loses_nor_doubles_a_tick(void **state)
{
    struct world *w = *state;
    char before[sizeof w->notes];
    add_cron(w, "c", "*/5 * * * *")->catchup = CATCHUP_ALL;
    follow(w);
    live(w, 5 * MINUTE);
    expect(w, "c+5 ");
    memcpy(before, w->notes, sizeof before);
    live(w, 5 * MINUTE);
    expect(w, "c+10 ");
    memcpy(w->notes, before, sizeof before); /* the commit did not get there */
    away(w, MINUTE);
    expect(w, "c+10 ");
    away(w, MINUTE);
    away(w, MINUTE);
    expect(w, "");
    live(w, 2 * MINUTE);
    expect(w, "c+15 ");
}

static void ticks_owed_wait_for_the_last_job(void **state)
{
    struct world *w = *state;
    struct config_schedule *plan = add_cron(w, "a", "0 * * * *");
    plan->catchup = CATCHUP_ALL;
    plan->overlap = false;
    follow(w);
    live(w, HOUR);
    expect(w, "a+60 ");
    pass(w, 3 * HOUR - MINUTE); /* stopped, and the clock ran on */
    expect(w, "a+120 a+180 ");
    away(w, 2 * HOUR + 5 * MINUTE);
    expect(w, "a+240 a+300 a+360 ");
    w->now_ms += 3 * HOUR;
    w->passed_ms += 3 * HOUR;
    turn_busy(w, true);
    turn_busy(w, true);
    expect(w, "");
    assert_int_equal(schedules_next_ms(&w->s), INT64_MAX); /* nothing to wake up for */
    struct schedule *item = &w->s.items[0];
    struct schedule_tick tick;
    assert_true(schedule_take(item, w->now_ms, false, &tick));
    assert_int_equal(tick.at_ms, T0 + 7 * HOUR);
    assert_false(schedule_take(item, w->now_ms, true, &tick));
    keep_notes(w);
    follow(w); /* a reload keeps what is owed */
    turn_busy(w, true);
    expect(w, "");
    turn_busy(w, false);
    expect(w, "a+480 a+540 ");
    w->now_ms += 56 * MINUTE + 1;
    w->passed_ms += 56 * MINUTE + 1;
    turn_busy(w, true); /* on time, and the job runs still */
    expect(w, "a! ");
    assert_int_equal(item == w->s.items, 0);
    assert_int_equal(w->s.items[0].skipped, 1);
}

static void one_that_overlaps_is_skipped(void **state)
{
    struct world *w = *state;
    add_cron(w, "no", "0 * * * *")->overlap = false;
    add_cron(w, "yes", "0 * * * *");
    follow(w);
    w->now_ms += HOUR;
    w->passed_ms += HOUR;
    turn_busy(w, true);
    expect(w, "no! yes+60 ");
    assert_int_equal(w->s.items[0].skipped, 1);
    assert_int_equal(w->s.items[0].ran_ms, 0);
}

static void a_clock_put_forward_misses_ticks_of_a_cron_only(void **state)
{
    struct world *w = *state;
    add_cron(w, "s", "30 * * * *");
    add_cron(w, "o", "30 * * * *")->catchup = CATCHUP_ONCE;
    add_every(w, "e", 90 * MINUTE)->catchup = CATCHUP_ALL;
    follow(w);
    live(w, 10 * MINUTE);
    set_clock(w, HOUR); /* 1:10 */
    expect(w, "s-1 o+30 ");
    live(w, 20 * MINUTE);
    expect(w, "s+90 o+90 ");
    live(w, HOUR - SECOND); /* not early: 90 minutes have not passed */
    expect(w, "");
    live(w, SECOND);
    expect(w, "s+150 o+150 e+150 ");
}

static void a_clock_set_back_runs_no_tick_twice(void **state)
{
    struct world *w = *state;
    add_cron(w, "c", "30 * * * *");
    add_cron(w, "f", "*/20 * * * *");
    add_every(w, "e", 20 * MINUTE);
    follow(w);
    live(w, 45 * MINUTE);
    expect(w, "f+20 e+20 c+30 f+40 e+40 ");
    set_clock(w, -40 * MINUTE); /* 0:05 */
    expect(w, "");
    live(w, 15 * MINUTE); /* 20 minutes after the last one, and 0:20 has been */
    expect(w, "e+20 ");
    live(w, 39 * MINUTE);
    expect(w, "e+40 ");
    live(w, 31 * MINUTE);
    expect(w, "f+60 e+60 f+80 e+80 c+90 ");
    away(w, -50 * MINUTE); /* set back while neap was not there: 0:40 */
    expect(w, "");
    live(w, 59 * MINUTE);
    expect(w, "e+60 e+80 ");
    live(w, MINUTE);
    expect(w, "f+100 e+100 ");
}

static void back_and_forth_loses_nothing(void **state)
{
    struct world *w = *state;
    add_cron(w, "c", "30 * * * *");
    follow(w);
    live(w, 10 * MINUTE);
    set_clock(w, HOUR);
    expect(w, "c-1 ");
    live(w, MINUTE);
    set_clock(w, -HOUR);
    live(w, 20 * MINUTE);
    expect(w, "c+30 ");
    live(w, HOUR);
    expect(w, "c+90 ");
}

static void a_clock_that_was_wrong_by_days_begins_anew(void **state)
{
    struct world *w = *state;
    add_cron(w, "c", "*/5 * * * *");
    add_every(w, "e", 10 * MINUTE);
    w->now_ms = T0 + 1000 * DAY;
    follow(w);
    live(w, 6 * MINUTE);
    w->ran[0] = 0;
    set_clock(w, -1000 * DAY); /* 0:06 of the day that it is */
    live(w, 4 * MINUTE);
    expect(w, "c+10 e+10 ");
    set_clock(w, 1000 * DAY);
    live(w, 5 * MINUTE);
    w->ran[0] = 0;
    away(w, -1000 * DAY); /* 0:15 */
    live(w, 5 * MINUTE);
    expect(w, "c+20 ");
}

static void small_corrections_change_nothing(void **state)
{
    struct world *w = *state;
    add_cron(w, "c", "* * * * *");
    add_every(w, "e", MINUTE);
    follow(w);
    for (int i = 0; i < 10; i++) {
        live(w, MINUTE);
        set_clock(w, -700);
        set_clock(w, 700);
    }
    expect(w, "c+1 e+1 c+2 e+2 c+3 e+3 c+4 e+4 c+5 e+5 c+6 e+6 c+7 e+7 c+8 e+8 c+9 e+9 c+10 "
              "e+10 ");
}

static void a_reload_keeps_what_did_not_change(void **state)
{
    struct world *w = *state;
    add_every(w, "same", MINUTE);
    add_every(w, "pace", MINUTE);
    add_cron(w, "zone", "0 3 * * *");
    follow(w);
    for (int i = 0; i < 3; i++) {
        w->s.items[i].last_job = (uint64_t)i + 7;
        w->s.items[i].changed = true;
    }
    pass(w, 40 * SECOND);
    w->config.n_schedules = 0;
    add_every(w, "fresh", 90 * SECOND);
    add_every(w, "pace", 30 * SECOND);
    add_every(w, "same", MINUTE)->task = "other";
    add_cron(w, "zone", "0 3 * * *")->zone_text = "Europe/Paris";
    follow(w);
    assert_int_equal(w->s.count, 4);
    assert_int_equal(w->s.items[0].next_ms, T0 + 130 * SECOND);
    assert_int_equal(w->s.items[0].last_job, 0);
    assert_int_equal(w->s.items[1].next_ms, T0 + 70 * SECOND);
    assert_int_equal(w->s.items[1].last_job, 8);
    assert_int_equal(w->s.items[2].next_ms, T0 + MINUTE);
    assert_int_equal(w->s.items[2].last_job, 7);
    assert_ptr_equal(w->s.items[2].plan, &w->plans[2]);
    assert_int_equal(w->s.items[3].done_ms, T0 + 40 * SECOND); /* begins anew */
    assert_int_equal(w->s.items[3].last_job, 9);
}

static void a_pause_lasts_and_owes_nothing(void **state)
{
    struct world *w = *state;
    add_cron(w, "c", "0 * * * *")->catchup = CATCHUP_ALL;
    add_every(w, "e", 20 * MINUTE)->catchup = CATCHUP_ONCE;
    follow(w);
    for (int i = 0; i < 2; i++)
        schedule_set_paused(&w->s.items[i], true, w->now_ms);
    keep_notes(w);
    live(w, 2 * HOUR);
    away(w, 2 * HOUR + 5 * MINUTE);
    assert_int_equal(schedules_next_ms(&w->s), INT64_MAX);
    assert_true(w->s.items[0].paused && w->s.items[1].paused);
    expect(w, "");
    for (int i = 0; i < 2; i++)
        schedule_set_paused(&w->s.items[i], false, w->now_ms);
    turn_busy(w, false);
    expect(w, "");
    live(w, 55 * MINUTE);
    expect(w, "e+260 e+280 c+300 e+300 ");
    assert_int_equal(w->s.items[0].skipped, 0);
}

static void notes_that_are_not_ours_begin_anew(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "2 1 2 3 4 0 every 60000",
                                      "1 x",
                                      "1 1 2 3 4 0",
                                      "1 -5 2 3 4 0 every 60000",
                                      "1 99999999999999999999999 0 0 0 0 every 60000"};
    struct world *w = *state;
    add_every(w, "e", MINUTE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(w->names[0], "e");
        strcpy(w->notes[0], bad[i]);
        w->now_ms = T0;
        follow(w);
        assert_int_equal(schedules_next_ms(&w->s), T0 + MINUTE);
        assert_false(w->s.items[0].paused);
    }
}

static void ticks_to_come(void **state)
{
    struct world *w = *state;
    int64_t at_ms[3];
    add_cron(w, "c", "0 0 1 1 *");
    add_every(w, "e", HOUR)->catchup = CATCHUP_ALL;
    follow(w);
    assert_int_equal(schedule_coming(&w->s.items[1], T0 + 3 * HOUR, at_ms, 3), 3);
    assert_int_equal(at_ms[0], T0 + HOUR); /* is owed */
    assert_int_equal(at_ms[2], T0 + 3 * HOUR);
    assert_int_equal(schedule_coming(&w->s.items[0], T0, at_ms, 3), 3);
    assert_true(at_ms[2] - at_ms[0] >= 730 * DAY);
    schedule_set_paused(&w->s.items[0], true, T0);
    assert_int_equal(schedule_coming(&w->s.items[0], T0, at_ms, 3), 0);
    schedule_pass(&w->s.items[1], T0 + 5 * HOUR);
    assert_int_equal(w->s.items[1].skipped, 5);
    assert_int_equal(w->s.items[1].next_ms, T0 + 6 * HOUR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_never_due),
        TEST(every_keeps_its_phase),
        TEST(late_by_less_than_a_minute_is_not_missed),
        TEST(what_was_missed_is_skipped_or_runs_once_or_all_of_it),
        TEST(a_crash_neither_loses_nor_doubles_a_tick),
        TEST(ticks_owed_wait_for_the_last_job),
        TEST(one_that_overlaps_is_skipped),
        TEST(a_clock_put_forward_misses_ticks_of_a_cron_only),
        TEST(a_clock_set_back_runs_no_tick_twice),
        TEST(back_and_forth_loses_nothing),
        TEST(a_clock_that_was_wrong_by_days_begins_anew),
        TEST(small_corrections_change_nothing),
        TEST(a_reload_keeps_what_did_not_change),
        TEST(a_pause_lasts_and_owes_nothing),
        TEST(notes_that_are_not_ours_begin_anew),
        TEST(ticks_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
