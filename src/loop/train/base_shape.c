#include "loop/train/base_internal.h"

#include "base/json.h"

/* Which number of an option leaves the choice to us. */
static int64_t chosen(int64_t asked, int64_t unasked, const int64_t *had, int64_t usual) {
    return asked != unasked ? asked : had ? *had : usual;
}

sl_base_unet sl_base_unet_shape(const sl_base_settings *s, const sl_unet_config *begin) {
    const sl_unet_config *b = begin;
    const int64_t had_attention = b ? b->beam_attention : 0, had_sketch = b ? b->beam_sketch : 0;
    return (sl_base_unet){
        .layers = chosen(s->unet_layers, 0, b ? &b->layers_per_block : NULL, SL_BASE_UNET_LAYERS),
        .rings = chosen(s->unet_rings, -1, b ? &b->beam_rings : NULL, SL_BASE_UNET_RINGS),
        .rays = chosen(s->unet_rays, -1, b ? &b->beam_rays : NULL, SL_BASE_UNET_RAYS),
        .profiles = chosen(s->unet_profiles, -1, b ? &b->beam_profiles : NULL, SL_BASE_UNET_PROFILES),
        .cuts = chosen(s->unet_cuts, -1, b ? &b->beam_cuts : NULL, SL_BASE_UNET_CUTS),
        .attention = chosen(s->unet_attention, -1, b ? &had_attention : NULL, SL_BASE_UNET_ATTENTION),
        .sketch = chosen(s->unet_sketch, -1, b ? &had_sketch : NULL, SL_BASE_UNET_SKETCH)};
}

/* What the earlier denoiser has not can be added; what it has stays as it is. */
static sl_status check_same(const char *folder, const char *what, const char *option, int64_t had,
                            int64_t wanted) {
    if (!had || had == wanted) return SL_OK;
    return sl_fail(SL_MISMATCH, "'%s' has %lld %s, %s asks for %lld", folder, (long long)had, what, option,
                   (long long)wanted);
}

sl_status sl_base_unet_check(const sl_base_unet *shape, const sl_unet_config *begin, const char *folder) {
    SL_TRY(check_same(folder, "rings about the beam", "--unet-rings", begin->beam_rings, shape->rings));
    SL_TRY(check_same(folder, "rays from the beam", "--unet-rays", begin->beam_rays, shape->rays));
    SL_TRY(check_same(folder, "radial profiles", "--unet-profiles", begin->beam_profiles, shape->profiles));
    SL_TRY(check_same(folder, "cuts", "--unet-cuts", begin->beam_cuts, shape->cuts));
    SL_TRY(check_same(folder, "layers of attention", "--unet-attention", begin->beam_attention,
                      shape->attention));
    return check_same(folder, "layers for sketches", "--unet-sketch", begin->beam_sketch, shape->sketch);
}

void sl_base_unet_record(const sl_base_unet *shape, json_t *recorded) {
    const struct {
        const char *name;
        int64_t count;
        bool always;
    } parts[] = {{"layers", shape->layers, true},      {"rings", shape->rings, true},
                 {"profiles", shape->profiles, false}, {"rays", shape->rays, false},
                 {"cuts", shape->cuts, false},         {"attention", shape->attention, false},
                 {"sketch", shape->sketch, false}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].always || parts[i].count)
            json_object_set_new(recorded, parts[i].name, json_integer((json_int_t)parts[i].count));
}
