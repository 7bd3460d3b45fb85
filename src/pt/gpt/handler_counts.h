// Instructions of a TLB-miss handler that walks a guarded page table, as compiled for each
// architecture: handlers/README.md says of what and how they are counted, and a test counts them
// again.
//
// A walk takes `walk`, `level` for each Internal entry that agrees with the address (but for the
// root's, if the walk begins at a slot of the top or of the root's table), `shared` for each Shared
// entry, and at its end `leaf`, `array`, or, where it ends at an entry that leads nowhere,
// `nothing`. In a line the second, third and fourth entry take `later` more than the first, or
// `later_internal`; `none_of` is what a line of two takes, and of four, none of which agrees.
#ifndef MMUSIM_PT_GPT_HANDLER_COUNTS_H_
#define MMUSIM_PT_GPT_HANDLER_COUNTS_H_

#include <array>
#include <string_view>

namespace mmusim::pt::gpt {

struct HandlerCounts {
  unsigned walk, level, array, leaf, shared, nothing;
  std::array<unsigned, 3> later, later_internal;
  std::array<unsigned, 2> none_of;
};

struct ArchitectureCounts {
  std::string_view architecture;
  HandlerCounts counts;
};
inline constexpr std::array<ArchitectureCounts, 5> kHandlerCounts = {{
    {"alpha", {12, 10, 15, 13, 44, 11, {10, 18, 23}, {14, 21, 26}, {17, 28}}},
    {"ia64", {10, 12, 18, 17, 29, 13, {14, 24, 32}, {17, 27, 35}, {23, 40}}},
    {"ppc64", {14, 11, 17, 14, 50, 13, {11, 20, 26}, {16, 24, 30}, {19, 33}}},
    {"sparc64", {12, 10, 15, 15, 48, 12, {11, 19, 25}, {14, 21, 27}, {20, 31}}},
    {"x86", {16, 14, 20, 19, 63, 17, {14, 27, 36}, {20, 32, 41}, {28, 47}}},
}};

// Of any other architecture (x86_64, i386, what is to come) those of x86, the highest.
constexpr const HandlerCounts& handler_counts(std::string_view architecture) {
  for (const ArchitectureCounts& of : kHandlerCounts)
    if (of.architecture == architecture) return of.counts;
  return kHandlerCounts.back().counts;
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_HANDLER_COUNTS_H_
