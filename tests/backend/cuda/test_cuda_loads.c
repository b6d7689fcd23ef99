/* The library as built: it loads on any machine, shows one name, and says why there is no device. */
#include "test.h"

#include "backend/device.h"

#include <dlfcn.h>
#include <string.h>

static const char *path;
static char message[512];

static sl_status keep(sl_status code, const char *format, va_list arguments) {
    vsnprintf(message, sizeof message, format, arguments);
    return code;
}

static void test_loads_and_counts(void **state) {
    static const sl_device_host host = {.abi = SL_DEVICE_ABI, .fail = keep, .context = keep};
    sl_device_module_function function;
    (void)state;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_msg("%s", dlerror());
    void *symbol = dlsym(library, SL_DEVICE_MODULE_SYMBOL);
    assert_non_null(symbol);
    memcpy(&function, &symbol, sizeof function);
    const sl_device_module_table *module = function(&host);
    assert_non_null(module);
    assert_true(module->kernel_count > 0);
    int count = -1;
    assert_int_equal(module->count(&count), SL_OK);
    assert_true(count >= 0);
    void *device = NULL;
    char reason[sizeof message];
    memcpy(reason, message, sizeof reason);
    if (count == 0) {
        assert_string_not_equal(reason, "");
        assert_int_not_equal(module->open(0, &device), SL_OK);
        assert_string_equal(message, reason);
        print_message("no device: %s\n", reason);
    }
    /* what is inside stays inside */
    assert_null(dlsym(library, "sl_cuda_api"));
    assert_null(dlsym(library, "sl_fail"));
    for (int i = 0; i < module->kernel_count; i++) assert_non_null(module->kernels[i].code->run);
}

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loads_and_counts)};
    if (count != 2) return 2;
    path = arguments[1];
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
