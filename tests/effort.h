// How much of a random test is run: all of it, or a third where a sanitizer makes each step slow.
#ifndef MMUSIM_TESTS_EFFORT_H_
#define MMUSIM_TESTS_EFFORT_H_

#include <cstdint>

namespace mmusim::tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // gcc
#define MMUSIM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MMUSIM_SANITIZED 1
#endif
#endif
#ifdef MMUSIM_SANITIZED
inline constexpr bool kWholeEffort = false;
#else
inline constexpr bool kWholeEffort = true;
#endif

// Of `whole` seeds, the first so many. What all of them together must have met is asked only of
// the whole effort (kWholeEffort).
constexpr uint64_t effort(uint64_t whole) {
  return kWholeEffort ? whole : (whole + 2) / 3;
}

}  // namespace mmusim::tests

#endif  // MMUSIM_TESTS_EFFORT_H_
