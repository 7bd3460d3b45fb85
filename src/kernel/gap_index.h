// Where an address space has room: the stretches between its areas, by their ends, in a tree each
// of whose nodes knows the longest one below it (as Linux's rb_subtree_gap and its maple tree do).
// So the highest or lowest that is long enough is found without a look at the others. Not
// thread-safe.
#ifndef MMUSIM_KERNEL_GAP_INDEX_H_
#define MMUSIM_KERNEL_GAP_INDEX_H_

#include <algorithm>
#include <cstdint>
#include <ext/pb_ds/assoc_container.hpp>
#include <ext/pb_ds/tree_policy.hpp>
#include <functional>
#include <optional>

#include "base/types.h"

namespace mmusim::kernel {

class GapIndex {
 public:
  // The gap that ends at `end` has so many bytes; 0: there is none.
  void set(VirtAddr end, uint64_t bytes) {
    gaps_.erase(end);  // what nodes know is brought up to date when one comes or goes
    if (bytes != 0) gaps_.insert({end, bytes});
  }
  // The highest end, not above `limit`, of a gap of at least so many bytes.
  [[nodiscard]] std::optional<VirtAddr> highest(VirtAddr limit, uint64_t bytes) const {
    return highest(gaps_.node_begin(), limit, bytes);
  }
  // The lowest end, not below `limit`, likewise.
  [[nodiscard]] std::optional<VirtAddr> lowest(VirtAddr limit, uint64_t bytes) const {
    return lowest(gaps_.node_begin(), limit, bytes);
  }

 private:
  template <class ConstNode, class Node, class Less, class Allocator>
  class KnowsLongest {
   public:
    using metadata_type = uint64_t;  // the longest gap of a node and all below it
    virtual ~KnowsLongest() = default;

   protected:
    void operator()(Node node, ConstNode none) const {
      uint64_t longest = (**node).second;
      for (const ConstNode child : {ConstNode(node.get_l_child()), ConstNode(node.get_r_child())})
        if (child != none) longest = std::max(longest, child.get_metadata());
      const_cast<uint64_t&>(node.get_metadata()) = longest;
    }
  };
  using Tree =
      __gnu_pbds::tree<VirtAddr, uint64_t, std::less<>, __gnu_pbds::rb_tree_tag, KnowsLongest>;
  using Node = Tree::node_const_iterator;

  // No deeper than the tree is, of which no more than two paths are gone down.
  [[nodiscard]] std::optional<VirtAddr> highest(Node node, VirtAddr limit, uint64_t bytes) const {
    if (node == gaps_.node_end() || node.get_metadata() < bytes) return std::nullopt;
    const auto& [end, length] = **node;
    if (end <= limit) {
      if (const auto found = highest(node.get_r_child(), limit, bytes)) return found;
      if (length >= bytes) return end;
    }
    return highest(node.get_l_child(), limit, bytes);
  }
  [[nodiscard]] std::optional<VirtAddr> lowest(Node node, VirtAddr limit, uint64_t bytes) const {
    if (node == gaps_.node_end() || node.get_metadata() < bytes) return std::nullopt;
    const auto& [end, length] = **node;
    if (end >= limit) {
      if (const auto found = lowest(node.get_l_child(), limit, bytes)) return found;
      if (length >= bytes) return end;
    }
    return lowest(node.get_r_child(), limit, bytes);
  }

  Tree gaps_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_GAP_INDEX_H_
