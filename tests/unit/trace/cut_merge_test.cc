// cut and merge: by hand, and against what a page-by-page model (plain_pages.h) makes of the same
// events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "history.h"
#include "plain_pages.h"
#include "trace/cut.h"
#include "trace/dump.h"
#include "trace/merge.h"
#include "trace/verify.h"

namespace mmusim::trace {
namespace cut_merge_test {

using ::testing::HasSubstr;
using testing::History;
using testing::PlainHistory;
using testing::PlainWorld;
using testing::TemporaryFile;

void write_plain(const std::string& path, uint64_t seed, unsigned steps) {
  Writer writer(path, testing::test_header(), {.chunk_bytes = 2000});
  PlainHistory(seed).write(writer, steps);
  writer.thread({Pid(99), Tid(99)});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.finish();
}

// What part.h numbers in the range.
History part_of(const History& history, const InstructionRange& range) {
  History part;
  uint64_t instructions = 0;
  for (const auto& h : history) {
    if (!h.is_event && h.kind == AccessKind::Fetch) ++instructions;
    if (range.contains(h.is_event ? instructions : instructions - 1)) part.push_back(h);
  }
  return part;
}

// Without the names that cut gives to files that have none.
History without_made_names(History history) {
  for (auto& h : history)
    if (auto* mmap = std::get_if<MmapEvent>(&h.event); mmap != nullptr)
      if (mmap->file.starts_with("(unnamed file")) mmap->file.clear();
  return history;
}

PlainWorld world_of(const History& history) {
  PlainWorld world;
  for (const auto& h : history)
    if (h.is_event) world.event(h.thread, h.event);
  return world;
}

TEST(Cut, CarriesOverWhatWasThere) {
  const TemporaryFile file;
  const std::string output = file.directory() + "/part.mmt";
  uint64_t processes = 0;
  uint64_t zombies = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    write_plain(file.path(), seed, 60 + static_cast<unsigned>(seed) * 5);
    const History whole = testing::read_history(file.path());
    const uint64_t all = Reader(file.path()).totals()->instructions;
    for (const InstructionRange range :
         {InstructionRange{all / 3, UINT64_MAX}, InstructionRange{all / 2, all * 3 / 4 + 1}}) {
      const CutResult result = cut(file.path(), range, output);
      EXPECT_EQ(result.areas_not_set_up, 0u);
      const History made = testing::read_history(output);
      ASSERT_GE(made.size(), result.state_events);
      const auto body = made.begin() + static_cast<std::ptrdiff_t>(result.state_events);
      ASSERT_EQ(
          testing::difference(part_of(whole, range), without_made_names(History(body, made.end()))),
          "");
      ASSERT_EQ(std::prev(body)->event.index(), Event(MarkerEvent{}).index());
      const PlainWorld before = world_of(part_of(whole, {0, range.from}));
      ASSERT_EQ(difference(before, world_of(History(made.begin(), body))), "") << "seed " << seed;
      ASSERT_EQ(difference(world_of(part_of(whole, {0, range.to})), world_of(made)), "")
          << "seed " << seed;
      processes += result.processes;
      zombies += result.zombies;
    }
  }
  EXPECT_GT(processes, 300u);
  EXPECT_GT(zombies, 5u);
}

TEST(Cut, FromTheBeginIsThePartAsItIs) {
  const TemporaryFile file;
  const std::string output = file.directory() + "/part.mmt";
  const History made = testing::random_history({.seed = 5, .happenings = 3000});
  testing::write_history(file.path(), made);
  const History whole = testing::read_history(file.path());
  EXPECT_EQ(cut(file.path(), {0, 100}, output).state_events, 0u);
  EXPECT_EQ(testing::difference(part_of(whole, {0, 100}), testing::read_history(output)), "");
}

// An image, a grown stack, a file mapped in two rights, a child that shares it.
TEST(Cut, SaysTheStateInOrder) {
  const TemporaryFile file;
  const std::string output = file.directory() + "/part.mmt";
  const ThreadId parent{Pid(1), Tid(1)};
  const ThreadId child{Pid(2), Tid(2)};
  Writer writer(file.path(), testing::test_header());
  writer.thread(parent);
  writer.event(ExecEvent{"/bin/a",
                         {"a"},
                         {{{VirtAddr(0x1000), VirtAddr(0x2000)}, 5, 2, 0, "/bin/a"},
                          {{VirtAddr(0x700000), VirtAddr(0x701000)}, 3, 0x122, 0, "[stack]"}},
                         VirtAddr(0x3010),
                         {}});
  writer.event(BrkEvent{VirtAddr(0x5000), VirtAddr(0x5000)});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Store, VirtAddr(0x6fe123), 8);
  writer.event(MmapEvent{VirtAddr(0), 0x3000, 1, 2, 3, 0, 0x100000, "/lib/c"});
  writer.event(MprotectEvent{VirtAddr(0x101000), 0x1000, 3, 0});
  writer.event(MmapEvent{VirtAddr(0), 0x2000, 3, 0x21, -1, 0, 0x200000, ""});
  writer.event(ForkEvent{child, 17, false});
  writer.instruction(VirtAddr(0x1004), 4);
  writer.event(MunmapEvent{VirtAddr(0x200000), 0x1000, 0});
  writer.instruction(VirtAddr(0x1008), 4);
  writer.finish();
  const CutResult result = cut(file.path(), {2, 3}, output);
  EXPECT_EQ(result.processes, 2u);
  // The munmap has the number 2, and is not of the state.
  const std::string name = "file=\"/dev/shm/(shared memory 1)\"";
  const std::string image =
      "exec   program=\"/bin/a\" brk=0x3010 stack_top=0x701000 arguments=[\"a\"] "
      "image=[0x1000-0x2000 r-x flags=0x2 offset=0 \"/bin/a\"; 0x100000-0x101000 r-- flags=0x2 "
      "offset=0 \"/lib/c\"; 0x101000-0x102000 rw- flags=0x2 offset=4096 \"/lib/c\"; "
      "0x102000-0x103000 r-- flags=0x2 offset=8192 \"/lib/c\"; 0x6fe000-0x701000 rw- flags=0x122 "
      "offset=0 \"[stack]\"]";
  const std::string brk = "brk    requested=0x5000 result=0x5000";
  const std::string map =
      "mmap   hint=0x200000 length=8192 prot=rw- flags=0x11 fd=-1 offset=0 "
      "result=0x200000 " +
      name;
  std::vector<std::string> lines;
  Reader reader(output);
  dump(reader, {}, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  EXPECT_THAT(lines,
              ::testing::ElementsAre("[1/1] " + image, "[1/1] " + brk, "[1/1] " + map,
                                     "[1/1] fork   child=2/2 clone_flags=0x11 shares_memory=no",
                                     "[2/2] " + image, "[2/2] " + brk, "[2/2] " + map,
                                     "[1/1] marker text=\"cut: instruction 2 of the whole trace\"",
                                     "[1/1] munmap start=0x200000 length=4096 result=0",
                                     "[1/1] fetch  0x1008 4"));
  EXPECT_THAT(Reader(output).header().notes, HasSubstr("instructions from 2 to 3 of trace "));
  EXPECT_EQ(verify(output).remark_count, 0u);
}

TEST(Cut, RefusesWhatIsNotThere) {
  const TemporaryFile file;
  const std::string output = file.directory() + "/part.mmt";
  write_plain(file.path(), 1, 50);
  const uint64_t all = Reader(file.path()).totals()->instructions;
  EXPECT_THROW(cut(file.path(), {all, UINT64_MAX}, output), Error);
  EXPECT_THROW(cut(file.path(), {0, all + 1}, output), Error);
  EXPECT_THROW(Reader{output}, Error);
  EXPECT_NO_THROW(cut(file.path(), {all - 1, all}, output));
  EXPECT_EQ(Reader(output).totals()->instructions, 1u);
}

// Ids as merge changes them.
History moved(History history, uint32_t by) {
  const auto change = [&](auto& id) {
    id = std::remove_reference_t<decltype(id)>(id.value() + by);
  };
  for (auto& h : history) {
    change(h.thread.pid);
    change(h.thread.tid);
    if (auto* fork = std::get_if<ForkEvent>(&h.event))
      change(fork->child.pid), change(fork->child.tid);
    if (auto* wait = std::get_if<WaitEvent>(&h.event)) change(wait->child);
    if (auto* advise = std::get_if<ProcessMadviseEvent>(&h.event)) change(advise->target);
  }
  return history;
}

TEST(Merge, TakesTurns) {
  const TemporaryFile file;
  std::vector<std::string> paths;
  std::vector<History> parts;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    paths.push_back(file.directory() + fmt::format("/{}.mmt", seed));
    write_plain(paths.back(), seed, 100 * static_cast<unsigned>(seed));
    parts.push_back(
        moved(testing::read_history(paths.back()), static_cast<uint32_t>(seed - 1) * kMergeIdStep));
  }
  for (const uint64_t quantum : {1u, 7u, 100u, 1000000u}) {
    // Plainly: so many instructions of each in turn, with what has their numbers.
    History expected;
    for (uint64_t from = 0, left = 3; left != 0; from += quantum) {
      left = 0;
      for (const History& part : parts) {
        const History turn = part_of(part, {from, from + quantum});
        expected.insert(expected.end(), turn.begin(), turn.end());
        left += turn.empty() ? 0 : 1;
      }
    }
    const MergeResult result = merge(paths, file.path(), {.quantum = quantum});
    const History made = testing::read_history(file.path());
    ASSERT_EQ(testing::difference(expected, made), "") << quantum;
    EXPECT_EQ(Reader(file.path()).totals(), result.totals);
    Totals sum;
    for (size_t i = 0; i < 3; ++i) {
      const Totals totals = *Reader(paths[i]).totals();
      EXPECT_EQ(result.traces[i].totals, totals);
      EXPECT_EQ(result.traces[i].turns, (totals.instructions + quantum - 1) / quantum);
      sum += totals;
    }
    EXPECT_EQ(result.totals.references(), sum.references());
    EXPECT_EQ(result.totals.events, sum.events);
  }
  // An id that another trace's could not be told from.
  testing::Happening last;
  last.thread = {Pid(0xffffffff), Tid(1)};
  last.address = 0x1000;
  last.bytes = 3;
  testing::write_history(paths[0], {last});
  EXPECT_THROW(merge({paths[1], paths[0]}, file.path()), Error);
}

