// The shape of one TLB array: how many entries in how many ways, which page sizes, who is replaced.
//
// Declared once per array (ArrayDecl), under a key ("tlb.l1d"): <key>.entries, .ways, .pages,
// .replacement, .seed, .index. Plain data, read-only once it has been read.
#ifndef MMUSIM_TLB_GEOMETRY_H_
#define MMUSIM_TLB_GEOMETRY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "config/schema.h"

namespace mmusim::tlb {

// Which entry of a full set makes room. An empty way (the lowest-numbered) is always taken first,
// without asking the policy.
enum class Replacement : uint8_t {
  Lru,     // the entry whose last use is longest ago; exact
  Plru,    // a binary tree of one-bit pointers over the ways, see array.h
  Fifo,    // the entry filled longest ago; hits change nothing
  Random,  // way number Random::below(ways), a generator per array seeded from the configuration
  Used,    // the first way not used since all of the set were forgotten to have been; when all are,
           // they are forgotten again (UltraSPARC's "1-bit LRU"; also known as NRU)
};
const char* name_of(Replacement replacement);

// Which set a page is in. The number of sets is 2^n.
enum class Index : uint8_t {
  Low,  // the low n bits of its number
  Xor,  // ... XORed with the n bits above them
};

struct Geometry {
  uint32_t entries = 0;  // 0: there is no such array
  uint32_t ways = 0;     // entries / ways sets; never 0 where entries is not
  Replacement replacement = Replacement::Lru;
  uint64_t seed = 1;  // of Random
  Index index = Index::Low;
  std::vector<PageShift> pages;  // sizes held, ascending, none twice

  [[nodiscard]] bool exists() const { return entries != 0; }
  [[nodiscard]] uint32_t sets() const { return entries / ways; }
  [[nodiscard]] bool holds(PageShift size) const;

  static constexpr uint32_t kMostEntries = 1u << 20;
};

// What the keys are where nobody sets them.
struct GeometryDefaults {
  uint32_t entries;
  uint32_t ways;  // at least 1; as many as entries: fully associative
  const char* pages;
};

struct ArrayDecl {
  const char* key = nullptr;
  const char* what = "";  // completes "Entries of the ..."
  GeometryDefaults defaults{};
};

void declare_geometry(config::Schema& schema, const ArrayDecl& array);

// Errors: UsageError naming the key and the rule: ways above entries, entries not a multiple of
// ways, a number of sets that is not a power of two, a page size that is not in `known`.
Geometry read_geometry(const config::Config& config, const ArrayDecl& array,
                       const std::vector<PageShift>& known);

// "4K,2M" -> shifts, ascending. Errors: UsageError with `where`.
std::vector<PageShift> parse_pages(std::string_view text, const std::vector<PageShift>& known,
                                   const std::string& where);

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_GEOMETRY_H_
