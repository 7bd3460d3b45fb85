// Instructions of a TLB-miss handler that walks a guarded page table, as compiled for each
// architecture: handlers/README.md says of what and how they are counted, and a test counts them
// again.
//
// A walk takes `walk`, `level` for each Internal entry that agrees with the address, `miss` for
// each entry of a line that does not, `shared` for each Shared entry, and at its end `leaf` or
// `array`.
#ifndef MMUSIM_PT_GPT_HANDLER_COUNTS_H_
#define MMUSIM_PT_GPT_HANDLER_COUNTS_H_

#include <array>
#include <string_view>

namespace mmusim::pt::gpt {

struct HandlerCounts {
  unsigned level, array, leaf, miss, shared, walk;
};

struct ArchitectureCounts {
  std::string_view architecture;
  HandlerCounts counts;
};
inline constexpr std::array<ArchitectureCounts, 5> kHandlerCounts = {{
    {"alpha", {10, 22, 20, 17, 25, 7}},
    {"ia64", {11, 24, 22, 23, 30, 5}},
    {"ppc64", {11, 22, 20, 19, 25, 9}},
    {"sparc64", {10, 21, 20, 19, 25, 8}},
    {"x86", {17, 30, 30, 25, 32, 10}},
}};

// Of any other architecture (x86_64, i386, what is to come) those of x86, the highest.
constexpr const HandlerCounts& handler_counts(std::string_view architecture) {
  for (const ArchitectureCounts& of : kHandlerCounts)
    if (of.architecture == architecture) return of.counts;
  return kHandlerCounts.back().counts;
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_HANDLER_COUNTS_H_
