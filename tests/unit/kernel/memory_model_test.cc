// The random memory model (memory_model.h) under one setting after the other.
#include "kernel/memory_model.h"

namespace mmusim::kernel::testing {
namespace memory_model_test {

TEST(MemoryModel, RandomCallsAndAccesses) {
  run_seeds(1, 15, {"[kernel]\nimply = false\n"});
}
TEST(MemoryModel, WithLargeFolios) {
  run_seeds(100, 8, {"[kernel]\nimply = false\nfolio_order = 4\n"});
}
TEST(MemoryModel, WithColdFilesAndNoFaultAround) {
  run_seeds(200, 8,
            {"[kernel]\nimply = false\nfiles = cold\nfault_around = 4K\nreadahead = 16K\n"});
}

// Huge pages of 16 KiB, so that the small arena has many.
constexpr PageShift k16K{14};
const std::string kSmallHuge =
    "[pt.mlpt]\nlevels = 12:2:leaf,14:12:leaf,26:10,36:12\n[pt.gpt]\narray = 2\n";
TEST(MemoryModel, WithHugePages) {
  for (const char* backend : {"mlpt", "gpt"}) {
    Counters total;
    run_seeds(300, 8, {kSmallHuge + "[kernel]\nimply = false\nthp = always\n", backend, k16K},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.huge_faults, 200u);
    EXPECT_GT(total.huge_splits, 100u);
  }
}
TEST(MemoryModel, WithCollapsedPages) {
  for (const char* backend : {"mlpt", "gpt"}) {
    Counters total;
    run_seeds(400, 10, {kSmallHuge + "[kernel]\nimply = false\nthp = never\n", backend, k16K},
              &total);
    EXPECT_EQ(total.huge_faults, 0u);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.huge_collapses, 10u);
    EXPECT_GT(total.huge_splits, 3u);
    EXPECT_GT(total.huge_shared, 10u);
    EXPECT_GT(total.huge_shared_maps, 10u);
  }
}
// Blocks of all sizes up to that of the largest area, as leaves and as base entries.
TEST(MemoryModel, WithBlocksOfManySizes) {
  const std::string sizes =
      "[kernel]\nimply = false\nthp = always\nthp.sizes = 8K,16K:always,32K,64K:madvise\n";
  const std::string base = "superpage.style = base\n", hint = "superpage.style = hint\n";
  for (const auto& [backend, style] : {std::pair{"mlpt", base},
                                       {"mlpt", std::string()},
                                       {"gpt", std::string()},
                                       {"gpt", base},
                                       {"gpt", hint},
                                       {"hashed", std::string("superpage.style = leaf\n")},
                                       {"clustered", std::string()}}) {
    SCOPED_TRACE(std::string(backend) + style);
    Counters total;
    run_seeds(1100, 8, {sizes + style, backend}, &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.huge_faults, 100u);
    if (style == base)
      EXPECT_EQ(total.huge_splits, 0u);
    else
      EXPECT_GT(total.huge_splits, 50u);
  }
}
// What is left of superpages that change in part; also where memory is short.
TEST(MemoryModel, WithDemotedSuperpages) {
  const std::string sizes =
      "[kernel]\nimply = false\nthp.sizes = 8K:always,16K:always,64K:always\n";
  const std::string kinds[] = {"binary", "step"};
  uint64_t seed = 1800;
  for (const auto& [backend, style] :
       {std::pair{"mlpt", "hint"}, {"gpt", "leaf"}, {"hashed", "leaf"}, {"clustered", "leaf"}}) {
    for (const std::string& kind : kinds) {
      for (const uint64_t frames : {uint64_t{0}, uint64_t{110}}) {
        SCOPED_TRACE(backend + (" " + kind) + " " + std::to_string(frames));
        Counters total;
        const std::string memory =
            frames == 0 ? std::string() : "[mem]\nbytes = 1M\n[kernel]\nswap_pages = 2048\n";
        const std::string swap = kind == kinds[0] ? "whole" : "both";
        run_seeds(seed += 10, 3,
                  {memory + sizes + "superpage.style = " + style + "\nsuperpage.demote = " + kind +
                       "\nsuperpage.swap = " + swap + "\n",
                   backend, kHuge, frames},
                  &total);
        if (!tests::kWholeEffort) continue;
        uint64_t parts = 0;
        for (const auto& [size, counted] : total.sizes)
          parts += counted.parts;
        EXPECT_GT(parts, 0u);
      }
    }
  }
}
// Superpages made later than by faults; also where memory is short.
uint64_t promoted(const Counters& total) {
  uint64_t sum = 0;
  for (const auto& [size, counted] : total.sizes)
    sum += counted.promoted;
  return sum;
}
TEST(MemoryModel, WithSuperpagesByPolicy) {
  const std::string policies[] = {
      "reserve\n", "promote\nsuperpage.scan_interval = 1000\nsuperpage.populated = 50\n",
      "online\nsuperpage.misses = 1\nsuperpage.populated = 60\n"};
  const std::string sizes =
      "[kernel]\nimply = false\nthp.sizes = 8K:always,16K:always,32K:madvise\n";
  uint64_t seed = 1400;
  for (const auto& [backend, style] :
       {std::pair{"mlpt", "hint"}, {"gpt", "leaf"}, {"hashed", "leaf"}, {"clustered", "leaf"}}) {
    for (const std::string& policy : policies) {
      for (const uint64_t frames : {uint64_t{0}, uint64_t{110}}) {
        SCOPED_TRACE(std::string(backend) + " " + policy + std::to_string(frames));
        Counters total;
        const std::string memory =
            frames == 0 ? std::string() : "[mem]\nbytes = 1M\n[kernel]\nswap_pages = 2048\n";
        run_seeds(seed += 10, 3,
                  {memory + sizes + "superpage.style = " + style + "\nsuperpage.policy = " + policy,
                   backend, kHuge, frames},
                  &total);
        if (!tests::kWholeEffort) continue;
        EXPECT_GT(promoted(total), 10u);
        if (policy != "reserve\n") continue;
        EXPECT_GT(total.reservations, 40u);
        if (frames != 0) {
          EXPECT_GT(total.reservations_broken, 5u);
        }
      }
    }
  }
}
TEST(MemoryModel, WithBlocksCopiedWhole) {
  for (const auto& [backend, style] : {std::pair{"mlpt", "hint"}, {"gpt", "leaf"}}) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(1700, 4,
              {"[kernel]\nimply = false\nthp.sizes = 8K:always,32K:always\nsuperpage.cow = whole\n"
               "superpage.style = " +
                   std::string(style) + "\n",
               backend},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.sizes[PageShift(13)].cow + total.sizes[PageShift(15)].cow, 10u);
  }
}
// The rule of fork before 2.6.14.
TEST(MemoryModel, WhenForkCopiesAll) {
  run_seeds(500, 8, {"[kernel]\nimply = false\nfork_copy = all\n"});
}

