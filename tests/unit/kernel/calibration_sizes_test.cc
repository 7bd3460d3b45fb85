// The same as calibration_huge_test.cc for transparent huge pages of several sizes (multi-size
// THP): what Linux 6.18 counted with 16K, 64K and 256K set to madvise beside 2M
// (/sys/kernel/mm/transparent_hugepage/hugepages-*kB/enabled), in areas advised so. With blocks
// mapped by base entries, as Linux does on x86, and by leaves, which the page tables have that are
// no radix trees: faults and memory are the same.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace calibration_sizes_test {

const std::string kSizes = "[kernel]\nthp.sizes = 16K:madvise,64K:madvise,256K:madvise\n";
constexpr uint64_t k16K = 16 * kK, k64K = 64 * kK, k256K = 256 * kK;

struct Way {
  const char* page_table;
  const char* style;
};
class Sizes : public ::testing::TestWithParam<Way> {
 protected:
  Sizes() : s(kSizes + "superpage.style = " + GetParam().style + "\n", GetParam().page_table) {}
  // Bytes that faults mapped in blocks of that size.
  uint64_t made(uint64_t bytes) {
    const auto& sizes = s.m.counters().sizes;
    const auto found = sizes.find(PageShift(log2_floor(bytes)));
    return found == sizes.end() ? 0 : found->second.made;
  }
  Script s;
};

TEST_P(Sizes, TheLargestBlockThatFitsAndIsEmpty) {
  s.map_huge(kBase, kM);
  s.step("write one page", [&] { s.write(kBase, 1); }, {.faults = 1, .anon = 256, .tables = 12});
  s.step("write the rest of 256K", [&] { s.write(kBase, 64); }, {});
  s.step("read one page", [&] { s.read(kBase + k256K, 1); }, {.faults = 1});
  s.step("write the page behind it", [&] { s.write(kBase + k256K + kPage, 1); },
         {.faults = 1, .anon = 4});
  s.step("write the next 64K", [&] { s.write(kBase + k256K + k64K, 16); },
         {.faults = 1, .anon = 64});
  s.step("write all", [&] { s.write(kBase, 256); }, {.faults = 10, .anon = 700});
  EXPECT_EQ(made(k256K), 3u);
  EXPECT_EQ(made(k64K), 3u);
  EXPECT_EQ(made(k16K), 3u);
  s.end();
}

TEST_P(Sizes, NotBeyondAreasAndAdvice) {
  s.map_huge(kBase + 100 * kK, 100 * kK);  // of which 112K to 128K, 128K to 192K, ... are aligned
  s.step("not aligned", [&] { s.write(kBase + 100 * kK, 25); },
         {.faults = 7, .anon = 100, .tables = 12});
  s.map(kBase + k2M, 512 * kK);
  s.advise(kBase + k2M + k64K, k64K, kAdviceHugePage);
  s.step("advised in part", [&] { s.write(kBase + k2M, 128); },
         {.faults = 113, .anon = 512, .tables = 4});
  s.end();
}

TEST_P(Sizes, PartsUnmapped) {
  s.map_huge(kBase, 512 * kK);
  s.write(kBase, 128);
  s.step("unmap one page", [&] { s.unmap(kBase + 20 * kK, kPage); }, {.anon = -4, .areas = 1});
  s.step("unmap 32K", [&] { s.unmap(kBase + k256K, 32 * kK); }, {.anon = -32, .areas = 1});
  s.step("dontneed a page", [&] { s.advise(kBase + 24 * kK, kPage, kAdviceDontNeed); },
         {.anon = -4});
  s.step("write it again", [&] { s.write(kBase + 24 * kK, 1); }, {.faults = 1, .anon = 4});
  s.step("dontneed 128K", [&] { s.advise(kBase + k64K, 2 * k64K, kAdviceDontNeed); },
         {.anon = -128});
  s.step("write one page of it", [&] { s.write(kBase + k64K, 1); }, {.faults = 1, .anon = 64});
  s.step("write all of it", [&] { s.write(kBase + k64K, 32); }, {.faults = 1, .anon = 64});
  s.end();
}

TEST_P(Sizes, PartsProtected) {
  s.map_huge(kBase, 512 * kK);
  s.write(kBase, 128);
  const auto protect = [&](uint64_t at, uint64_t length, uint32_t prot) {
    ASSERT_EQ(s.m.sys().mprotect(kP1, VirtAddr(at), length, prot), 0);
  };
  s.step("half", [&] { protect(kBase, k256K, kProtRead); }, {.areas = 1});
  s.step("a page more", [&] { protect(kBase + k256K, kPage, kProtRead); }, {});
  s.step("back", [&] { protect(kBase, 512 * kK, kRw); }, {.areas = -1});
  s.step("write all", [&] { s.write(kBase, 128); }, {});
  s.end();
}

TEST_P(Sizes, Forked) {
  s.map_huge(kBase, 512 * kK);
  s.write(kBase, 128);
  s.m.sys().fork(kP1, kP2);
  s.step(
      "child writes one", [&] { s.write(kBase + kPage, 1, kP2); }, {.faults = 1}, 2);
  // By leaves the other block is still whole, and is copied page by page from its first write on.
  s.step(
      "child writes all", [&] { s.write(kBase, 128, kP2); }, {.faults = 127}, 2);
  s.m.sys().exit(kP2, 0);
  s.end();
}

