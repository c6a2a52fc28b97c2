// Draws from a mixture of logistics whose parameters follow from the pixels before; see causal.py.
//
// Every number is made by the same additions, multiplications and divisions in the same order as there, each
// rounded once: no fused ones, whatever the processor has. So both give the same bytes.

#include <stdint.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define ELEMENTS 8
typedef float vector __attribute__((vector_size(4 * ELEMENTS), aligned(4)));
typedef int32_t integers __attribute__((vector_size(4 * ELEMENTS), aligned(4)));

enum { NEIGHBOURS = 10, LINEAR = 5, MOST_COMPONENTS = 8, MOST_BLOCKS = 16, MOST_PIXELS = 128 };
// Of each neighbour, rows up and columns left, the first LINEAR with coefficients of their own; around an image
// lie so many rows and columns of nothing.
static const int UP[NEIGHBOURS] = {0, 1, 1, 0, 2, 1, 2, 2, 2, -1};
static const int LEFT[NEIGHBOURS] = {1, 0, 1, 2, 0, 2, 1, 2, -1, 2};
enum { ABOVE = 2, BELOW = 1, BESIDE = 2 };

struct task {
    const float *parameters; // count x height x width x (1 + 3 components + a pixel's part of its square's LINEAR + hidden)
    const float *noise;      // count x height x width x 2
    const float *into;       // NEIGHBOURS x ELEMENTS blocks: weights of the hidden units, zero beyond them
    const float *out;        // (3 components - given) x ELEMENTS blocks
    const float *within;     // block x block x record: what a place in a square adds, zero beyond the hidden units
    const float *known;      // count x height x width: levels that are not drawn, NaN elsewhere; NULL: all are drawn
    float *images;           // count x height x width
    float *squares;          // a record for each square of an image, zero beyond the hidden units
    int32_t count, height, width, components, hidden;
    int32_t block; // the side of the squares
    int32_t given; // parameters of the mixture to which the hidden units add nothing: the first logit, or none
};
// A record: LINEAR coefficients, then the hidden units' input, ELEMENTS blocks of it.

INLINE vector load(const float *from) { return *(const vector *)from; }
INLINE vector all(float x) { return (vector){x, x, x, x, x, x, x, x}; }
INLINE vector choose(integers where, vector yes, vector no) {
    return (vector)((where & (integers)yes) | (~where & (integers)no));
}
INLINE vector smaller(vector a, vector b) { return choose(a < b, a, b); }
INLINE vector larger(vector a, vector b) { return choose(a > b, a, b); }

// The nearest integer, of two the even one, of |x| < 2^22.
INLINE vector nearest(vector x) { return (x + all(12582912.0f)) - all(12582912.0f); }

// exp(x), by Cephes' polynomial (Moshier 1992).
INLINE vector exponential(vector x) {
    x = larger(smaller(x, all(88.0f)), all(-87.0f));
    vector n = nearest(x * all(1.44269504f));
    x = x - n * all(0.693359375f);
    x = x - n * all(-2.12194440e-4f);
    vector y = all(1.9875691500e-4f);
    y = y * x + all(1.3981999507e-3f);
    y = y * x + all(8.3334519073e-3f);
    y = y * x + all(4.1665795894e-2f);
    y = y * x + all(1.6666665459e-1f);
    y = y * x + all(5.0000001201e-1f);
    y = (y * (x * x) + x) + all(1.0f);
    return y * (vector)((__builtin_convertvector(n, integers) + 127) << 23);
}

// log(x) of a normal positive number, by Cephes' polynomial.
INLINE vector logarithm(vector x) {
    integers bits = (integers)x;
    vector m = (vector)((bits & 0x007fffff) | 0x3f000000); // in [1/2, 1)
    integers low = m < all(0.707106781f);                  // -1 where it is
    vector n = __builtin_convertvector((bits >> 23) - 126 + low, vector);
    m = choose(low, m + m, m) - all(1.0f);
    vector z = m * m;
    vector y = all(7.0376836292e-2f);
    y = y * m + all(-1.1514610310e-1f);
    y = y * m + all(1.1676998740e-1f);
    y = y * m + all(-1.2420140846e-1f);
    y = y * m + all(1.4249322787e-1f);
    y = y * m + all(-1.6668057665e-1f);
    y = y * m + all(2.0000714765e-1f);
    y = y * m + all(-2.4999993993e-1f);
    y = y * m + all(3.3333331174e-1f);
    y = (y * m) * z;
    y = y + n * all(-2.12194440e-4f);
    y = y - all(0.5f) * z;
    return (m + y) + n * all(0.693359375f);
}

