// What a trace says, made of the fuzzer's bytes: any event with any operands, and blocks that are
// executed, but aimed. Most addresses lie in what an earlier event has mapped, or at the edges of
// what the machine has, so that few records are passed over as nonsense.
#ifndef MMUSIM_TESTS_FUZZ_HISTORY_H_
#define MMUSIM_TESTS_FUZZ_HISTORY_H_

#include "mmu/layout.h"
#include "tests/fuzz/container.h"
#include "tests/fuzz/input.h"

namespace mmusim::fuzz {

// At most kMostEvents events and kMostBlocks blocks of the input; the rest of it means nothing.
inline constexpr unsigned kMostEvents = 150;
inline constexpr unsigned kMostBlocks = 600;

Chunk history(Input& input, const mmu::AddressLayout& layout);

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_HISTORY_H_
