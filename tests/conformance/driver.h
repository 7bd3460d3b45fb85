// Does random things to a page table and to the oracle beside it, and compares.
#ifndef MMUSIM_TESTS_CONFORMANCE_DRIVER_H_
#define MMUSIM_TESTS_CONFORMANCE_DRIVER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "tests/conformance/machine.h"
#include "tests/conformance/oracle.h"

namespace mmusim::pt {

// Failures are GoogleTest failures; after one the caller should stop (testing::Test::HasFailure).
class Driver {
 public:
  Driver(const Subject& subject, uint64_t seed);

  // One random operation; with `failing_memory`, the allocator may fail in the middle of it.
  void step(bool failing_memory);
  // The whole table against the oracle and the allocator.
  void verify();
  // Clears all, trims all, destroys: nothing may be left.
  void finish();

 private:
  // Choices.
  uint64_t pick_address();
  PageShift pick_size();
  VirtRange pick_range();
  Entry make_entry(PageShift size);
  void maybe_fail(bool failing_memory);

  // Operations.
  void map();
  void clear_one();
  void sweep();
  void copy();
  void move();
  void trim();
  void split_one();

  // Helpers. cut(): afterwards no leaf lies across `va`.
  void check_address(uint64_t va);
  void check_leaves(PageTable& table, const Oracle& oracle, VirtRange range);
  void cut(uint64_t va);
  void wipe(VirtRange range);
  // What a base page translates to: the leaf of that one page, with the same attributes.
  [[nodiscard]] Entry page_entry(const std::optional<OracleLeaf>& leaf, uint64_t va) const;
  // The oracle takes over how [begin, end) is cut into leaves, after translations were compared.
  void adopt(uint64_t begin, uint64_t end);

  Machine machine_;
  Random random_;
  std::unique_ptr<PageTable> table_;
  Oracle oracle_;
  bool may_fail_ = false;  // the allocator has been told to fail soon
  std::vector<PageShift> sizes_;
  std::vector<uint64_t> anchors_;  // addresses near which things happen
};

}  // namespace mmusim::pt

#endif  // MMUSIM_TESTS_CONFORMANCE_DRIVER_H_
