// Demotion (kernel.superpage.demote): what is left of a superpage of 64K around a part of it,
// worked out by hand, with groups that hint and with leaves.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace demotion_test {

constexpr uint64_t k8K = 8 * kK, k16K = 16 * kK, k32K = 32 * kK, k64K = 64 * kK;

struct Way {
  const char* page_table;
  const char* style;
  bool halves;  // superpages of 8K and 32K can be had besides those that are listed
};
class Demotions : public ::testing::TestWithParam<Way> {
 protected:
  Script& start(const std::string& kind, const std::string& more = "") {
    script_.emplace(
        "[kernel]\nimply = false\nthp.sizes = 16K:always,64K:always\n"
        "superpage.demote = " +
            kind + "\nsuperpage.style = " + GetParam().style + "\n" + more,
        GetParam().page_table);
    script_->map(kBase, 4 * k64K);
    script_->step("one of 64K", [&] { script_->write(kBase + kPage, 1); },
                  {.faults = 1, .anon = 64, .tables = 12});
    return *script_;
  }
  Counters::BySize of(uint64_t bytes) const {
    const auto& sizes = script_->m.counters().sizes;
    const auto found = sizes.find(PageShift(log2_floor(bytes)));
    return found == sizes.end() ? Counters::BySize{} : found->second;
  }
  // Superpages of 8K, 16K, 32K and 64K there are now.
  using Left = std::array<uint64_t, 4>;
  Left left() const {
    return {of(k8K).mapped / k8K, of(k16K).mapped / k16K, of(k32K).mapped / k32K,
            of(k64K).mapped / k64K};
  }
  bool halves() const { return GetParam().halves; }

 private:
  std::optional<Script> script_;
};

TEST_P(Demotions, AroundAPageThatGoes) {
  for (const std::string kind : {"base", "step", "binary"}) {
    SCOPED_TRACE(kind);
    Script& s = start(kind);
    s.step("page 5 of 16", [&] { s.unmap(kBase + 5 * kPage, kPage); }, {.anon = -4, .areas = 1});
    if (kind == "base")
      EXPECT_EQ(left(), (Left{0, 0, 0, 0}));
    else if (kind == "binary" && halves())  // pages 6 and 7, 0 to 3, 8 to 15
      EXPECT_EQ(left(), (Left{1, 1, 1, 0}));
    else  // three quarters
      EXPECT_EQ(left(), (Left{0, 3, 0, 0}));
    EXPECT_EQ(of(k64K).splits[SplitCause::Unmap], 1u);
    EXPECT_EQ(of(k16K).parts, left()[1]);
    s.step("the rest is there", [&] { s.write(kBase, 5); }, {});
    s.step("a whole part goes", [&] { s.unmap(kBase + k32K, k32K); }, {.anon = -32, .areas = 1});
    EXPECT_EQ(left(), (kind == "base"                 ? Left{0, 0, 0, 0}
                       : kind == "binary" && halves() ? Left{1, 1, 0, 0}
                                                      : Left{0, 1, 0, 0}));
    EXPECT_EQ(s.m.counters().huge_splits, 1u);
    s.unmap(kBase, 4 * k64K);
    s.end();
  }
}

TEST_P(Demotions, AroundAPageThatIsCopied) {
  for (const std::string kind : {"base", "step", "binary"}) {
    SCOPED_TRACE(kind);
    Script& s = start(kind);
    s.m.sys().clone(kP1, kP2, 0);
    s.step(
        "the child copies one page", [&] { s.write(kBase + 5 * kPage, 1, kP2); },
        {.faults = 1, .tables = 0}, 2);
    EXPECT_EQ(left(), (kind == "base"                 ? Left{0, 0, 0, 1}  // the parent's
                       : kind == "binary" && halves() ? Left{1, 1, 1, 1}
                                                      : Left{0, 3, 0, 1}));
    EXPECT_EQ(of(k64K).splits[SplitCause::Copy], 1u);
    s.step(
        "another part is divided the same way", [&] { s.write(kBase + 9 * kPage, 1, kP2); },
        {.faults = 1}, 2);
    s.m.sys().exit(kP2, 0, true);
    s.step("one fault makes the parent's its own", [&] { s.write(kBase, 16); }, {.faults = 1});
    EXPECT_EQ(left(), (Left{0, 0, 0, 1}));
    s.unmap(kBase, 4 * k64K);
    s.end();
  }
}

