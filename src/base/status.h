/* Outcome of a call, and the message that explains a failure.
 *
 * Functions that can fail return sl_status; results go through out-parameters, which are untouched on
 * failure unless said otherwise. The message lives in the calling thread and grows from the inside out:
 * the failing place calls sl_fail(), callers may add a frame with sl_context(). Reporting never allocates,
 * so it cannot itself fail. */
#ifndef SL_BASE_STATUS_H
#define SL_BASE_STATUS_H

typedef enum sl_status {
#define SL_STATUS(name, text, exit_code, http) SL_##name,
#include "base/status.def"
#undef SL_STATUS
    SL_STATUS_COUNT
} sl_status;

#if defined(__GNUC__)
#define SL_PRINTF(format_arg, first_arg) __attribute__((format(printf, format_arg, first_arg)))
#else
#define SL_PRINTF(format_arg, first_arg)
#endif

/* Set this thread's message and return `code`. Say what was found, what was expected, and where. */
sl_status sl_fail(sl_status code, const char *format, ...) SL_PRINTF(2, 3);

/* As sl_fail, with the text of errno appended; ENOSPC/EDQUOT turn the code into SL_FULL, ENOMEM into
 * SL_MEMORY, ENOENT into SL_NOT_FOUND, EACCES/EPERM into SL_DENIED, all others into SL_IO. */
sl_status sl_fail_errno(const char *format, ...) SL_PRINTF(1, 2);

/* Put a frame ("reading image 'a.edf'") before the message of a failed call; no effect on SL_OK. Returns
 * `code`. */
sl_status sl_context(sl_status code, const char *format, ...) SL_PRINTF(2, 3);

enum { SL_ERROR_MESSAGE_BYTES = 2048 }; /* longer messages are cut */

/* The message of the last failure in this thread; "" when there was none. Valid until the next sl_fail. */
const char *sl_error_message(void);
void sl_error_clear(void);

const char *sl_status_name(sl_status code); /* "NOT_FOUND" */
const char *sl_status_text(sl_status code); /* "not found" */
int sl_status_exit_code(sl_status code);
int sl_status_http(sl_status code);

/* Return at once when `expr` fails. */
#define SL_TRY(expr)                                                                                         \
    do {                                                                                                     \
        sl_status sl_try_status_ = (expr);                                                                   \
        if (sl_try_status_ != SL_OK) return sl_try_status_;                                                  \
    } while (0)

/* Go to `label` with `status` set when `expr` fails; for functions that must release what they hold. */
#define SL_GUARD(status, expr, label)                                                                        \
    do {                                                                                                     \
        (status) = (expr);                                                                                   \
        if ((status) != SL_OK) goto label;                                                                   \
    } while (0)

#endif
