// Files on disk: which pages a fault maps, by folio, area, leaf table and end of file; what is read
// when it is not in memory. All values are of Linux 6.18 on ext4, read from /proc/self/pagemap.
#include "kernel/disk_file.h"

namespace mmusim::kernel::testing {
namespace disk_file_test {

using DiskFile = DiskFileTest;
INSTANTIATE_TEST_SUITE_P(Backends, DiskFile, ::testing::ValuesIn(backend_names()));

// 700 pages are folios of 256, 256, 128, 32, 16, 8 and 4.
TEST_P(DiskFile, TailsHaveSmallerFolios) {
  Machine m(settings(), GetParam());
  make(m, 700);
  const std::vector<std::pair<uint64_t, Spans>> written = {
      {0, {{0, 256}}},     {300, {{256, 512}}}, {511, {{256, 512}}}, {520, {{512, 640}}},
      {660, {{640, 672}}}, {680, {{672, 688}}}, {695, {{688, 696}}}, {699, {{696, 700}}}};
  for (const auto& [page, expected] : written) {
    write(page);
    EXPECT_EQ(mapped(), expected) << page;
    unmap();
    map(700);
  }
  // A read maps the window around it too, and what of its folios fits.
  const std::vector<std::pair<uint64_t, Spans>> shown = {
      {100, {{0, 256}}}, {600, {{512, 640}}}, {680, {{672, 688}}}, {699, {{688, 700}}}};
  for (const auto& [page, expected] : shown) {
    read(page);
    EXPECT_EQ(mapped(), expected) << page;
    unmap();
    map(700);
  }
  m.expect_accounts_agree();
}

// The last folio is not mapped whole by the window of the one before it either.
TEST_P(DiskFile, TheLastFolioOfAWindow) {
  Machine m(settings(), GetParam());
  m_ = &m;
  file_ = m.sys().open("/f", 700 * kPage);
  pages_ = 100;
  ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(kBase), pages_ * kPage, kRw, kMapShared | kMapFixed, file_,
                         666 * kPage),
            static_cast<int64_t>(kBase));
  std::vector<uint64_t> faults;
  for (uint64_t page = 0; page < 34; ++page) {
    const uint64_t before = minor();
    read(page);
    if (minor() != before) faults.push_back(page);
  }
  EXPECT_EQ(faults, (std::vector<uint64_t>{0, 22, 32}));
}

// Advice about a part of a folio divides it, which unmaps it, unless others map it or it is dirty.
TEST_P(DiskFile, ColdAdviceDivides) {
  Machine m(settings(), GetParam());
  make(m, 1024);
  read(0);
  read(256);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 256 * kPage, kAdviceCold), 0);
  EXPECT_EQ(mapped(), (Spans{{0, 512}}));
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 300 * kPage, kAdviceCold), 0);
  EXPECT_EQ(mapped(), (Spans{{0, 256}}));
  read(300);
  EXPECT_EQ(mapped(), (Spans{{0, 256}, {288, 304}}));
  write(512);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase + 600 * kPage), kPage, kAdviceCold), 0);
  EXPECT_EQ(mapped(), (Spans{{0, 256}, {288, 304}, {512, 768}}));
  ASSERT_EQ(m.sys().fork(kP1, kP2), 2);
  ASSERT_EQ(m.load(kP2, kBase), Result::Ok);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), kPage, kAdviceCold), 0);
  EXPECT_EQ(mapped(), (Spans{{0, 256}, {288, 304}, {512, 768}}));
  m.expect_accounts_agree();
}