TEST_P(Demotions, ChangedRightsAndMoves) {
  for (const std::string kind : {"step", "binary"}) {
    SCOPED_TRACE(kind);
    Script& s = start(kind);
    ASSERT_EQ(s.m.sys().mprotect(kP1, VirtAddr(kBase + k16K), k16K, kProtRead), 0);
    EXPECT_EQ(of(k64K).splits[SplitCause::Protect], 1u);
    EXPECT_EQ(left(), (kind == "binary" && halves() ? Left{0, 2, 1, 0} : Left{0, 4, 0, 0}));
    s.m.expect_no_stale_translation();
    s.m.expect_accounts_agree();
    // To where blocks of 16K lie alike, and those of 32K do not.
    s.step("64K written elsewhere", [&] { s.write(kBase + 2 * k64K, 1); },
           {.faults = 1, .anon = 64});
    const uint64_t there = kBase + kG + k16K;
    ASSERT_EQ(s.m.sys().mremap(kP1, VirtAddr(kBase + 2 * k64K), k64K, k64K,
                               kRemapMayMove | kRemapFixed, VirtAddr(there)),
              static_cast<int64_t>(there));
    EXPECT_EQ(of(k64K).splits[SplitCause::Move], 1u);
    EXPECT_EQ(left(), (kind == "binary" && halves() ? Left{0, 6, 1, 0} : Left{0, 8, 0, 0}));
    s.step("it is there", [&] { s.write(there, 16); }, {});
    s.unmap(there, k64K);
    s.unmap(kBase, 4 * k64K);
    s.end();
  }
}

// Advice divides the folio, and so all that is left of the superpage, also in other areas.
TEST_P(Demotions, AdviceAboutAPartLeavesBasePages) {
  for (const std::string kind : {"base", "step", "binary"}) {
    SCOPED_TRACE(kind);
    Script& s = start(kind);
    s.unmap(kBase + 5 * kPage, kPage);
    s.step("of 15 pages one was written", [&] { s.advise(kBase, 2 * kPage, kAdviceCold); },
           {.anon = -56});
    EXPECT_EQ(left(), (Left{0, 0, 0, 0}));
    s.step("read", [&] { s.read(kBase + 8 * kPage, 8); }, {});
    s.unmap(kBase, 4 * k64K);
    s.end();
  }
}

INSTANTIATE_TEST_SUITE_P(PageTables, Demotions,
                         ::testing::Values(Way{"mlpt", "hint", true}, Way{"gpt", "leaf", true},
                                           Way{"gpt", "hint", true}, Way{"hashed", "leaf", false},
                                           Way{"clustered", "leaf", false}),
                         [](const auto& way) {
                           return std::string(way.param.page_table) + "_" + way.param.style;
                         });

// Huge pages of the machine, of which a guarded table can keep all halves, and a radix tree none.
TEST(DemotionOfHugePages, WhatThePageTableHas) {
  for (const auto& [backend, left] : {std::pair{"gpt", uint64_t{k2M - 2 * kPage}},
                                      {"mlpt", uint64_t{0}},
                                      {"hashed", uint64_t{0}}}) {
    SCOPED_TRACE(backend);
    Script s("[kernel]\nimply = false\nthp = always\nsuperpage.demote = binary\n", backend);
    s.map(kBase, k2M);
    s.write(kBase, 1);
    s.step("a page unmapped", [&] { s.unmap(kBase + 8 * kPage, kPage); }, {.anon = -4, .areas = 1});
    EXPECT_EQ(s.m.counters().huge_bytes, left);
    s.step("the rest is there", [&] { s.write(kBase + 9 * kPage, 503); }, {});
    s.unmap(kBase, k2M);
    s.end();
  }
}

}  // namespace demotion_test
}  // namespace mmusim::kernel::testing
