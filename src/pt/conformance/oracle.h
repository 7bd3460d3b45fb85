// What a page table should hold, as an ordered map from the base of a leaf to its size and entry.
#ifndef MMUSIM_PT_CONFORMANCE_ORACLE_H_
#define MMUSIM_PT_CONFORMANCE_ORACLE_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "pt/page_table.h"

namespace mmusim::pt::conformance {

struct OracleLeaf {
  uint64_t base = 0;
  unsigned log2 = 0;
  Entry entry = kNone;
  [[nodiscard]] uint64_t end() const { return base + (uint64_t{1} << log2); }
  bool operator==(const OracleLeaf&) const = default;
};

class Oracle {
 public:
  void set(const OracleLeaf& leaf) { leaves_[leaf.base] = leaf; }
  void erase(uint64_t base) { leaves_.erase(base); }
  [[nodiscard]] size_t size() const { return leaves_.size(); }

  // The leaf that covers `va`.
  [[nodiscard]] std::optional<OracleLeaf> at(uint64_t va) const {
    auto next = leaves_.upper_bound(va);
    if (next == leaves_.begin()) return std::nullopt;
    const OracleLeaf& leaf = std::prev(next)->second;
    if (va >= leaf.end()) return std::nullopt;
    return leaf;
  }
  // The leaves that overlap [begin, end), in order.
  [[nodiscard]] std::vector<OracleLeaf> within(uint64_t begin, uint64_t end) const {
    std::vector<OracleLeaf> found;
    if (begin >= end) return found;
    auto next = leaves_.upper_bound(begin);
    if (next != leaves_.begin() && std::prev(next)->second.end() > begin) --next;
    for (; next != leaves_.end() && next->first < end; ++next)
      found.push_back(next->second);
    return found;
  }

 private:
  std::map<uint64_t, OracleLeaf> leaves_;
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_ORACLE_H_
