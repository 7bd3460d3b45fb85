// info, verify and dump, on histories made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "history.h"
#include "tests/effort.h"
#include "trace/dump.h"
#include "trace/info.h"
#include "trace/verify.h"

namespace mmusim::trace {
namespace tools_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFile;
using ::testing::UnorderedElementsAre;

constexpr ThreadId kParent{Pid(10), Tid(10)};
constexpr ThreadId kChild{Pid(11), Tid(11)};

void write_small(const std::string& path) {
  Writer writer(path, testing::test_header());
  writer.thread(kParent);
  writer.event(ExecEvent{"/bin/a \"b\"\n",
                         {"a", ""},
                         {{{VirtAddr(0x1000), VirtAddr(0x2000)}, 5, 2, 0, "/bin/a"}},
                         VirtAddr(0x9000),
                         VirtAddr(0x7000)});
  writer.instruction(VirtAddr(0x1000), 3);
  writer.access(AccessKind::Load, VirtAddr(0x9000), 8);
  writer.instruction(VirtAddr(0x1003), 2);
  writer.event(ForkEvent{kChild, 0x1200011, false});
  writer.event(MmapEvent{VirtAddr(0), 8192, 3, 0x22, -1, 0, -12, ""});
  writer.thread(kChild);
  writer.instruction(VirtAddr(0x1003), 2);
  writer.access(AccessKind::Modify, VirtAddr(0x9008), 4);
  writer.event(ExitEvent{3, true});
  writer.thread(kParent);
  writer.event(WaitEvent{Pid(11), 3});
  writer.finish();
}

std::vector<std::string> dump_lines(const std::string& path, const DumpOptions& options = {}) {
  Reader reader(path);
  std::vector<std::string> lines;
  const uint64_t passed = dump(reader, options, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  EXPECT_EQ(passed, lines.size());
  return lines;
}

TEST(Dump, PrintsALinePerRecord) {
  const TemporaryFile file;
  write_small(file.path());
  EXPECT_THAT(
      dump_lines(file.path()),
      ElementsAre("[10/10] exec   program=\"/bin/a \\\"b\\\"\\n\" brk=0x9000 stack_top=0x7000 "
                  "arguments=[\"a\" \"\"] image=[0x1000-0x2000 r-x flags=0x2 offset=0 \"/bin/a\"]",
                  "[10/10] fetch  0x1000 3", "[10/10] load   0x9000 8", "[10/10] fetch  0x1003 2",
                  "[10/10] fork   child=11/11 clone_flags=0x1200011 shares_memory=no",
                  "[10/10] mmap   hint=0x0 length=8192 prot=rw- flags=0x22 fd=-1 offset=0 "
                  "result=-12",
                  "[11/11] fetch  0x1003 2", "[11/11] modify 0x9008 4",
                  "[11/11] exit   status=3 whole_process=yes", "[10/10] wait   child=11 status=3"));
}

TEST(Dump, SkipsLimitsAndSelects) {
  const TemporaryFile file;
  write_small(file.path());
  EXPECT_THAT(dump_lines(file.path(), {.skip = 2, .limit = 2}),
              ElementsAre("[10/10] load   0x9000 8", "[10/10] fetch  0x1003 2"));
  EXPECT_THAT(dump_lines(file.path(), {.skip = 100}), IsEmpty());
  EXPECT_THAT(dump_lines(file.path(), {.limit = 0}), IsEmpty());
  EXPECT_EQ(dump_lines(file.path(), {.kinds = kAllEvents}).size(), 5u);
  EXPECT_THAT(dump_lines(file.path(), {.skip = 1, .limit = 1, .thread = kChild}),
              ElementsAre("[11/11] modify 0x9008 4"));
}

TEST(Dump, StopsWhenToldTo) {
  const TemporaryFile file;
  write_small(file.path());
  Reader reader(file.path());
  EXPECT_EQ(dump(reader, {}, [](std::string_view) { return false; }), 1u);
}

TEST(Dump, DescribesEveryKindOfEvent) {
  for (size_t kind = 0; kind < std::variant_size_v<Event>; ++kind) {
    const std::string text = describe(testing::random_event(kind + 1, kind));
    EXPECT_EQ(text.rfind(event_kind_name(kind), 0), 0u) << text;
    EXPECT_THAT(text, HasSubstr("="));
  }
  EXPECT_EQ(describe(MremapEvent{VirtAddr(0x1000), 4096, 8192, 1, VirtAddr(0), 0x7000}),
            "mremap old_start=0x1000 old_length=4096 new_length=8192 flags=0x1 new_hint=0x0 "
            "result=0x7000");
  EXPECT_EQ(describe(MprotectEvent{VirtAddr(0x1000), 1, 8 | 1, -13}),
            "mprotect start=0x1000 length=1 prot=r--+0x8 result=-13");
}

TEST(Info, CountsWhatIsThere) {
  const TemporaryFile file;
  write_small(file.path());
  const Info info = read_info(file.path(), true);
  EXPECT_EQ(info.header, testing::test_header());
  EXPECT_EQ(info.totals,
            (Totals{.instructions = 3, .blocks = 2, .loads = 1, .modifies = 1, .events = 5}));
  EXPECT_EQ(info.processes, 2u);
  EXPECT_EQ(info.threads, 2u);
  EXPECT_EQ(info.thread_changes, 2u);
  EXPECT_EQ(info.chunks, 1u);
  EXPECT_EQ(info.event_counts[0], 1u);
  EXPECT_EQ(info.event_counts[7], 1u);
  EXPECT_EQ(info.event_counts[2], 0u);
  EXPECT_DOUBLE_EQ(info.bytes_per_instruction(), static_cast<double>(info.file_bytes) / 3);
  const Info quick = read_info(file.path(), false);
  EXPECT_FALSE(quick.scanned);
  EXPECT_EQ(quick.totals, info.totals);
  EXPECT_EQ(quick.content_hash, info.content_hash);
  EXPECT_EQ(quick.raw_bytes, info.raw_bytes);
}

TEST(Info, SeesThatTornFilesAreTorn) {
  const TemporaryFile file;
  write_small(file.path());
  std::string content = testing::file_content(file.path());
  const std::string hash = read_info(file.path(), false).content_hash;
  content.pop_back();
  testing::write_file(file.path(), content);
  EXPECT_THROW(read_info(file.path(), false), Error);
  const Info info = read_info(file.path(), false, {.accept_torn = true});
  EXPECT_TRUE(info.torn);
  EXPECT_TRUE(info.scanned);
  EXPECT_EQ(info.totals.instructions, 3u);
  EXPECT_EQ(info.content_hash, hash);  // no chunk was lost
}

TEST(ContentHash, DependsOnContentAlone) {
  const auto history = testing::random_history({.seed = 3});
  const TemporaryFile file;
  const auto hash = [&](const testing::History& what, int level) {
    testing::write_history(file.path(), what, {.zstd_level = level, .chunk_bytes = 4000});
    return Reader(file.path()).content_hash();
  };
  const std::string first = hash(history, 1);
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(hash(history, 1), first);
  EXPECT_EQ(hash(history, 19), first);
  auto other = history;
  for (auto& h : other) {
    if (!h.is_event && h.kind == AccessKind::Load) {
      h.address ^= 1;
      break;
    }
  }
  EXPECT_NE(hash(other, 1), first);
}

TEST(Verify, AcceptsAGoodTrace) {
  const TemporaryFile file;
  write_small(file.path());
  uint64_t done = 0;
  uint64_t all = 0;
  const VerifyReport report = verify(file.path(), {}, [&](uint64_t d, uint64_t a) {
    done = d;
    all = a;
  });
  // Its data are in no area of its image.
  ASSERT_EQ(report.remarks.size(), 1u);
  EXPECT_EQ(report.remarks[0].oddity, Oddity::OutsideAreas);
  EXPECT_EQ(report.remarks[0].count, 2u);
  EXPECT_EQ(report.remarks[0].first, 0u);
  EXPECT_EQ(report.references_checked, 5u);
  EXPECT_EQ(report.info.totals.instructions, 3u);
  EXPECT_GT(done, 0u);
  EXPECT_EQ(all, report.info.file_bytes);
}

TEST(Verify, RemarksOnHistoriesThatMakeNoSense) {
  const TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread(kParent);
  writer.event(ForkEvent{kChild, 0, false});
  writer.event(ForkEvent{kChild, 0, false});
  writer.event(ExecEvent{"a",
                         {},
                         {{{VirtAddr(0x3000), VirtAddr(0x5000)}, 0, 0, 0, ""},
                          {{VirtAddr(0x1000), VirtAddr(0x3001)}, 0, 0, 0, ""}},
                         {},
                         {}});
  writer.event(ExitEvent{});
  writer.instruction(VirtAddr(0x1000), 1);
  writer.finish();
  const VerifyReport report = verify(file.path());
  std::vector<std::string> examples;
  for (const OddityRemark& remark : report.remarks)
    examples.push_back(remark.example);
  EXPECT_THAT(examples,
              UnorderedElementsAre("Thread 11/11 is born while it lives.",
                                   "Thread 11/11, made there, never does anything.",
                                   "The image of process 10 has overlapping areas at 0x1000.",
                                   "Thread 10/10 does something after its end."));
}

TEST(Verify, HoldsAMillionProcesses) {
  constexpr uint32_t kProcesses = tests::kWholeEffort ? 1000000 : 40000;
  const TemporaryFile file;
  {
    Writer writer(file.path(), testing::test_header(), {.zstd_level = 1});
    for (uint32_t i = 0; i < kProcesses; ++i) {
      writer.thread({Pid(i * 7919), Tid(i)});
      if (i % 4 == 0) writer.event(ExitEvent{static_cast<int32_t>(i), true});
      writer.instruction(VirtAddr(0x1000 + i % 64), 1);
    }
    writer.finish();
  }
  const VerifyReport report = verify(file.path());
  EXPECT_EQ(report.info.processes, kProcesses);
  EXPECT_EQ(report.info.totals.instructions, kProcesses);
  EXPECT_EQ(report.info.totals.events, kProcesses / 4);
}

TEST(Verify, ThrowsOnDamage) {
  const TemporaryFile file;
  write_small(file.path());
  std::string content = testing::file_content(file.path());
  content[content.size() / 2] = static_cast<char>(~content[content.size() / 2]);
  testing::write_file(file.path(), content);
  EXPECT_THROW(verify(file.path()), Error);
}

}  // namespace tools_test
}  // namespace mmusim::trace