// What mlock waits for it finds when it begins anew: a minor fault; MADV_POPULATE_READ goes on with
// the same fault, which stays a major one.
TEST_P(DiskFile, PopulateOfColdFiles) {
  Machine m("[kernel]\nimply = false\nfiles = cold\n", GetParam());
  make(m, 128, kMapPrivate);
  ASSERT_EQ(m.sys().mprotect(kP1, VirtAddr(kBase), 128 * kPage, kProtRead), 0);
  ASSERT_EQ(m.sys().mlock(kP1, VirtAddr(kBase + 40 * kPage), kPage), 0);
  EXPECT_EQ(major(), 0u);
  EXPECT_EQ(minor(), 1u);
  EXPECT_EQ(mapped(), (Spans{{40, 41}}));  // the locked area is one page
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase + 100 * kPage), kPage, kAdvicePopulateRead), 0);
  EXPECT_EQ(major(), 1u);
  EXPECT_EQ(minor(), 1u);
}

// What a file grows by is no part of its folios.
TEST_P(DiskFile, GrownFilesKeepTheirFolios) {
  Machine m(settings(), GetParam());
  make(m, 5);
  ASSERT_EQ(m.sys().ftruncate(kP1, file_, 34 * kPage), 0);
  unmap();
  map(34);
  write(0);
  EXPECT_EQ(mapped(), (Spans{{0, 4}}));
  write(20);
  EXPECT_EQ(mapped(), (Spans{{0, 4}, {20, 21}}));
  EXPECT_EQ(major(), 1u);
}

// Where there is a leaf table the last folio of a file is seen through windows; where there is none
// it is mapped whole.
TEST_P(DiskFile, TheLastFolio) {
  Machine m(settings(), GetParam());
  make(m, 1024);
  read(768);
  EXPECT_EQ(mapped(), (Spans{{768, 1024}}));
  unmap();
  map(1024);
  read(512);
  read(768);
  EXPECT_EQ(mapped(), (Spans{{512, 784}}));
  unmap();
  // A write takes it whole in either case.
  map(1024);
  read(512);
  write(768);
  EXPECT_EQ(mapped(), (Spans{{512, 1024}}));
}

// The cases of the issue: a folio larger than the area, places not aligned as the file is, shared
// writes.
TEST_P(DiskFile, FoliosMustFitAreaAndTable) {
  struct Case {
    uint64_t bytes, offset, place;
    uint32_t type;
    bool write;
    int64_t faults;
  };
  const std::vector<Case> cases = {
      {512 * kK, 0, 0, kMapPrivate, false, 8},
      {3 * kM, 0, kG + 4 * kK, kMapPrivate, false, 18},
      {3 * kM, 512 * kK, 2 * kG + 512 * kK, kMapPrivate, false, 18},
      {2 * kM, 0, 3 * kG + kM, kMapPrivate, false, 2},
      {2 * kM, 0, 4 * kG, kMapPrivate, false, 2},
      {2 * kM, 0, 5 * kG, kMapShared, true, 2},
      {2 * kM, 0, 6 * kG + 4 * kK, kMapShared, true, 257},
  };
  Machine m(settings(), GetParam());
  const FileId file = m.sys().open("/g", 5 * kM);
  for (const Case& c : cases) {
    const uint64_t at = kBase + c.place;
    ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(at), c.bytes, kRw, c.type | kMapFixed, file, c.offset),
              static_cast<int64_t>(at));
    const uint64_t before = m.process(1).faults.minor;
    for (uint64_t i = 0; i < c.bytes; i += kPage)
      ASSERT_EQ(m.access(kP1, VirtAddr(at + i), c.write ? AccessKind::Store : AccessKind::Load),
                Result::Ok);
    EXPECT_EQ(m.process(1).faults.minor - before, c.faults) << "at " << c.place;
  }
  m.expect_accounts_agree();
}

// A file that is not in memory: the first touch reads a window around it, which stays minor up to
// the page marked a quarter before its end; that one is not mapped on the way, and has the next
// window read.
TEST_P(DiskFile, ColdFilesReadAhead) {
  Machine m("[kernel]\nimply = false\nfiles = cold\n", GetParam());  // windows of 32 pages
  make(m, 128, kMapPrivate);
  read(40);  // reads 24 to 55, marks 48
  EXPECT_EQ(major(), 1u);
  EXPECT_EQ(mapped(), (Spans{{32, 48}}));
  read(50);
  EXPECT_EQ(mapped(), (Spans{{32, 48}, {49, 56}}));
  EXPECT_EQ(minor(), 1u);
  read(48);  // reads 56 to 87, marks 56
  EXPECT_EQ(minor(), 2u);
  read(57);
  EXPECT_EQ(mapped(), (Spans{{32, 56}, {57, 64}}));
  read(10);  // nothing of it is in memory
  EXPECT_EQ(major(), 2u);
  m.expect_accounts_agree();
}

