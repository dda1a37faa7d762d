#include "base/cpus.h"

#include "config_files.h"

static void put_group(const char *groups, const char *file, const char *text)
{
    file_put("root/proc/self/cgroup", groups);
    file_put(file, text);
}

static int begin(void **state)
{
    if (files_begin(state))
        return -1;
    static const char *const dirs[] = {"root",
                                       "root/proc",
                                       "root/proc/self",
                                       "root/sys",
                                       "root/sys/fs",
                                       "root/sys/fs/cgroup",
                                       "root/sys/fs/cgroup/a",
                                       "root/sys/fs/cgroup/a/b",
                                       "root/sys/fs/cgroup/cpu",
                                       "root/sys/fs/cgroup/cpu/c"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (mkdir(dirs[i], 0700))
            return -1;
    return 0;
}

static void at_least_one(void **state)
{
    (void)state;
    assert_in_range(cpus_available(), 1, 1 << 20);
    assert_int_equal(cpus_quota("none"), 0);
}

static void the_smallest_quota_on_the_way_up_holds(void **state)
{
    (void)state;
    const char *groups = "1:name=systemd:/a\n0::/a/b\n";
    put_group(groups, "root/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(cpus_quota("root"), 0);
    put_group(groups, "root/sys/fs/cgroup/a/b/cpu.max", "350000 100000\n");
    assert_int_equal(cpus_quota("root"), 4);
    put_group(groups, "root/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    assert_int_equal(cpus_quota("root"), 1);
    put_group("0::/not/here\n", "root/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(cpus_quota("root"), 2); /* a container's own root */
    put_group("0::/\n", "root/sys/fs/cgroup/cpu.max", "nonsense\n");
    assert_int_equal(cpus_quota("root"), 0);
}

static void the_first_version_too(void **state)
{
    (void)state;
    const char *groups = "5:cpuset:/a\n4:cpuacct,cpu:/c\n0::/\n";
    put_group(groups, "root/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
    put_group(groups, "root/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(cpus_quota("root"), 0);
    put_group(groups, "root/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "150000\n");
    assert_int_equal(cpus_quota("root"), 2);
    put_group("4:cpuset:/c\n", "root/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "150000\n");
    assert_int_equal(cpus_quota("root"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_least_one),
        cmocka_unit_test(the_smallest_quota_on_the_way_up_holds),
        cmocka_unit_test(the_first_version_too),
    };
    return cmocka_run_group_tests(tests, begin, files_end);
}
