// A second x86 MMU, as plain as can be: vectors, lists and linear search, no time stamps, no
// filters, no bit-packed tags, nothing shared with src/tlb or arch/x86. Slow.
//
// It knows translations as a map, not as table entries, and works out what the documentation of
// arch/x86 says an access does: where it hits, what it fills and evicts, how many loads its walk
// makes. The differential tests hold it against the real one reference by reference.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_NAIVE_MMU_H_
#define MMUSIM_TESTS_DIFFERENTIAL_NAIVE_MMU_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/effort.h"

namespace mmusim::naive {

// Of a trace, that a model is held against.
inline constexpr uint64_t kReferences = tests::kWholeEffort ? 3'000'000 : 500'000;

// Of a page of 2^size bytes.
inline uint64_t floor_to(uint64_t va, unsigned size) {
  return va >> size << size;
}

struct ArrayShape {
  unsigned entries = 0;
  unsigned ways = 0;
  std::string policy;  // lru, plru, fifo, random, used
  bool xored = false;  // the set is the page number's low bits XORed with as many above them
  uint64_t seed = 0;
  std::vector<unsigned> sizes;  // log2 of bytes
};

struct MmuShape {
  unsigned levels = 4;      // that a walk reads
  unsigned index_bits = 9;  // of each
  bool l2_fetches = true;   // where there is no l2i
  std::vector<ArrayShape> l1i, l1d, l2, l2i;
  std::vector<unsigned> walk_cache{0, 0, 0, 0, 0};  // entries by level, [1] = PDE
};

struct Page {  // a leaf of the page table
  uint64_t pfn = 0;
  unsigned size = 12;
  bool write = false, execute = false, global = false, accessed = false, dirty = false;
};

struct Entry {
  bool valid = false;
  uint64_t base = 0;
  unsigned size = 0, leaf = 0;
  unsigned pcid = 0;
  bool global = false, write = false, execute = false, dirty = false;
  uint64_t pfn = 0;  // of the entry's base
};

// Who makes room in one set.
class Order {
 public:
  virtual ~Order() = default;
  virtual void used(unsigned way) = 0;
  virtual void filled(unsigned way) = 0;
  virtual unsigned victim() = 0;
  // The last of `ways` is no longer for it.
  virtual void close(unsigned ways) = 0;
};

class Array {
 public:
  explicit Array(const ArrayShape& shape);
  Entry* find(uint64_t va, unsigned pcid);  // a use
  Entry* peek(uint64_t va, unsigned pcid);
  void fill(const Entry& entry);
  // So many ways, the last ones of each set, are gone, with what was in them.
  void close(unsigned ways);
  [[nodiscard]] bool holds(unsigned size) const;
  std::vector<std::vector<Entry>> sets;

 private:
  [[nodiscard]] size_t set_of(uint64_t page) const;
  std::pair<size_t, size_t> locate(uint64_t va, unsigned pcid) const;
  ArrayShape shape_;
  std::shared_ptr<uint64_t> random_state_;
  std::vector<std::unique_ptr<Order>> orders_;
};

struct Outcome {
  char served = '?';  // '1' or '2': hit in that level; 'w': walk
  char fault = '-';   // '-', 'n' not present, 'p' protection
  unsigned walk_loads = 0;
  uint64_t pfn = 0;
  bool operator==(const Outcome&) const = default;
};

class Mmu {
 public:
  explicit Mmu(const MmuShape& shape);

  // The page table of an address space: base address -> leaf.
  using Table = std::map<uint64_t, Page>;

  void load(Table* table, unsigned pcid);
  // kind: 'f', 'l', 's'. The address is canonical.
  Outcome access(uint64_t va, char kind);
  void invlpg(uint64_t va);
  void invalidate_pcid(unsigned pcid);
  void invalidate_non_global();
  void invalidate_all();

  // (level, base, log2 size, PCID or -1 for global, pfn, rights and dirty bit as 0..7)
  using Content = std::tuple<std::string, uint64_t, unsigned, int, uint64_t, unsigned>;
  [[nodiscard]] std::vector<Content> contents() const;  // sorted

 private:
  using Level = std::vector<Array>;
  static Entry* find(Level& level, uint64_t va, unsigned pcid);
  static Entry* peek(Level& level, uint64_t va, unsigned pcid);
  void fill(Level& level, uint64_t va, const Page& leaf);
  bool walk(uint64_t va, char kind, Outcome& outcome, Page& leaf);
  Outcome& fault(uint64_t va, char reason, Outcome& outcome);
  void assist(Level& first, Level& second, uint64_t va, const Entry& before, Outcome& outcome);
  void remove_page(uint64_t va);
  template <class Match>
  void remove(Match match);
  static Page leaf_of(const Entry& entry, uint64_t va);

  MmuShape shape_;
  Level l1i_, l1d_, l2_, l2i_;
  Level none_;
  // By level: (address prefix, PCID), the last used first.
  std::vector<std::list<std::pair<uint64_t, unsigned>>> walk_caches_;
  Table* table_ = nullptr;
  unsigned pcid_ = 0;
};

}  // namespace mmusim::naive

#endif  // MMUSIM_TESTS_DIFFERENTIAL_NAIVE_MMU_H_
