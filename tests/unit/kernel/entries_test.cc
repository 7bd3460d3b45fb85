// What entries mean, who shares an anon_vma, and room made by reclaim: without faults or calls.
#include "kernel/entries.h"

#include <gtest/gtest.h>
#include <string>

#include "kernel/fault_context.h"
#include "kernel/parts.h"
#include "kernel/reclaim.h"

namespace mmusim::kernel {
namespace entries_test {

using namespace testing;

bool may_write(const Parts& b, const Vma& vma, bool exclusive, bool dirty) {
  return leaf_rights(b.core, vma, exclusive, dirty).has(Rights::kWrite);
}

TEST(Entries, TheKernelSeesTheFirstWriteToWhatIsSharedOrClean) {
  Parts b;
  const Vma& own = b.add_area(0, 4, kVmRead | kVmWrite);
  EXPECT_TRUE(may_write(b, own, true, false));
  EXPECT_FALSE(may_write(b, own, false, true)) << "somebody else holds the page";
  const FileId disk = b.core.cache.named("disk", FileKind::Regular);
  const Vma& file = b.add_area(4, 8, kVmRead | kVmWrite | kVmShared, disk);
  EXPECT_FALSE(may_write(b, file, true, false)) << "the page is clean";
  EXPECT_TRUE(may_write(b, file, false, true));
  const FileId memory = b.core.cache.named("memory", FileKind::Shmem);
  const Vma& shmem = b.add_area(8, 12, kVmRead | kVmWrite | kVmShared, memory);
  EXPECT_TRUE(may_write(b, shmem, false, false)) << "nobody writes it back";
  const Vma& fixed = b.add_area(12, 16, kVmRead | kVmExec);
  EXPECT_FALSE(may_write(b, fixed, true, true));
  EXPECT_TRUE(leaf_rights(b.core, fixed, true, true).has(Rights::kExec));
  const Vma& none = b.add_area(16, 20, 0);
  EXPECT_EQ(leaf_rights(b.core, none, true, true).bits(), 0u);
}

TEST(Entries, GuardsAreNoSlotsAndNoPages) {
  Parts b(kSwap);
  EXPECT_TRUE(is_guard(b.format, guard_entry(b.format)));
  EXPECT_FALSE(is_guard(b.format, b.core.swap->entry(SlotId(16))));
  EXPECT_FALSE(is_guard(b.format, pt::kNone));
  const pt::Entry zeros = b.format.make_leaf(
      {.pfn = Pfn(1), .size = k4K, .rights = Rights(Rights::kRead), .special = true});
  EXPECT_FALSE(is_guard(b.format, zeros));
}

// Two areas side by side, of which the first has private pages: whether the second shares theirs.
struct Neighbours {
  const char* what;
  uint32_t flags;  // of the second
  uint32_t chain;  // of the first: 1 unless fork handed it on
  uint64_t gap;    // pages between them
  bool shares;
};

TEST(PrepareAnon, SharesWithANeighbourItCouldBeOneWith) {
  constexpr uint32_t kOwn = kVmRead | kVmWrite;
  for (const Neighbours& n :
       {Neighbours{"alike", kOwn, 1, 0, true}, Neighbours{"other rights", kVmRead, 1, 0, true},
        Neighbours{"guards", kOwn | kVmMaybeGuard, 1, 0, true},
        Neighbours{"locked", kOwn | kVmLocked, 1, 0, false},
        Neighbours{"inherited", kOwn, 2, 0, false}, Neighbours{"apart", kOwn, 1, 1, false}}) {
    SCOPED_TRACE(n.what);
    Parts b;
    Vma& first = b.add_area(0, 4, kOwn);
    b.mm->vmas.set_anon(first, AnonVmaId(77), AnonVmaId(76), n.chain);
    Vma& second = b.add_area(4 + n.gap, 8 + n.gap, n.flags);
    prepare_anon(b.core, *b.mm, second);
    EXPECT_EQ(second.anon == AnonVmaId(77), n.shares);
    EXPECT_EQ(second.anon_root, n.shares ? AnonVmaId(76) : second.anon);
    EXPECT_EQ(second.anon_chain, 1u);
    const AnonVmaId before = second.anon;
    prepare_anon(b.core, *b.mm, second);
    EXPECT_EQ(second.anon, before);
  }
}

TEST(MakeRoom, TakesTwiceAsManyEachTimeAndNothingThatIsLocked) {
  Parts b("kernel.swap_pages = 1000\n");
  Vma& locked = b.add_area(0, 8, kVmRead | kVmWrite | kVmLocked);
  prepare_anon(b.core, *b.mm, locked);
  for (uint64_t page = 0; page < 8; ++page)
    b.show_anonymous(locked, page);
  Vma& vma = b.add_area(100, 300, kVmRead | kVmWrite);
  prepare_anon(b.core, *b.mm, vma);
  for (uint64_t page = 100; page < 300; ++page)
    b.show_anonymous(vma, page);
  EXPECT_TRUE(make_room(b.core, 0));
  EXPECT_EQ(b.core.swap->in_use(), 32u);
  EXPECT_EQ(b.mm->swapped, 32u);
  EXPECT_EQ(b.freed, 32u);
  EXPECT_FALSE(b.format.is_present(b.entry(100))) << "the oldest go first";
  EXPECT_TRUE(b.format.is_present(b.entry(299)));
  EXPECT_TRUE(make_room(b.core, 1));
  EXPECT_EQ(b.core.swap->in_use(), 96u);
  EXPECT_TRUE(make_room(b.core, 5));
  EXPECT_EQ(b.mm->resident(), 8u);
  EXPECT_TRUE(b.format.is_present(b.entry(0)));
  EXPECT_FALSE(make_room(b.core, 0)) << "nothing is left but what is locked";
  b.tlb.on_shrink = [] { return true; };
  EXPECT_TRUE(make_room(b.core, 15)) << "by software TLBs";
  EXPECT_FALSE(make_room(b.core, 16)) << "it has been tried often enough";
}

}  // namespace entries_test
}  // namespace mmusim::kernel
