// Two or more guarded page tables of one machine, and short ways to use them.
#ifndef MMUSIM_TESTS_UNIT_PT_GPT_WORLD_H_
#define MMUSIM_TESTS_UNIT_PT_GPT_WORLD_H_

#include <cstdint>
#include <gtest/gtest.h>
#include <memory>

#include "pt/conformance/machine.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt {

using conformance::layout_named;
using conformance::Machine;
using conformance::TestFormat;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBase = 0x100000000000;
constexpr Rights kAll{Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser};

class GptWorld : public testing::Test {
 protected:
  explicit GptWorld(const char* settings = "")
      : machine_(gpt::backend(), layout_named("x86_64"), settings) {}

  std::unique_ptr<PageTable> make(uint64_t mm) { return machine_.factory->create(MmId(mm)); }
  static gpt::Gpt& guarded(PageTable& table) { return dynamic_cast<gpt::Gpt&>(table); }
  [[nodiscard]] Entry leaf(uint64_t pfn, unsigned log2 = 12, bool dirty = false) const {
    LeafFields fields;
    fields.pfn = Pfn(pfn);
    fields.size = PageShift(log2);
    fields.rights = Rights(Rights::kRead | Rights::kWrite | Rights::kUser);
    fields.dirty = dirty;
    return machine_.format.make_leaf(fields);
  }
  static Status map(PageTable& table, uint64_t va, Entry e, unsigned log2 = 12) {
    const Slot slot = table.ensure(VirtAddr(va), PageShift(log2));
    return slot.status != Status::Ok ? slot.status : table.install(slot.handle, slot.entry, e);
  }
  static Entry at(const PageTable& table, uint64_t va) { return table.peek(VirtAddr(va)).entry; }
  // Clears the leaf at va.
  static void clear(PageTable& table, uint64_t va) {
    Entry old = kNone;
    ASSERT_EQ(table.clear(table.peek(VirtAddr(va)).handle, old), Status::Ok);
  }
  // Depth of a lookup: entries passed, the root included.
  static unsigned words(const PageTable& table, uint64_t va) {
    WalkPath path;
    static_cast<void>(table.walk(VirtAddr(va), path));
    return path.count();
  }
  static bool copy_all(size_t, pt::Run& from, pt::Run& to) {
    for (uint32_t i = 0; i < from.count; ++i)
      to.set(i, from.get(i));
    return true;
  }

  Machine machine_;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_TESTS_UNIT_PT_GPT_WORLD_H_
