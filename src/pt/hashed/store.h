// The bucket array of a hashed page table and the chains of nodes that hang in it.
//
// A bucket is one 8-byte word, the physical address of the first node of its chain, 0: none. A node
// is an array of 8-byte words, aligned to 8:
//
//   tag     63:8  first address the node serves (its lowest 12 bits are 0)
//            7:0  size class: index into the architecture's leaf sizes, 0 the base page
//   space         number of the address space; only where one store serves all of them
//   next          physical address of the next node of the chain, 0: none
//   PTEs          in the architecture's format; 0: a slot without a leaf. One, or in nodes of the
//                 base page one for each page of the node's block
//
// The array is doubled when there are more nodes than buckets, and never halved. Nodes never move.
// Reported: every bucket (level 1) and each word of a node (level 0) read or written. Not reported:
// zeroing of new memory. Not thread-safe.
#ifndef MMUSIM_PT_HASHED_STORE_H_
#define MMUSIM_PT_HASHED_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/hashed/handler_counts.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::hashed {

inline constexpr uint64_t kWord = 8;
enum Level : uint8_t { kNodeLevel, kBucketLevel };

// What all tables of a factory agree on.
struct Rules {
  std::vector<PageShift> sizes;  // of leaves, ascending; index: size class
  VirtAddr last;                 // highest address that can be mapped
  unsigned block_log2 = 0;       // of the pages a node of base pages serves
  bool global = false;           // one store for all address spaces
  HandlerCounts handler{};       // of the architecture's miss handler

  [[nodiscard]] PageShift page() const { return sizes[0]; }
  // What a node of the class serves.
  [[nodiscard]] PageShift span(unsigned size_class) const {
    return size_class == 0 ? PageShift(page().log2() + block_log2) : sizes[size_class];
  }
  [[nodiscard]] uint32_t slots(unsigned size_class) const {
    return size_class == 0 ? uint32_t{1} << block_log2 : 1;
  }
  [[nodiscard]] unsigned header_words() const { return global ? 3 : 2; }
  [[nodiscard]] uint64_t bytes(unsigned size_class) const {
    return kWord * (header_words() + slots(size_class));
  }
  [[nodiscard]] int class_of(PageShift size) const;
};

// What a node is found by.
struct Tag {
  uint64_t word = 0;
  uint64_t space = 0;  // 0 where each space has a store of its own
  [[nodiscard]] unsigned size_class() const { return static_cast<unsigned>(word & 0xff); }
  [[nodiscard]] uint64_t base() const { return word & ~uint64_t{0xff}; }
};

struct Node {
  PhysAddr address;
  uint64_t* words = nullptr;
  unsigned header = 2;  // words before the first PTE

  [[nodiscard]] Tag tag() const { return {words[0], header == 3 ? words[1] : 0}; }
  [[nodiscard]] uint64_t base() const { return tag().base(); }
  [[nodiscard]] unsigned size_class() const { return tag().size_class(); }
  [[nodiscard]] uint64_t& next() const { return words[header - 1]; }
  [[nodiscard]] PhysAddr next_at() const { return address + kWord * (header - 1); }
  [[nodiscard]] Entry& entry(uint32_t i) const { return words[header + i]; }
  [[nodiscard]] PhysAddr entry_at(uint32_t i) const { return address + kWord * (header + i); }
};

// A WalkStep's part: which word it is, and the size class looked for; of an entry, its own.
enum class Part : uint8_t { Bucket, Tag, Space, Next, Entry };
constexpr unsigned part_of(Part part, unsigned size_class) {
  return static_cast<unsigned>(part) | size_class << 3;
}
constexpr Part part_in(uint8_t value) {
  return static_cast<Part>(value & 7);
}
constexpr unsigned class_in(uint8_t value) {
  return value >> 3;
}

// A step to a further word of the node whose tag was read before: it is where the node is, and can
// be read along with it. Instructions: as handler_counts.h has them, the tag's are in those of the
// word that follows it.
inline WalkStep node_word(PhysAddr address, unsigned part, uint8_t instructions) {
  return {.address = address,
          .bytes = kWord,
          .level = kNodeLevel,
          .instructions = instructions,
          .dependent = false,
          .beside = true,
          .part = static_cast<uint8_t>(part)};
}

class Store {
 public:
  // `environment` and `rules` must outlive it. Null: no memory.
  static std::shared_ptr<Store> make(const Environment& environment, const Rules& rules,
                                     MmId owner);
  Store(const Environment& environment, const Rules& rules, PhysAddr buckets);
  ~Store();  // of the array; nodes are their tables'
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The node with this tag, the words read on the way added to the path.
  [[nodiscard]] std::optional<Node> find(const Tag& tag, WalkPath& path) const;
  // Hangs in a node that has memory and no place yet; may double the array, with memory of
  // `owner`'s.
  void link(const Node& node, const Tag& tag, MmId owner);
  void unlink(const Node& node);
  // visit(bucket, node), chain by chain; the node may be freed.
  template <class Visit>
  void for_each(Visit visit) const {
    for (uint64_t i = 0; i < buckets(); ++i)
      for (uint64_t at = heads_[i]; at != 0;) {
        const Node node = node_at(PhysAddr(at));
        at = node.next();
        visit(i, node);
      }
  }
  // As who goes through all of it reads it: each bucket, and of each node what find() reads.
  void touch_all() const;

  [[nodiscard]] Node node_at(PhysAddr address) const {
    return {address, frames_->words(address), rules_->header_words()};
  }
  [[nodiscard]] PhysAddr address() const { return array_; }
  [[nodiscard]] uint64_t buckets() const { return uint64_t{1} << log2_; }
  [[nodiscard]] unsigned log2() const { return log2_; }
  [[nodiscard]] uint64_t bytes() const { return kWord << log2_; }
  [[nodiscard]] uint64_t used_buckets() const;
  [[nodiscard]] uint64_t nodes() const { return nodes_; }
  [[nodiscard]] uint64_t growths() const { return growths_; }
  [[nodiscard]] uint64_t rehashed() const { return rehashed_; }

 private:
  [[nodiscard]] uint64_t bucket_of(const Tag& tag) const;
  void touch(PhysAddr address, bool write, Level level) const;
  void grow(MmId owner);

  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  TableAllocator* allocator_;
  const Rules* rules_;
  PhysAddr array_;
  uint64_t* heads_;
  unsigned log2_;
  uint64_t nodes_ = 0;
  uint64_t growths_ = 0;
  uint64_t rehashed_ = 0;
};

}  // namespace mmusim::pt::hashed

#endif  // MMUSIM_PT_HASHED_STORE_H_
