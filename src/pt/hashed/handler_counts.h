// Instructions of a TLB-miss handler that searches a hashed or clustered page table, as compiled
// for each architecture: src/pt/gpt/handlers/README.md says of what and how they are counted, and a
// test counts them again.
//
// A search takes `bucket`, which is all if the chain is empty, `node` for each node that is not the
// page's, and `entry` for the one that is. Of IA-64, for which there is no compiler, those of SPARC
// are ASSUMED.
#ifndef MMUSIM_PT_HASHED_HANDLER_COUNTS_H_
#define MMUSIM_PT_HASHED_HANDLER_COUNTS_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace mmusim::pt::hashed {

struct HandlerCounts {
  uint8_t bucket, node, entry;
};

struct ArchitectureCounts {
  std::string_view architecture;
  HandlerCounts hashed, clustered;
};
inline constexpr std::array<ArchitectureCounts, 5> kHandlerCounts = {{
    {"alpha", {13, 5, 4}, {13, 5, 7}},
    {"ia64", {18, 5, 3}, {19, 5, 7}},
    {"ppc64", {13, 6, 5}, {14, 6, 7}},
    {"sparc64", {18, 5, 3}, {19, 5, 7}},
    {"x86", {11, 5, 3}, {12, 5, 5}},
}};

// Of any other architecture (x86_64, i386, what is to come) those of x86.
constexpr const HandlerCounts& handler_counts(std::string_view architecture, bool clustered) {
  const ArchitectureCounts* found = &kHandlerCounts.back();
  for (const ArchitectureCounts& of : kHandlerCounts)
    if (of.architecture == architecture) found = &of;
  return clustered ? found->clustered : found->hashed;
}

}  // namespace mmusim::pt::hashed

#endif  // MMUSIM_PT_HASHED_HANDLER_COUNTS_H_
