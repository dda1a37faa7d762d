/* Days and dates of the Gregorian calendar, before and after its start alike. Pure.
 * A day is counted from 1970-01-01; months are 1-12, days 1-31, weekdays 0-6 from Sunday. */
#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_DAY_S 86400

struct date {
    int64_t year;
    int month, day;
};

static inline int64_t date_floor(int64_t a, int64_t b) /* a / b rounded down; b > 0 */
{
    return a / b - (a % b < 0);
}

static inline bool date_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static inline int date_month_days(int64_t year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && date_leap(year));
}

/* Years begin in March here, so that the leap day comes last. */
static inline int64_t date_to_days(struct date date)
{
    const int64_t year = date.year - (date.month <= 2);
    const int64_t era = date_floor(year, 400);
    const int64_t of_era = year - era * 400;
    const int64_t of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline struct date date_from_days(int64_t days)
{
    const int64_t era = date_floor(days + 719468, 146097);
    const int64_t day = days + 719468 - era * 146097;
    const int64_t of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int of_year = (int)(day - (365 * of_era + of_era / 4 - of_era / 100));
    const int march = (5 * of_year + 2) / 153; /* 0: March */
    const int month = march < 10 ? march + 3 : march - 9;
    return (struct date){era * 400 + of_era + (month <= 2), month,
                         of_year - (153 * march + 2) / 5 + 1};
}

static inline int date_weekday(int64_t days)
{
    const int64_t since_thursday = days + 4;
    return (int)(since_thursday - date_floor(since_thursday, 7) * 7);
}

#endif