// The sum of all elements, and that of each of eight: in the same order.
INLINE float sum(vector v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}
INLINE vector halves(vector a, vector b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
INLINE vector quarters(vector a, vector b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13) +
           __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
}
INLINE vector sums(const vector v[ELEMENTS]) {
    vector a = quarters(halves(v[0], v[1]), halves(v[2], v[3]));
    vector b = quarters(halves(v[4], v[5]), halves(v[6], v[7]));
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

// Rows to columns.
INLINE void transpose(vector v[ELEMENTS]) {
    vector a[ELEMENTS], b[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i += 2) {
        a[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        a[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < ELEMENTS; i += 4)
        for (int j = i; j < i + 2; j++) {
            b[j] = __builtin_shufflevector(a[j], a[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            b[j + 2] = __builtin_shufflevector(a[j], a[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < ELEMENTS / 2; i++) {
        v[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        v[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

// What a diagonal needs, one number a pixel; as many beyond its last one as fill the elements.
struct diagonal {
    vector added[3 * MOST_COMPONENTS / ELEMENTS][MOST_PIXELS]; // ELEMENTS parameters of a pixel, before they are rows
    float mixture[3 * MOST_COMPONENTS][MOST_PIXELS], base[MOST_PIXELS];
    float coefficients[LINEAR][MOST_PIXELS], near[LINEAR][MOST_PIXELS];
    float choice[MOST_PIXELS], uniform[MOST_PIXELS], level[MOST_PIXELS];
};

// Numbers that are known when this is compiled make loops of a known length.
struct sizes {
    int components, hidden, block, given;
};
INLINE int outputs_of(struct sizes of) { return 3 * of.components - of.given; }
INLINE int blocks_of(struct sizes of) { return (of.hidden + ELEMENTS - 1) / ELEMENTS; }
INLINE int record_of(struct sizes of) { return LINEAR + blocks_of(of) * ELEMENTS; }
// Of what a square shares, a pixel's part.
INLINE int part_of(struct sizes of) { return (LINEAR + of.hidden + of.block * of.block - 1) / (of.block * of.block); }
INLINE int numbers_of(struct sizes of) { return 1 + 3 * of.components + part_of(of); }

// What draws know of a pixel. Of single pixels as squares nothing is added.
struct pixel {
    const float *own;    // the base and the mixture
    const float *shared; // LINEAR coefficients, then the hidden units' input
    const float *within; // what is added to these
};

INLINE struct pixel pixel_of(const struct task *task, struct sizes of, const float *parameters, int row, int column) {
    const float *own = parameters + (long long)(row * task->width + column) * numbers_of(of);
    if (of.block == 1) return (struct pixel){own, own + 1 + 3 * of.components, own};
    const int square = row / of.block * (task->width / of.block) + column / of.block;
    const int place = row % of.block * of.block + column % of.block;
    return (struct pixel){own, task->squares + square * record_of(of), task->within + place * record_of(of)};
}

// The records of an image's squares, of which each pixel has a part.
INLINE void gather(const struct task *task, struct sizes of, const float *parameters) {
    const int part = part_of(of), shared = LINEAR + of.hidden, numbers = numbers_of(of);
    float *record = task->squares;
    for (int row = 0; row < task->height; row += of.block)
        for (int column = 0; column < task->width; column += of.block, record += record_of(of))
            for (int place = 0; place < of.block * of.block; place++) {
                const int pixel = (row + place / of.block) * task->width + column + place % of.block;
                const float *from = parameters + (long long)pixel * numbers + numbers - part;
                for (int k = 0; k < part && place * part + k < shared; k++) record[place * part + k] = from[k];
            }
}

// The parameters of the mixtures of one or two pixels of a diagonal, the second one row further down, without the
// linear part. Two take less time than twice one, as they share what is loaded.
INLINE void mix(const struct pixel *of_pixels, const float *before, const struct task *task, struct sizes sizes,
                int pixels, struct diagonal *of, int k) {
    const int hidden = sizes.hidden, blocks = blocks_of(sizes), outputs = outputs_of(sizes), given = sizes.given;
    const int stride = BESIDE + task->width + BESIDE;
    vector units[2][MOST_BLOCKS], products[2][ELEMENTS];
    for (int p = 0; p < pixels; p++) {
        const float *inputs = of_pixels[p].shared + LINEAR, *within = of_pixels[p].within + LINEAR;
        if (sizes.block > 1) {
            for (int b = 0; b < blocks; b++) units[p][b] = load(inputs + ELEMENTS * b) + load(within + ELEMENTS * b);
            continue;
        }
        for (int b = 0; b < hidden / ELEMENTS; b++) units[p][b] = load(inputs + ELEMENTS * b);
        if (hidden % ELEMENTS) {
            vector last = all(0.0f);
            for (int u = hidden / ELEMENTS * ELEMENTS; u < hidden; u++) last[u % ELEMENTS] = inputs[u];
            units[p][blocks - 1] = last;
        }
    }
    for (int n = 0; n < NEIGHBOURS; n++) {
        const float *neighbour = before - UP[n] * stride - LEFT[n];
        for (int p = 0; p < pixels && n < LINEAR; p++) of->near[n][k + p] = neighbour[p * (stride - 1)];
        for (int b = 0; b < blocks; b++) {
            vector weights = load(task->into + (n * blocks + b) * ELEMENTS);
            for (int p = 0; p < pixels; p++)
                units[p][b] = units[p][b] + all(neighbour[p * (stride - 1)]) * weights;
        }
    }
    for (int p = 0; p < pixels; p++)
        for (int b = 0; b < blocks; b++) units[p][b] = larger(units[p][b], all(0.0f));
    for (int p = 0; p < pixels && given; p++) of->mixture[0][k + p] = of_pixels[p].own[1];
    for (int output = 0; output < outputs; output++) {
        const float *weights = task->out + output * blocks * ELEMENTS;
        for (int p = 0; p < pixels; p++) products[p][output % ELEMENTS] = units[p][0] * load(weights);
        for (int b = 1; b < blocks; b++)
            for (int p = 0; p < pixels; p++)
                products[p][output % ELEMENTS] = products[p][output % ELEMENTS] + units[p][b] * load(weights + b * ELEMENTS);
        if (output % ELEMENTS < ELEMENTS - 1) continue;
        for (int p = 0; p < pixels; p++)
            of->added[output / ELEMENTS][k + p] =
                load(of_pixels[p].own + 1 + given + output + 1 - ELEMENTS) + sums(products[p]);
    }
    for (int output = outputs / ELEMENTS * ELEMENTS; output < outputs; output++)
        for (int p = 0; p < pixels; p++)
            of->mixture[given + output][k + p] =
                of_pixels[p].own[1 + given + output] + sum(products[p][output % ELEMENTS]);
}

// The added parameters of ELEMENTS pixels, from the k-th on, as rows of the mixture.
INLINE void to_rows(struct diagonal *of, struct sizes sizes, int k) {
    for (int block = 0; block < outputs_of(sizes) / ELEMENTS; block++) {
        vector *added = of->added[block] + k, rows[ELEMENTS];
        for (int each = 0; each < ELEMENTS; each++) rows[each] = added[each];
        transpose(rows);
        for (int each = 0; each < ELEMENTS; each++)
            *(vector *)(of->mixture[sizes.given + block * ELEMENTS + each] + k) = rows[each];
    }
}

// The levels of ELEMENTS pixels of a diagonal, from the k-th on.
INLINE vector drawn(const struct diagonal *of, int components, int k) {
    vector moved = all(0.0f);
    for (int n = 0; n < LINEAR; n++) {
        vector x = load(of->coefficients[n] + k);
        vector hyperbolic_tangent = all(1.0f) - all(2.0f) / (exponential(x + x) + all(1.0f));
        moved = moved + hyperbolic_tangent * load(of->near[n] + k);
    }
    vector top = load(of->mixture[0] + k), edges[MOST_COMPONENTS];
    for (int c = 1; c < components; c++) top = larger(top, load(of->mixture[c] + k));
    for (int c = 0; c < components; c++) {
        vector weight = exponential(load(of->mixture[c] + k) - top);
        edges[c] = c ? edges[c - 1] + weight : weight;
    }
    vector choice = load(of->choice + k) * edges[components - 1];
    vector mean = all(0.0f), scale = all(0.0f);
    for (int c = 0; c < components; c++) {
        integers here = c ? choice >= edges[c - 1] : choice == choice;
        float centre = (c + 0.5f) / components - 0.5f;
        mean = choose(here, load(of->mixture[components + c] + k) + all(centre), mean);
        scale = choose(here, load(of->mixture[2 * components + c] + k), scale);
    }
    vector widest = smaller(scale + all(0.541324855f), all(80.0f));
    vector spread = all(0.1f) + all(20.0f) * logarithm(all(1.0f) + exponential(widest));
    vector uniform = load(of->uniform + k);
    vector x = load(of->base + k) + all(255.0f) * mean;
    x = (x + moved) + spread * logarithm(uniform / (all(1.0f) - uniform));
    vector level = nearest(larger(smaller(x, all(255.0f)), all(0.0f)));
    return choose(x - x == all(0.0f), level, x); // what is no number stays none
}

// `clamped`, whether some levels are known, is known when this is compiled: other draws pay nothing for it.
INLINE void draw(const struct task *task, struct sizes sizes, int clamped) {
    const int height = task->height, width = task->width;
    const int stride = BESIDE + width + BESIDE, size = (ABOVE + height + BELOW) * stride;
    float deviations[(ABOVE + MOST_PIXELS + BELOW) * (MOST_PIXELS + 2 * BESIDE)]; // of what was drawn, in levels
    struct diagonal of;
    for (float *number = (float *)&of; number < (float *)(&of + 1); number++) *number = 0.5f; // in every element a number
    for (int image = 0; image < task->count; image++) {
        const long long pixels = (long long)image * height * width;
        const float *parameters = task->parameters + pixels * numbers_of(sizes);
        for (int k = 0; k < size; k++) deviations[k] = 0.0f;
        if (sizes.block > 1) gather(task, sizes, parameters);
        for (int number = 0; number < height + width - 1; number++) {
            const int first = number < width ? 0 : number - width + 1;
            const int length = (number < height ? number : height - 1) - first + 1;
            for (int k = 0; k < length; k++) {
                const int row = first + k, column = number - row;
                const long long number_of = pixels + row * width + column;
                const float *before = deviations + (row + ABOVE) * stride + column + BESIDE;
                struct pixel both[2] = {pixel_of(task, sizes, parameters, row, column)};
                if (k % 2 == 0 && k + 1 < length) {
                    both[1] = pixel_of(task, sizes, parameters, row + 1, column - 1);
                    mix(both, before, task, sizes, 2, &of, k);
                } else if (k % 2 == 0) {
                    mix(both, before, task, sizes, 1, &of, k);
                }
                of.base[k] = both[0].own[0] * 255.0f;
                for (int n = 0; n < LINEAR; n++)
                    of.coefficients[n][k] = sizes.block > 1 ? both[0].shared[n] + both[0].within[n] : both[0].shared[n];
                of.choice[k] = task->noise[2 * number_of];
                of.uniform[k] = task->noise[2 * number_of + 1];
            }
            for (int k = 0; k < length; k += ELEMENTS) {
                to_rows(&of, sizes, k);
                *(vector *)(of.level + k) = drawn(&of, sizes.components, k);
            }
            for (int k = 0; k < length; k++) {
                const int row = first + k, column = number - row;
                if (clamped) {
                    const float level = task->known[pixels + row * width + column];
                    if (level == level) of.level[k] = level;
                }
                task->images[pixels + row * width + column] = of.level[k] / 255.0f;
                deviations[(row + ABOVE) * stride + column + BESIDE] = of.level[k] - of.base[k];
            }
        }
    }
}

INLINE int has(const struct task *task, struct sizes sizes) {
    return task->components == sizes.components && task->hidden == sizes.hidden && task->block == sizes.block &&
           task->given == sizes.given;
}

// The sizes of the shipped model first.
INLINE void draw_by_size(const struct task *task) {
    const struct sizes shipped = {3, 39, 2, 1};
    const struct sizes any = {task->components, task->hidden, task->block, task->given};
    if (has(task, shipped) && !task->known) draw(task, shipped, 0);
    else if (has(task, shipped)) draw(task, shipped, 1);
    else if (!task->known) draw(task, any, 0);
    else draw(task, any, 1);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void draw_wide(const struct task *task) { draw_by_size(task); }
// Whether the processor has AVX2, and the system keeps its registers (Intel's manual, volume 1, 14.7.1).
static int is_wide(void) {
    unsigned a, b, c, d, kept;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return 0;
    __asm__("xgetbv" : "=a"(kept), "=d"(d) : "c"(0));
    return (kept & 6) == 6;
}
#else
static void draw_wide(const struct task *task) { draw_by_size(task); }
static int is_wide(void) { return 1; }
#endif
static void draw_narrow(const struct task *task) { draw_by_size(task); }

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

// Returns 0, or 1 of sizes that this does not know: then nothing was drawn.
EXPORTED int vitrine_causal_draw(const struct task *task) {
    if (task->components < 1 || task->components > MOST_COMPONENTS || task->hidden < 1 ||
        task->hidden > ELEMENTS * MOST_BLOCKS || task->height < 1 || task->height > MOST_PIXELS || task->width < 1 ||
        task->width > MOST_PIXELS || task->block < 1 || task->height % task->block || task->width % task->block || (task->given & ~1))
        return 1;
    if (is_wide()) draw_wide(task);
    else draw_narrow(task);
    return 0;
}
