// Page reuse: for each look-up of a page, how many other pages were looked up since it was last
// (its LRU stack distance). An LRU TLB of N entries, fully associative, hits exactly where that is
// less than N. For `trace stats`.
//
// Distances are exact. The pages used last are a short list; all others are in a tree of counts
// (Fenwick's) over the order in which they left it, so a distance costs a logarithm, and most cost
// nothing. Memory: about 30 bytes for each page ever looked up, in each stack. Not thread-safe.
#ifndef MMUSIM_TRACE_REUSE_H_
#define MMUSIM_TRACE_REUSE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "trace/record.h"
#include "trace/space_ids.h"

namespace mmusim::trace {

class LruStack {
 public:
  static constexpr uint64_t kFirst = UINT64_MAX;

  // Looks `page` up: the distance, or kFirst for a page that was never looked up.
  uint64_t access(SpacePage page) {
    if (recent_count_ != 0 && recent_[0] == page) return 0;
    return access_other(page);
  }
  [[nodiscard]] uint64_t pages() const { return known_; }

 private:
  static constexpr size_t kRecent = 16;
  struct Slot {
    uint64_t page = 0;
    uint32_t space = 0;
    uint32_t time = kEmpty;  // when it left the list; kListed: it is there
  };
  static constexpr uint32_t kEmpty = UINT32_MAX;
  static constexpr uint32_t kListed = 0;

  uint64_t access_other(SpacePage page);
  Slot& slot_of(SpacePage page);
  void grow();
  void leave_list(SpacePage page);
  void renumber();
  void count(uint32_t time, uint32_t change);
  [[nodiscard]] uint32_t counted_up_to(uint32_t time) const;

  std::array<SpacePage, kRecent> recent_{};  // the last first
  size_t recent_count_ = 0;
  std::vector<Slot> slots_ = std::vector<Slot>(64);  // a power of two; open addressing
  uint64_t known_ = 0;
  std::vector<uint32_t> tree_ = std::vector<uint32_t>(64);  // by time, from 1
  uint32_t now_ = 0;
  uint32_t in_tree_ = 0;
};

// How often each distance came.
class ReuseCounts {
 public:
  // Distances below `exact` are counted one by one, all by powers of two.
  explicit ReuseCounts(uint64_t exact) : exact_(exact) {}

  void add(uint64_t distance) {
    ++lookups_;
    if (distance == LruStack::kFirst) {
      ++first_;
      return;
    }
    ++buckets_[bucket_of(distance)];
    if (distance < exact_.size()) ++exact_[distance];
  }
  // So many look-ups of the page looked up last.
  void repeat(uint64_t times) {
    lookups_ += times;
    buckets_[0] += times;
    if (!exact_.empty()) exact_[0] += times;
  }

  // Bucket 0 is distance 0; bucket b the distances of b binary digits, 2^(b-1) to 2^b - 1.
  static constexpr size_t kBuckets = 65;
  static size_t bucket_of(uint64_t distance);
  [[nodiscard]] const std::array<uint64_t, kBuckets>& buckets() const { return buckets_; }
  [[nodiscard]] uint64_t first() const { return first_; }  // look-ups of pages never seen
  [[nodiscard]] uint64_t lookups() const { return lookups_; }
  // Of an LRU TLB with so many entries, empty at the beginning. REQUIRES: entries <= exact.
  [[nodiscard]] uint64_t misses(uint64_t entries) const;

 private:
  std::vector<uint64_t> exact_;
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t first_ = 0;
  uint64_t lookups_ = 0;
};

enum class ReuseSide : uint8_t { Fetch, Data, Both };
inline constexpr size_t kReuseSides = 3;

// Of one page size: fetches, data accesses, and both through one TLB. An access that goes over a
// page's end looks two pages up, as in a replay.
class Reuse {
 public:
  // REQUIRES: page is no smaller than kBlockPage.
  Reuse(PageShift page, uint64_t exact)
      : page_(page), counts_{ReuseCounts(exact), ReuseCounts(exact), ReuseCounts(exact)} {}

  // A batch of blocks of the address space `space`.
  void add(const Batch& batch, uint32_t space);

  [[nodiscard]] PageShift page() const { return page_; }
  [[nodiscard]] const ReuseCounts& counts(ReuseSide side) const {
    return counts_[static_cast<size_t>(side)];
  }
  [[nodiscard]] uint64_t pages(ReuseSide side) const {
    return stacks_[static_cast<size_t>(side)].pages();
  }

 private:
  void look_up(ReuseSide side, VirtAddr begin, uint64_t bytes, uint32_t space);

  PageShift page_;
  std::array<LruStack, kReuseSides> stacks_;
  std::array<ReuseCounts, kReuseSides> counts_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_REUSE_H_
