// Tables a bug has broken: taking them apart finds it, and is a failure of the run alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "pt/conformance/machine.h"
#include "pt/gpt/gpt.h"
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt {
namespace broken_test {

using conformance::layout_named;
using conformance::Machine;
using testing::HasSubstr;

constexpr VirtAddr kPlace{0x1000'0000'0000};

struct Broken {
  explicit Broken(const Backend& backend, const char* settings = "")
      : machine(backend, layout_named("x86_64"), settings),
        table(machine.factory->create(MmId(1))) {
    // Three, so that a guarded table has an inner node besides its root.
    for (const VirtAddr page :
         {kPlace, kPlace + (uint64_t{1} << 20), kPlace + (uint64_t{1} << 40)}) {
      const Slot slot = table->ensure(page, PageShift(12));
      const Entry leaf = machine.format.make_leaf(
          {.pfn = Pfn(512), .size = PageShift(12), .rights = Rights(Rights::kRead)});
      EXPECT_EQ(table->install(slot.handle, slot.entry, leaf), Status::Ok);
    }
  }
  // The first entry of a walk leads nowhere from now on.
  void break_it(bool second_word, uint64_t bits) {
    WalkPath path;
    static_cast<void>(table->walk(kPlace, path));
    uint64_t* const words = machine.memory.words(path.steps().front().address);
    words[second_word ? 1 : 0] ^= bits;
  }
  Machine machine;
  std::unique_ptr<PageTable> table;
};

TEST(BrokenTable, AnMlptIsAFailureOfTheRunThatTakesItApart) {
  Broken b(mlpt::backend());
  b.break_it(false, uint64_t{1} << 45);
  EXPECT_THAT(failure_of([&] { b.table.reset(); }), HasSubstr("found != nullptr"));
}

TEST(BrokenTable, AGptIsToo) {
  Broken b(gpt::backend(), "[pt.gpt]\nlines = false\n");
  b.break_it(true, uint64_t{1} << 41);
  EXPECT_THAT(failure_of([&] { b.table.reset(); }), HasSubstr("internal error"));
}

// The failure that ends a run goes past all that was open, which fails too.
TEST(BrokenTable, WhatWasOpenDoesNotHideTheFirstFailure) {
  Broken b(gpt::backend(), "[pt.gpt]\nlines = false\n");
  const auto meet = [](bool good) { MMUSIM_ASSERT(good); };
  const std::string failure = failure_of([&] {
    const std::unique_ptr<PageTable> table = std::move(b.table);
    const auto cursor = table->cursor({kPlace, kPlace + (uint64_t{1} << 20)}, CursorMode::Zap);
    pt::Run run;
    ASSERT_TRUE(cursor->next(run));
    run.set(0, kNone);
    WalkPath path;
    static_cast<void>(table->walk(kPlace, path));
    b.machine.memory.words(path.steps().front().address)[1] ^= uint64_t{1} << 41;
    meet(false);
  });
  EXPECT_THAT(failure, HasSubstr("good"));
}

// Of a plug-in's own, which knows nothing of take_apart().
struct DyingFactory final : Factory {
  ~DyingFactory() override { MMUSIM_ASSERT(whole); }
  std::unique_ptr<PageTable> create(MmId /*mm*/) override { return nullptr; }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }
  bool whole = false;
};
struct DyingCursor final : Cursor {
  ~DyingCursor() override { MMUSIM_ASSERT(whole); }
  bool next(Run& /*run*/) override { return false; }
  void seek(VirtAddr /*va*/) override {}
  bool whole = false;
};

TEST(BrokenTable, AnAssertionInADestructorOfItsOwnEndsNoProgram) {
  EXPECT_THAT(failure_of([] { const std::unique_ptr<Factory> factory(new DyingFactory); }),
              HasSubstr("whole"));
  EXPECT_THAT(
      failure_of([] { const std::unique_ptr<Cursor> cursor = std::make_unique<DyingCursor>(); }),
      HasSubstr("whole"));
  // Nor does it hide what was wrong before.
  const auto meet = [](bool good) { MMUSIM_ASSERT(good); };
  EXPECT_THAT(failure_of([&] {
                const std::unique_ptr<Factory> factory = std::make_unique<DyingFactory>();
                meet(false);
              }),
              HasSubstr("good"));
}

}  // namespace broken_test
}  // namespace mmusim::pt
