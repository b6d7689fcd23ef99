#include "test.h"

#include "base/numeric/groups.h"

static void items_follow_their_groups(void **state) {
    (void)state;
    const int64_t group[6] = {7, -1, 7, 3, -1, 7}, item[6] = {1, 4, 3, 0, 2, 5}, first[4] = {0, 2, 3, 6};
    sl_groups groups;
    assert_ok(sl_groups_collect(group, 6, &groups));
    assert_int_equal(groups.count, 3);
    assert_memory_equal(groups.item, item, sizeof item);
    assert_memory_equal(groups.first, first, sizeof first);
    sl_groups_free(&groups);
}

static void without_groups_each_is_its_own(void **state) {
    (void)state;
    sl_groups groups;
    assert_ok(sl_groups_collect(NULL, 3, &groups));
    assert_int_equal(groups.count, 3);
    for (int64_t g = 0; g < 3; g++) assert_true(groups.first[g] == g && groups.item[g] == g);
    sl_groups_free(&groups);
}

static void nothing_has_no_group(void **state) {
    (void)state;
    sl_groups groups;
    assert_ok(sl_groups_collect(NULL, 0, &groups));
    assert_true(groups.count == 0 && groups.first[0] == 0);
    sl_groups_free(&groups);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_follow_their_groups),
        cmocka_unit_test(without_groups_each_is_its_own),
        cmocka_unit_test(nothing_has_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