// ... with the architecture's own among them, and collapses.
TEST(MemoryModel, WithBlocksAroundTheHugePage) {
  for (const char* backend : {"mlpt", "gpt"}) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(1300, 8,
              {kSmallHuge + "[kernel]\nimply = false\nthp = always\nthp.sizes = 8K,32K,64K\n",
               backend, k16K},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.huge_faults, 200u);
    EXPECT_GT(total.huge_splits, 100u);
  }
}

// Fewer frames than the processes use, and swap space for what does not fit.
const std::string kFewFrames = "[mem]\nbytes = 1M\n[kernel]\nimply = false\nswap_pages = 2048\n";
void expect_reclaim(const Counters& total) {
  if (!tests::kWholeEffort) return;
  EXPECT_GT(total.swap_writes, 300u);
  EXPECT_GT(total.swap_reads, 150u);
  EXPECT_GT(total.swap_hits, 3u);
  EXPECT_GT(total.files_dropped, 200u);
  EXPECT_GT(total.lazily_freed, 0u);
  EXPECT_GT(total.reclaim_runs, 20u);
}
TEST(MemoryModel, WithSwapOnEveryPageTable) {
  for (const pt::Backend& backend : pt::backends()) {
    SCOPED_TRACE(backend.name);
    Counters total;
    run_seeds(600, 8, {kFewFrames, backend.name, kHuge, 90}, &total);
    expect_reclaim(total);
  }
}
TEST(MemoryModel, WithBlocksOfManySizesAndSwap) {
  for (const std::string& backend : backend_names()) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(1200, 6, {kFewFrames + "thp = always\nthp.sizes = 8K,16K,32K\n", backend, kHuge, 110},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.swap_writes, 100u);
    EXPECT_GT(total.swap_reads, 40u);
    EXPECT_GT(total.files_dropped, 150u);
    EXPECT_GT(total.reclaim_runs, 5u);
    EXPECT_GT(total.huge_fallbacks, 15u);
  }
}
TEST(MemoryModel, WithSwapAndColdFiles) {
  Counters total;
  run_seeds(700, 6,
            {kFewFrames + "files = cold\nreadahead = 16K\nfolio_order = 2\n", "mlpt", kHuge, 90},
            &total);
  expect_reclaim(total);
}
// Tables of a page at most: reclaim makes room, but not in one piece.
const std::string kSmallTables =
    "[pt.mlpt]\nlevels = 12:2:leaf,14:9:leaf,23:9,32:9,41:6\n[pt.gpt]\narray = 2\n";
TEST(MemoryModel, WithSwapAndHugePages) {
  for (const auto& [backend, frames] : {std::pair{"mlpt", uint64_t{140}}, {"gpt", uint64_t{80}}}) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(800, 8, {kSmallTables + kFewFrames + "thp = always\n", backend, k16K, frames},
              &total);
    expect_reclaim(total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.huge_splits, 100u);
  }
}

// Blocks of 16 KiB, the span of the smallest leaf tables, so that many areas have some.
TEST(MemoryModel, WithSharedTables) {
  for (const char* backend : {"mlpt", "gpt"}) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(900, 12, {kSmallHuge + "[kernel]\nimply = false\nshared_tables = 16K\n", backend},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.tables_joined, 60u);
    EXPECT_GT(total.tables_left, 30u);
  }
}
TEST(MemoryModel, WithSharedTablesAndSwap) {
  for (const auto& [backend, frames] : {std::pair{"mlpt", uint64_t{140}}, {"gpt", uint64_t{80}}}) {
    SCOPED_TRACE(backend);
    Counters total;
    run_seeds(1000, 8,
              {kSmallTables + kFewFrames + "shared_tables = 16K\n", backend, kHuge, frames},
              &total);
    if (!tests::kWholeEffort) continue;
    EXPECT_GT(total.tables_joined, 30u);
    EXPECT_GT(total.swap_writes, 300u);
  }
}

}  // namespace memory_model_test
}  // namespace mmusim::kernel::testing
