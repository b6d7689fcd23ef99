#include "loop/golden/numpy_random.h"

#include "base/random/torch_random.h"

#include <math.h>
#include <stdbool.h>

static double legacy_double(sl_torch_random *random) {
    uint32_t high = sl_torch_random_u32(random) >> 5, low = sl_torch_random_u32(random) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

void sl_numpy_legacy_randn(uint32_t seed, double *out, size_t count) {
    sl_torch_random random;
    sl_torch_random_seed(&random, seed);
    for (size_t i = 0; i < count; i += 2) {
        double x, y, square;
        do {
            x = 2 * legacy_double(&random) - 1;
            y = 2 * legacy_double(&random) - 1;
            square = x * x + y * y;
        } while (square >= 1 || square == 0);
        double factor = sqrt(-2 * log(square) / square);
        out[i] = factor * y;
        if (i + 1 < count) out[i + 1] = factor * x;
    }
}

/* ---- SeedSequence: four pool words from the seed, then as many words as wanted ---- */

static uint32_t hash_mix(uint32_t value, uint32_t *state, uint32_t multiplier) {
    value ^= *state;
    *state *= multiplier;
    value *= *state;
    return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y) {
    uint32_t mixed = 0xca01f9ddu * x - 0x4973f715u * y;
    return mixed ^ mixed >> 16;
}

static void seed_words(uint64_t seed, uint64_t out[4]) {
    const uint32_t entropy[4] = {(uint32_t)seed, (uint32_t)(seed >> 32), 0, 0};
    uint32_t pool[4], state = 0x43b0d7e5u, words[8];
    for (int i = 0; i < 4; i++) pool[i] = hash_mix(entropy[i], &state, 0x931e8875u);
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++)
            if (from != to) pool[to] = mix(pool[to], hash_mix(pool[from], &state, 0x931e8875u));
    state = 0x8b51f9ddu;
    for (int i = 0; i < 8; i++) words[i] = hash_mix(pool[i % 4], &state, 0x58f38dedu);
    for (int i = 0; i < 4; i++) out[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
}

/* ---- PCG64, its 128-bit state as two halves ---- */

typedef struct wide {
    uint64_t high, low;
} wide;

typedef struct pcg64 {
    wide state, increment;
} pcg64;

static wide wide_add(wide a, wide b) {
    uint64_t low = a.low + b.low;
    return (wide){a.high + b.high + (low < a.low), low};
}

static wide wide_multiply(wide a, wide b) {
    uint64_t a0 = (uint32_t)a.low, a1 = a.low >> 32, b0 = (uint32_t)b.low, b1 = b.low >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    uint64_t carried = a1 * b1 + (middle >> 32) + (other >> 32);
    return (wide){carried + a.high * b.low + a.low * b.high, a.low * b.low};
}

static void pcg64_step(pcg64 *random) {
    static const wide multiplier = {2549297995355413924u, 4865540595714422341u};
    random->state = wide_add(wide_multiply(random->state, multiplier), random->increment);
}

static uint64_t pcg64_next(pcg64 *random) {
    pcg64_step(random);
    uint64_t folded = random->state.high ^ random->state.low;
    int turn = (int)(random->state.high >> 58);
    return folded >> turn | folded << (-turn & 63);
}

static pcg64 pcg64_seeded(uint64_t seed) {
    uint64_t words[4];
    seed_words(seed, words);
    pcg64 random = {.increment = {words[2] << 1 | words[3] >> 63, words[3] << 1 | 1}};
    pcg64_step(&random);
    random.state = wide_add(random.state, (wide){words[0], words[1]});
    pcg64_step(&random);
    return random;
}

static double pcg64_double(pcg64 *random) {
    return (double)(pcg64_next(random) >> 11) * 0x1p-53;
}

/* ---- the ziggurat: layer i of equal area reaches to x_i; `edge` is where the tail begins ---- */

enum { LAYERS = 256 };
static const double edge = 3.6541528853610087963519472518;

typedef struct ziggurat {
    uint64_t sure[LAYERS]; /* below it a point of the layer is surely inside */
    double width[LAYERS], height[LAYERS];
} ziggurat;

static double bell(double x) {
    return exp(-0.5 * x * x);
}

static void ziggurat_fill(ziggurat *z) {
    double area = edge * bell(edge) + sqrt(3.14159265358979323846 / 2) * erfc(edge / sqrt(2));
    double base = area / bell(edge), x = edge, before = edge;
    z->sure[0] = (uint64_t)(edge / base * 0x1p52);
    z->sure[1] = 0;
    z->width[0] = base * 0x1p-52;
    z->width[LAYERS - 1] = edge * 0x1p-52;
    z->height[0] = 1;
    z->height[LAYERS - 1] = bell(edge);
    for (int i = LAYERS - 2; i >= 1; i--) {
        x = sqrt(-2 * log(area / x + bell(x)));
        z->sure[i + 1] = (uint64_t)(x / before * 0x1p52);
        before = x;
        z->height[i] = bell(x);
        z->width[i] = x * 0x1p-52;
    }
}

static double tail(pcg64 *random, bool negative) {
    for (;;) {
        double x = -log1p(-pcg64_double(random)) / edge, y = -log1p(-pcg64_double(random));
        if (2 * y > x * x) return negative ? -(edge + x) : edge + x;
    }
}

static double normal(pcg64 *random, const ziggurat *z) {
    for (;;) {
        uint64_t word = pcg64_next(random), magnitude = word >> 9 & 0xfffffffffffffu;
        unsigned layer = word & 0xff;
        double x = (double)magnitude * z->width[layer];
        if (word >> 8 & 1) x = -x;
        if (magnitude < z->sure[layer]) return x;
        if (layer == 0) return tail(random, magnitude >> 8 & 1);
        double y = (z->height[layer - 1] - z->height[layer]) * pcg64_double(random) + z->height[layer];
        if (y < bell(x)) return x;
    }
}

void sl_numpy_standard_normal(uint64_t seed, double *out, size_t count) {
    ziggurat z;
    pcg64 random = pcg64_seeded(seed);
    ziggurat_fill(&z);
    for (size_t i = 0; i < count; i++) out[i] = normal(&random, &z);
}
