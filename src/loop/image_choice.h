/* Which images of a workspace a command works on: one set of options for all of them. */
#ifndef SL_LOOP_IMAGE_CHOICE_H
#define SL_LOOP_IMAGE_CHOICE_H

#include "loop/option/option.h"
#include "store/store.h"

/* Origin, split and label: indices of the options' choices, whose first is "any". */
typedef struct sl_image_choice {
    int origin, split, label;
    int64_t round; /* 0: any */
    const char *group;
} sl_image_choice;

/* Rows of an option table; `field` is the sl_image_choice in the struct `settings`. */
#define SL_IMAGE_CHOICE_OPTIONS(settings, field)                                                             \
    SL_OPTION_CHOICE(settings, field.origin, "origin", 0, "any", "any|experimental|simulated|generated",     \
                     "images of one origin"),                                                                \
        SL_OPTION_CHOICE(settings, field.split, "split", 0, "any", "any|train|calibration|test",             \
                         "images of one split"),                                                             \
        SL_OPTION_CHOICE(settings, field.label, "label", 0, "any", "any|real|unreal|unsure|unlabelled",      \
                         "images with one label"),                                                           \
        SL_OPTION_TEXT(settings, field.group, "group", 'g', NULL, "NAME", "images of one group"),            \
        SL_OPTION_INT(settings, field.round, "round", 0, "0", 0, 9e15, "ID", "images of one round")

/* The label chosen, as an sl_label, SL_UNLABELLED or SL_ANY. */
int sl_image_choice_label(const sl_image_choice *choice);

/* As the store takes it, from the first image on and without a limit of its own. The group is borrowed. */
sl_image_filter sl_image_choice_filter(const sl_image_choice *choice);

#endif
