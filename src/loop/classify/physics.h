/* The physical tests on images of a workspace. */
#ifndef SL_LOOP_CLASSIFY_PHYSICS_H
#define SL_LOOP_CLASSIFY_PHYSICS_H

#include "loop/workspace.h"
#include "xray/physical_test.h"

typedef struct sl_physics {
    sl_physical_result result[SL_PHYSICAL_COUNT];
    int applicable;
    double worst_p;         /* smallest p of the applicable tests, 1 without any */
    sl_physical_test worst; /* the test that gave it */
    double family_p;        /* Bonferroni: worst_p times the number of applicable tests, at most 1 */
} sl_physics;

/* What the workspace knows of an image: all of *out but the pixels. */
sl_status sl_physics_input(const sl_workspace *workspace, const sl_image_record *record,
                           sl_physical_input *out);

/* Counts and combines physics->result. */
void sl_physics_summarise(sl_physics *physics);

/* One image. The technique is known from the caption, the beam from the provenance where it is recorded
 * (loop/recorded.h); all else is estimated. */
sl_status sl_physics_judge(const sl_workspace *workspace, const sl_image_record *record, sl_physics *out);

/* Many at once, each by a thread, into out[count]. */
sl_status sl_physics_judge_many(const sl_workspace *workspace, const sl_image_record *records, int64_t count,
                                sl_physics *out);

/* How odd the tests together find it: -log10 of the family-wise p, from 0 to 6; 0 where none applies. */
double sl_physics_oddness(const sl_physics *physics);

/* sl_physics_judge on the mean counts that a generated image was measured from (provenance, "expectation"):
 * no noise or shadow hides a fault. Only tests of shape apply. *found: whether there are any. */
sl_status sl_physics_judge_expectation(const sl_workspace *workspace, const sl_image_record *record,
                                       sl_physics *out, bool *found);

/* The tests that apply as records of the store, into out[SL_PHYSICAL_COUNT]; returns how many there are. */
int sl_physics_records(const sl_physics *physics, sl_id image, sl_test_result *out);

#endif
