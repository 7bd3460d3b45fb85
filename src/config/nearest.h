// "Did you mean ...?": the known word closest to one that was mistyped.
//
// Distance is Levenshtein's (V. I. Levenshtein, "Binary codes capable of correcting deletions,
// insertions, and reversals", 1966), with a swap of two neighbours counted as one step, since that
// is the commonest slip of the fingers. Thread-safe.
#ifndef MMUSIM_CONFIG_NEAREST_H_
#define MMUSIM_CONFIG_NEAREST_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace mmusim::config {

// Insertions, deletions, replacements and swaps of neighbours that make `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b);

// The candidate with the least distance to `word`, the first of equals; "" where there is none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "did you mean 'X'?" where the nearest candidate is close enough to be a slip (at most half of
// the word wrong), else "".
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace mmusim::config

#endif  // MMUSIM_CONFIG_NEAREST_H_
