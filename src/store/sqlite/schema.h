#ifndef SL_STORE_SQLITE_SCHEMA_H
#define SL_STORE_SQLITE_SCHEMA_H

/* Step k, a list of statements that ends with NULL, brings a database of version k (0: empty) to version k
 * + 1. Never change one that has been released: append. */
extern const char *const *const sl_schema_steps[];
extern const int sl_schema_version;

#endif
