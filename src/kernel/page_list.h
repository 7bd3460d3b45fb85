// The pages that may be reclaimed, in the order in which that is tried: the one used longest ago
// first, as far as is known. One list for all of them (Linux keeps four: active and inactive, of
// files and not). Not thread-safe. Deterministic.
#ifndef MMUSIM_KERNEL_PAGE_LIST_H_
#define MMUSIM_KERNEL_PAGE_LIST_H_

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "base/types.h"

namespace mmusim::kernel {

struct PageRecord {
  bool file = false;   // of the page cache, or anonymous
  uint64_t id = 0;     // file, or family of anon_vmas
  uint64_t index = 0;  // in it
};

class PageList {
 public:
  // At the end. REQUIRES: not in the list.
  void add(Pfn pfn, const PageRecord& record) {
    order_.push_back(pfn);
    entries_.emplace(pfn, Entry{record, std::prev(order_.end())});
  }
  // Nothing happens to a frame that is not in the list.
  void remove(Pfn pfn) {
    const auto it = entries_.find(pfn);
    if (it == entries_.end()) return;
    order_.erase(it->second.place);
    entries_.erase(it);
  }
  [[nodiscard]] PageRecord* find(Pfn pfn) {
    const auto it = entries_.find(pfn);
    return it == entries_.end() ? nullptr : &it->second.record;
  }
  [[nodiscard]] const PageRecord* find(Pfn pfn) const {
    const auto it = entries_.find(pfn);
    return it == entries_.end() ? nullptr : &it->second.record;
  }
  // The next one to try.
  [[nodiscard]] std::optional<Pfn> first() const {
    if (order_.empty()) return std::nullopt;
    return order_.front();
  }
  // REQUIRES: in the list.
  void move_to_end(Pfn pfn) { order_.splice(order_.end(), order_, entries_.at(pfn).place); }
  void move_to_front(Pfn pfn) { order_.splice(order_.begin(), order_, entries_.at(pfn).place); }
  [[nodiscard]] size_t size() const { return order_.size(); }

 private:
  struct Entry {
    PageRecord record;
    std::list<Pfn>::iterator place;
  };
  std::list<Pfn> order_;
  std::unordered_map<Pfn, Entry> entries_;  // looked up only, never iterated
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PAGE_LIST_H_
