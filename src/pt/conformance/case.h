// What the named cases of the kit are written with (promises.h lists them): a class with a member
// per case, on a machine of its own. Only the files cases_*.cc include it.
#ifndef MMUSIM_PT_CONFORMANCE_CASE_H_
#define MMUSIM_PT_CONFORMANCE_CASE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/conformance/model.h"
#include "pt/conformance/verdict.h"
#include "pt/conformance/words.h"

namespace mmusim::pt::conformance {

// What a check compares, in the words of the code: that is what the author of a page table reads
// next to what came.
template <class A, class B>
void check_equal(const A& came, const B& expected, const char* what, const char* promise) {
  if (came == expected) return;
  throw Broken{promise, fmt::format("{} is {}", what, text_of(A(expected))), text_of(came)};
}
#define CHECK_EQ(came, expected) check_equal((came), (expected), #came, sentence_)
#define CHECK_NE(came, other) \
  expect(!((came) == (other)), sentence_, #came " is not " #other, "it is")
#define CHECK_TRUE(condition) expect((condition), sentence_, #condition, "it is not so")
#define CHECK_FALSE(condition) expect(!(condition), sentence_, "not " #condition, "it is so")
#define CHECK_LT(a, b) expect((a) < (b), sentence_, #a " < " #b, "it is not so")

class Case {
 public:
  Case(Machine& machine, const char* sentence) : machine_(machine), sentence_(sentence) {}

  void EmptyTable();
  void EmptyRanges();
  void NoMemoryForTheRoot();
  void SizesNotOffered();
  void BeyondTheAddressSpace();
  void EnsureWithoutMemory();
  void CopyWithoutMemory();
  void MoveWithoutMemory();
  void SplitWithoutMemory();
  void HandlesGoStale();
  void LargeSlotTakenBySmallerLeaves();
  void KeptEntries();
  void OverlappingMoveDown();
  void CursorMeetsStraddlingLeavesOnce();
  void CursorsResume();
  void ClearingUnderACursor();
  void SplitToEachSize();
  void PromotionIsUndoneBySplit();
  void PromotionOfSeveralSizes();
  void PromotionWantsUniformLeaves();
  void ForkThenUnmapInEitherOrder();
  void TrimKeepsToItsLimits();
  void TablesAreAccountedFor();
  void SplitReserveSuffices();
  void WalksNameTheirWords();
  void WordsDecide();
  void StepsDepend();
  void OperationsReportWords();
  void SharedLeavesAreSeenByAll();
  void UnshareMakesACopy();
  void LeavingASharedSubTree();

 private:
  [[nodiscard]] Entry leaf(uint64_t pfn, PageShift size) const {
    LeafFields fields;
    fields.pfn = Pfn(pfn);
    fields.size = size;
    fields.rights = Rights(Rights::kRead | Rights::kWrite | Rights::kUser);
    return machine_.format.make_leaf(fields);
  }
  [[nodiscard]] Entry page_leaf(uint64_t pfn) const { return leaf(pfn, machine_.page); }
  void map(PageTable& table, VirtAddr va, Entry e) { map(table, va, e, machine_.page); }
  void map(PageTable& table, VirtAddr va, Entry e, PageShift size) {
    const Slot slot = table.ensure(va, size);
    CHECK_EQ(slot.status, Status::Ok);
    CHECK_EQ(table.install(slot.handle, slot.entry, e), Status::Ok);
  }
  [[nodiscard]] Handle handle_at(PageTable& table, VirtAddr va) const {
    const Lookup found = table.find(va);
    CHECK_TRUE(found.has_slot);
    return found.handle;
  }
  // Bytes that one leaf table of the architecture covers.
  [[nodiscard]] uint64_t span() const { return uint64_t{1} << machine_.layout.table_span(); }
  // Pages far from each other and, in a tree, below different tables of each level; the last in the
  // last range of addresses.
  [[nodiscard]] std::vector<VirtAddr> scattered() const {
    std::vector<VirtAddr> found{VirtAddr(0)};
    for (const RadixLevel& level : machine_.layout.geometry)
      if (level.shift + level.index_bits < 63 &&
          machine_.spaces[0].contains(VirtAddr(uint64_t{3} << level.shift)))
        found.push_back(VirtAddr(uint64_t{3} << level.shift));
    if (machine_.spaces.size() > 1)
      found.push_back(machine_.spaces.back().begin + 7 * machine_.page.bytes());
    return found;
  }
  // All leaves gone and tables trimmed: nothing but the root may be left.
  void expect_clean(PageTable& table) {
    Gather gather;
    table.trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
    gather.release_tables();
    CHECK_EQ(table.table_bytes(), uint64_t{0});
  }
  [[nodiscard]] std::optional<PageShift> promotable(PageTable& table) const;

  Machine& machine_;
  const char* sentence_;
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_CASE_H_
