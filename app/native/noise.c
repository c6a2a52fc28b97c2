// Uniform numbers of the counter-based generator Philox 4x64-10 (Salmon et al. 2011); see app/latent.py.

#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum { WORDS = 4, ROUNDS = 10 };

static inline void words_of(uint64_t low, uint64_t high, const uint64_t key[2], uint64_t words[WORDS]) {
    uint64_t a = low, b = high, c = 0, d = 0, first = key[0], second = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        const unsigned __int128 one = (unsigned __int128)0xD2E7470EE14C6C93ULL * a;
        const unsigned __int128 other = (unsigned __int128)0xCA5A826395121157ULL * c;
        a = (uint64_t)(other >> 64) ^ b ^ first;
        c = (uint64_t)(one >> 64) ^ d ^ second;
        b = (uint64_t)other;
        d = (uint64_t)one;
        first += 0x9E3779B97F4A7C15ULL;
        second += 0xBB67AE8584CAA73BULL;
    }
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

// Rows of numbers in (0, 1), rounded to float and less than one. Each row begins with a new block of the counter,
// whose first one is that after `low` and `high`.
EXPORTED void vitrine_uniform(const uint64_t key[2], uint64_t low, uint64_t high, int64_t rows, int64_t width,
                              float *numbers) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < width; column += WORDS) {
            uint64_t words[WORDS];
            high += ++low == 0;
            words_of(low, high, key, words);
            for (int64_t each = 0; each < WORDS && column + each < width; each++) {
                // The upper 53 bits, centred in their cells.
                const float number = (float)(((double)(int64_t)(words[each] >> 11) + 0.5) * 0x1p-53);
                numbers[row * width + column + each] = number < 1.0f ? number : 1.0f - 0x1p-24f;
            }
        }
}