TEST(Merge, RefusesOtherMachines) {
  const TemporaryFile file;
  const std::string one = file.directory() + "/one.mmt";
  const std::string two = file.directory() + "/two.mmt";
  const auto write = [](const std::string& path, const Header& header) {
    Writer writer(path, header);
    writer.thread({Pid(1), Tid(1)});
    writer.instruction(VirtAddr(0x1000), 4);
    writer.finish();
  };
  write(one, testing::test_header());
  for (int what = 0; what < 3; ++what) {
    Header header = testing::test_header();
    if (what == 0) header.isa = "other";
    if (what == 1) header.page = PageShift(header.page.log2() + 1);
    if (what == 2) header.big_endian = !header.big_endian;
    write(two, header);
    try {
      merge({one, two}, file.path());
      FAIL() << what;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("two.mmt: it is of another machine"));
    }
  }
  EXPECT_THROW(Reader{file.path()}, Error);
  // Long texts of many are shortened to what a header holds.
  Header header = testing::test_header();
  header.notes = std::string(200000, 'n');
  header.program = std::string(200000, 'p');
  write(two, header);
  const MergeResult result = merge(std::vector<std::string>(20, two), file.path());
  EXPECT_EQ(result.totals.instructions, 20u);
}

}  // namespace cut_merge_test
}  // namespace mmusim::trace
