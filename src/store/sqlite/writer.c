/* One thread writes. Writes that arrive while a transaction goes to disk are done together in the next one,
 * each in its own savepoint, so that one that fails takes no other with it. */
#include "store/sqlite/internal.h"

#include <stdio.h>
#include <string.h>

static void end_write(sl_write *write, sl_status status) {
    write->status = status;
    if (status) snprintf(write->message, sizeof write->message, "%s", sl_error_message());
}

static sl_status run_one(sl_db *db, sl_write *write) {
    SL_TRY(sl_db_script(db, "SAVEPOINT one"));
    sl_status status = write->run(db, write->arguments);
    end_write(write, status);
    /* a full disk, say: SQLite has given up the transaction, the savepoint with it */
    if (status && sqlite3_get_autocommit(db->handle)) return sl_fail(status, "%s", write->message);
    return sl_db_script(db, status ? "ROLLBACK TO one; RELEASE one" : "RELEASE one");
}

/* SL_OK once all writes of the list that did not fail on their own are on disk. */
static sl_status run_batch(sl_db *db, sl_write *head) {
    SL_TRY(sl_db_script(db, "BEGIN IMMEDIATE"));
    sl_status status = SL_OK;
    for (sl_write *write = head; write && !status; write = write->next) status = run_one(db, write);
    if (!status) status = sl_db_script(db, "COMMIT");
    if (status && !sqlite3_get_autocommit(db->handle)) {
        char message[512];
        snprintf(message, sizeof message, "%s", sl_error_message());
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        status = sl_fail(status, "%s", message);
    }
    return status;
}

static void *writer_thread(void *context) {
    sl_sqlite_store *store = context;
    pthread_mutex_lock(&store->queue_lock);
    for (;;) {
        while (!store->queue_head && !store->stopping)
            pthread_cond_wait(&store->queue_filled, &store->queue_lock);
        sl_write *batch = store->queue_head;
        if (!batch) break;
        store->queue_head = store->queue_tail = NULL;
        pthread_mutex_unlock(&store->queue_lock);
        sl_status status = run_batch(&store->writer, batch);
        if (status)
            for (sl_write *write = batch; write; write = write->next) end_write(write, status);
        pthread_mutex_lock(&store->queue_lock);
        for (sl_write *write = batch, *next; write; write = next) {
            next = write->next;
            write->done = true;
        }
        pthread_cond_broadcast(&store->batch_done);
    }
    pthread_mutex_unlock(&store->queue_lock);
    return NULL;
}

sl_status sl_sqlite_write(sl_store *base, sl_status (*run)(sl_db *db, void *arguments), void *arguments) {
    sl_sqlite_store *store = (sl_sqlite_store *)base;
    sl_write write = {.run = run, .arguments = arguments};
    pthread_mutex_lock(&store->queue_lock);
    if (store->queue_tail) {
        store->queue_tail->next = &write;
    } else {
        store->queue_head = &write;
    }
    store->queue_tail = &write;
    pthread_cond_signal(&store->queue_filled);
    while (!write.done) pthread_cond_wait(&store->batch_done, &store->queue_lock);
    pthread_mutex_unlock(&store->queue_lock);
    return write.status ? sl_fail(write.status, "%s", write.message) : SL_OK;
}

sl_status sl_sqlite_writer_start(sl_sqlite_store *store) {
    int code = pthread_create(&store->thread, NULL, writer_thread, store);
    return code ? sl_fail(SL_INTERNAL, "cannot start the writer thread: %s", strerror(code)) : SL_OK;
}

void sl_sqlite_writer_stop(sl_sqlite_store *store) {
    pthread_mutex_lock(&store->queue_lock);
    store->stopping = true;
    pthread_cond_signal(&store->queue_filled);
    pthread_mutex_unlock(&store->queue_lock);
    pthread_join(store->thread, NULL);
}