// The same where pages come in folios: each window has larger ones, up to the last of the file,
// which is seen through windows of fault-around.
TEST_P(DiskFile, ColdFilesInOrder) {
  Machine m("[kernel]\nimply = false\nfiles = cold\nfolio_order = 8\n", GetParam());
  make(m, 512, kMapPrivate);
  std::vector<std::pair<uint64_t, Spans>> faults;
  for (uint64_t page = 0; page < 512; ++page) {
    const uint64_t before = minor() + major();
    read(page);
    if (minor() + major() != before) faults.emplace_back(page, mapped());
  }
  const std::vector<std::pair<uint64_t, Spans>> expected = {
      {0, {{0, 16}}},    {16, {{0, 24}, {25, 32}}}, {24, {{0, 32}}},   {32, {{0, 48}}},
      {48, {{0, 64}}},   {64, {{0, 80}}},           {80, {{0, 96}}},   {96, {{0, 128}}},
      {128, {{0, 160}}}, {160, {{0, 192}}},         {192, {{0, 224}}}, {224, {{0, 256}}},
      {256, {{0, 288}}}, {288, {{0, 320}}},         {320, {{0, 352}}}, {352, {{0, 384}}},
      {384, {{0, 416}}}, {416, {{0, 448}}},         {448, {{0, 480}}}, {480, {{0, 496}}},
      {496, {{0, 512}}}};
  EXPECT_EQ(faults, expected);
  EXPECT_EQ(major(), 1u);
}

// random: the page alone; sequential: from it on.
TEST_P(DiskFile, AdviceForReadAhead) {
  Machine m("[kernel]\nimply = false\nfiles = cold\n", GetParam());
  make(m, 128, kMapPrivate);
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 128 * kPage, kAdviceRandom), 0);
  read(40);
  read(41);
  EXPECT_EQ(major(), 2u);
  EXPECT_EQ(mapped(), (Spans{{40, 42}}));
  ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(kBase), 128 * kPage, kAdviceSequential), 0);
  read(80);
  EXPECT_EQ(mapped(), (Spans{{40, 42}, {80, 96}}));
  EXPECT_EQ(m.kernel->system().core.cache.find(file_, 79), std::nullopt);
  EXPECT_NE(m.kernel->system().core.cache.find(file_, 111), std::nullopt);
}

// Behind the end nothing is mapped and no leaf table made, only what is above one.
TEST_P(DiskFile, BehindTheEnd) {
  Machine m(settings(), GetParam());
  make(m, 1024);
  const FileId small = m.sys().open("/small", 5 * kPage);
  const uint64_t at = kBase + kG;
  ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(at), 64 * kPage, kRw, kMapShared | kMapFixed, small),
            static_cast<int64_t>(at));
  EXPECT_EQ(m.load(kP1, at + 40 * kPage), Result::Refused);
  const uint64_t above = m.mm(1).page_table_bytes();
  if (is_radix()) {
    EXPECT_EQ(above, 2 * kPage);
  }
  EXPECT_EQ(m.store(kP1, at + 5 * kPage), Result::Refused);
  EXPECT_EQ(m.mm(1).page_table_bytes(), above);
  // In the window of the end a read maps what lies before it.
  EXPECT_EQ(m.load(kP1, at + 5 * kPage), Result::Refused);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 5u);
  EXPECT_EQ(minor(), 0u);
}

}  // namespace disk_file_test
}  // namespace mmusim::kernel::testing