TEST_P(Sizes, FoliosAreSplitByAdviceAboutAPart) {
  s.map_huge(kBase, 512 * kK);
  for (uint64_t at = 0; at < 512 * kK; at += k16K)
    s.write(kBase + at, 1);
  s.step("free a part: what nobody wrote of 256K goes",
         [&] { s.advise(kBase + k64K, kPage, kAdviceFree); }, {.anon = -192});
  s.step("write all", [&] { s.write(kBase, 128); }, {.faults = 48, .anon = 192});
  s.end();
}

// The frame that named the block is somebody else's or nobody's.
TEST_P(Sizes, AdviceAboutWhatIsLeftOfABlock) {
  s.map_huge(kBase, k256K);
  s.write(kBase, 1);
  s.unmap(kBase, kPage);
  s.step("none of it was written: all goes", [&] { s.advise(kBase + k64K, k64K, kAdviceFree); },
         {.anon = -252});
  s.end();
}

TEST_P(Sizes, Moved) {
  s.map_huge(kBase, 512 * kK);
  s.write(kBase, 128);
  const auto move = [&](uint64_t from, uint64_t to, uint64_t bytes) {
    EXPECT_EQ(s.m.sys().mremap(kP1, VirtAddr(from), bytes, bytes, kRemapMayMove | kRemapFixed,
                               VirtAddr(to)),
              static_cast<int64_t>(to));
  };
  s.step("aligned", [&] { move(kBase, kBase + 32 * kM, 512 * kK); }, {});
  s.step("write", [&] { s.write(kBase + 32 * kM, 128); }, {});
  s.step("a part, not aligned", [&] { move(kBase + 32 * kM + kPage, kBase + 34 * kM, 128 * kK); },
         {.tables = 4, .areas = 2});
  s.step("write", [&] { s.write(kBase + 34 * kM, 32); }, {});
  s.end();
}

INSTANTIATE_TEST_SUITE_P(PageTables, Sizes,
                         ::testing::Values(Way{"mlpt", "base"}, Way{"mlpt", "hint"},
                                           Way{"gpt", "leaf"}, Way{"hashed", "leaf"},
                                           Way{"clustered", "leaf"}, Way{"gpt", "hint"}),
                         [](const auto& which) {
                           return std::string(which.param.page_table) + "_" + which.param.style;
                         });

// With no memory in one piece of 256K, or of 64K.
TEST(SizesWithoutMemory, FallDown) {
  Script s("[mem]\nbytes = 4M\n" + kSizes);
  s.map_huge(kBase, kM);
  // Every other block of 64K is somebody else's.
  mem::FrameMemory& frames = *s.m.frames;
  std::vector<Pfn> taken;
  while (const auto block = frames.allocate(4, mem::FrameUse::Reserved, 0))
    taken.push_back(*block);
  for (size_t i = 0; i < taken.size(); i += 2)
    frames.free(taken[i], 4);
  s.write(kBase, 1);
  const auto& sizes = s.m.counters().sizes;
  EXPECT_EQ(sizes.at(PageShift(18)).fallbacks, 1u);
  EXPECT_EQ(sizes.at(PageShift(16)).made, 1u);
  EXPECT_EQ(s.m.counters().huge_fallbacks, 1u);
  for (size_t i = 1; i < taken.size(); i += 2)
    frames.free(taken[i], 4);
  s.end();
}

std::string refusal(const std::string& settings, const std::string& backend = "mlpt") {
  try {
    Script s(settings, backend);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(SizesAskedFor, ThatCannotBeHadAreRefusedByName) {
  const auto sizes = [](const std::string& list) { return "[kernel]\nthp.sizes = " + list + "\n"; };
  const auto expect = [&](const std::string& settings, const std::string& words) {
    EXPECT_NE(refusal(settings).find(words), std::string::npos) << settings << refusal(settings);
  };
  expect(sizes("48K"), "48K is not a power of two");
  expect(sizes("4K"), "4K is not larger than a page");
  expect(sizes("64K:sometimes"), "'sometimes' does not say where");
  expect(sizes("64K,64K:never"), "64K is named twice");
  expect(sizes("64K,"), "'' is not a size");
  expect(sizes("big"), "'big' is not a size");
  expect(sizes("8M"), "the allocator's largest block has 4M");
  expect("[mem]\nbytes = 1M\n" + sizes("2M"), "2M is more than all memory");
  expect(sizes("64K") + "superpage.style = leaf\n", "the page table has no leaves of 64K");
  expect(sizes("128K") + "superpage.style = hint\n", "cannot hint 128K");
  EXPECT_EQ(refusal(sizes("64K") + "superpage.style = leaf\n", "gpt"), "");
  EXPECT_EQ(refusal(sizes("64K:always,2M:never,16K") + "superpage.style = base\n"), "");
}

}  // namespace calibration_sizes_test
}  // namespace mmusim::kernel::testing
