/* Tables are STRICT; names and labels are stored as words, so that the file can be read without this program.
 * Wide texts (provenance, vectors) have tables of their own: lists never read past them. */
#include "store/sqlite/schema.h"

#include <stddef.h>

static const char *const first[] = {
    "CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",

    "CREATE TABLE round(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES round, number INTEGER NOT NULL "
    "UNIQUE,"
    " config TEXT NOT NULL, seed INTEGER NOT NULL, dataset_hash TEXT, state TEXT NOT NULL, metrics TEXT,"
    " created INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0) STRICT",
    "CREATE TABLE round_step(round INTEGER NOT NULL REFERENCES round, name TEXT NOT NULL, state TEXT NOT "
    "NULL,"
    " result TEXT, started INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(round, name)) STRICT, WITHOUT ROWID",

    "CREATE TABLE run(id INTEGER PRIMARY KEY, round INTEGER REFERENCES round, kind TEXT NOT NULL,"
    " config TEXT NOT NULL, seed INTEGER NOT NULL, state TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0,"
    " total INTEGER NOT NULL DEFAULT 0, unit TEXT, note TEXT, result TEXT, process INTEGER NOT NULL,"
    " created INTEGER NOT NULL, updated INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0,"
    " version TEXT NOT NULL) STRICT",
    "CREATE INDEX run_by_state ON run(state)",
    "CREATE TABLE run_metric(run INTEGER NOT NULL REFERENCES run, name TEXT NOT NULL, step INTEGER NOT NULL,"
    " value REAL NOT NULL, PRIMARY KEY(run, name, step)) STRICT, WITHOUT ROWID",

    "CREATE TABLE model(id INTEGER PRIMARY KEY, hash TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " path TEXT NOT NULL, config TEXT, metrics TEXT, parents TEXT, run INTEGER REFERENCES run,"
    " round INTEGER REFERENCES round, created INTEGER NOT NULL, UNIQUE(kind, hash)) STRICT",

    "CREATE TABLE image(id INTEGER PRIMARY KEY, content_hash TEXT NOT NULL, object_hash TEXT NOT NULL,"
    " origin TEXT NOT NULL CHECK(origin IN ('experimental','simulated','generated')),"
    " split TEXT NOT NULL CHECK(split IN ('train','calibration','test')), group_key TEXT NOT NULL, caption "
    "TEXT,"
    " source TEXT, run INTEGER REFERENCES run, run_index INTEGER NOT NULL, round INTEGER REFERENCES round,"
    " parent INTEGER REFERENCES image, seed INTEGER NOT NULL, generator INTEGER REFERENCES model,"
    " lora INTEGER REFERENCES model, steps INTEGER NOT NULL, guidance REAL NOT NULL, scheduler TEXT,"
    " height_px INTEGER NOT NULL CHECK(height_px > 0), width_px INTEGER NOT NULL CHECK(width_px > 0),"
    " dtype TEXT NOT NULL, fingerprint TEXT, created INTEGER NOT NULL) STRICT",
    "CREATE UNIQUE INDEX image_of_run ON image(run, run_index) WHERE run IS NOT NULL",
    "CREATE INDEX image_by_content ON image(content_hash)", "CREATE INDEX image_by_origin ON image(origin)",
    "CREATE INDEX image_by_split ON image(split)", "CREATE INDEX image_by_group ON image(group_key)",
    "CREATE INDEX image_by_round ON image(round) WHERE round IS NOT NULL",
    "CREATE TABLE provenance(image INTEGER PRIMARY KEY REFERENCES image, json TEXT NOT NULL) STRICT",
    "CREATE TABLE embedding(image INTEGER NOT NULL REFERENCES image, model INTEGER NOT NULL REFERENCES model,"
    " vector BLOB NOT NULL, PRIMARY KEY(image, model)) STRICT, WITHOUT ROWID",
    "CREATE TABLE truth(image INTEGER PRIMARY KEY REFERENCES image, is_real INTEGER NOT NULL, artefact TEXT,"
    " strength REAL NOT NULL) STRICT",
    "CREATE TABLE prediction(image INTEGER NOT NULL REFERENCES image, model INTEGER NOT NULL REFERENCES "
    "model,"
    " fold INTEGER NOT NULL, p_real REAL NOT NULL CHECK(p_real BETWEEN 0 AND 1), logit REAL NOT NULL,"
    " uncertainty REAL NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(image, model, fold)) STRICT, WITHOUT "
    "ROWID",
    "CREATE INDEX prediction_by_model ON prediction(model, image)",
    "CREATE TABLE physical_test(image INTEGER NOT NULL REFERENCES image, name TEXT NOT NULL, version TEXT "
    "NOT NULL,"
    " value REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, passed INTEGER NOT NULL, created INTEGER "
    "NOT NULL,"
    " PRIMARY KEY(image, name)) STRICT, WITHOUT ROWID",
    "CREATE TABLE verdict(round INTEGER NOT NULL REFERENCES round, image INTEGER NOT NULL REFERENCES image,"
    " model INTEGER REFERENCES model, accepted INTEGER NOT NULL, p_real REAL NOT NULL, threshold REAL NOT "
    "NULL,"
    " reasons TEXT NOT NULL, PRIMARY KEY(round, image)) STRICT, WITHOUT ROWID",
    "CREATE INDEX verdict_by_image ON verdict(image)",

    "CREATE TABLE reviewer(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL,"
    " simulated INTEGER NOT NULL) STRICT",
    "CREATE TABLE assignment(id INTEGER PRIMARY KEY, round INTEGER REFERENCES round,"
    " image INTEGER NOT NULL REFERENCES image, reviewer INTEGER NOT NULL REFERENCES reviewer, queue TEXT NOT "
    "NULL,"
    " propensity REAL NOT NULL CHECK(propensity > 0 AND propensity <= 1), blind INTEGER NOT NULL,"
    " position INTEGER NOT NULL CHECK(position > 0), shown INTEGER NOT NULL DEFAULT 0) STRICT",
    "CREATE UNIQUE INDEX assignment_place ON assignment(ifnull(round, 0), reviewer, position)",
    "CREATE INDEX assignment_by_reviewer ON assignment(reviewer, round, position)",
    "CREATE INDEX assignment_by_image ON assignment(image)",

    "CREATE TABLE decision(id INTEGER PRIMARY KEY, client_uuid TEXT NOT NULL UNIQUE "
    "CHECK(length(client_uuid) = 36),"
    " assignment INTEGER REFERENCES assignment, image INTEGER NOT NULL REFERENCES image,"
    " reviewer INTEGER NOT NULL REFERENCES reviewer,"
    " label TEXT NOT NULL CHECK(label IN ('real','unreal','unsure','withdrawn')), reasons INTEGER NOT NULL,"
    " score INTEGER NOT NULL CHECK(score BETWEEN 0 AND 5), note TEXT, display TEXT, shown INTEGER NOT NULL,"
    " decided INTEGER NOT NULL, active_ms INTEGER NOT NULL, received INTEGER NOT NULL,"
    " supersedes INTEGER UNIQUE REFERENCES decision, batch TEXT, previous_hash TEXT NOT NULL,"
    " hash TEXT NOT NULL UNIQUE) STRICT",
    "CREATE INDEX decision_by_image ON decision(image)",
    "CREATE INDEX decision_by_assignment ON decision(assignment)",
    "CREATE INDEX decision_by_reviewer ON decision(reviewer)",
    "CREATE INDEX decision_by_batch ON decision(batch) WHERE batch IS NOT NULL",
    "CREATE TRIGGER decision_stays BEFORE UPDATE ON decision"
    " BEGIN SELECT RAISE(ABORT, 'a decision is never changed: add one that supersedes it'); END",
    "CREATE TRIGGER decision_remains BEFORE DELETE ON decision"
    " BEGIN SELECT RAISE(ABORT, 'a decision is never removed: add one that supersedes it'); END",

    "CREATE VIEW counting_decision AS SELECT d.* FROM decision d WHERE d.label <> 'withdrawn'"
    " AND NOT EXISTS (SELECT 1 FROM decision s WHERE s.supersedes = d.id)",
    /* the last of each reviewer; a simulated one falls silent where a person has spoken */
    "CREATE VIEW last_decision AS SELECT d.*, r.simulated FROM counting_decision d JOIN reviewer r ON r.id = "
    "d.reviewer"
    " WHERE NOT EXISTS (SELECT 1 FROM counting_decision e"
    " WHERE e.image = d.image AND e.reviewer = d.reviewer AND e.id > d.id)"
    " AND (r.simulated = 0 OR NOT EXISTS (SELECT 1 FROM counting_decision h JOIN reviewer p ON p.id = "
    "h.reviewer"
    " WHERE h.image = d.image AND p.simulated = 0))",
    "CREATE VIEW consensus AS SELECT image, n_real, n_unreal, n_unsure, simulated, decided, reasons,"
    " CASE WHEN n_real > n_unreal THEN 'real' WHEN n_unreal > n_real THEN 'unreal' ELSE 'unsure' END AS label"
    " FROM (SELECT image, sum(label = 'real') AS n_real, sum(label = 'unreal') AS n_unreal,"
    " sum(label = 'unsure') AS n_unsure, max(simulated) AS simulated, max(decided) AS decided,"
    " max(reasons & 1) | max(reasons & 2) | max(reasons & 4) | max(reasons & 8) | max(reasons & 16)"
    " | max(reasons & 32) | max(reasons & 64) | max(reasons & 128) | max(reasons & 256) AS reasons"
    " FROM last_decision GROUP BY image)",
    NULL};

/* Not unique: older programs may have put two images at a place of a round. */
static const char *const image_of_round[] = {
    "CREATE INDEX image_of_round ON image(round, run_index) WHERE round IS NOT NULL", NULL};

/* Never filled: the curve of a training is its history (train/history.h). */
static const char *const no_run_metric[] = {"DROP TABLE run_metric", NULL};

const char *const *const sl_schema_steps[] = {first, image_of_round, no_run_metric};
const int sl_schema_version = (int)(sizeof sl_schema_steps / sizeof *sl_schema_steps);
