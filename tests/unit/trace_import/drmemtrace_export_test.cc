// What the drmemtrace exporter writes, read back: all that the format can say is there again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/random.h"
#include "import_with.h"
#include "recording_sink.h"
#include "trace/export/batch_walk.h"
#include "trace/exporter.h"
#include "trace/reader.h"
#include "trace/writer.h"

namespace mmusim::trace {
namespace drmemtrace_export_test {

using lackey::TemporaryDirectory;
using testing::ElementsAre;
using Records = std::vector<std::string>;

Records records_of(const std::string& trace) {
  Reader reader(trace);
  lackey::RecordingSink sink;
  for (Batch batch; reader.next(batch);) {
    sink.thread(batch.thread);
    if (batch.event != nullptr) {
      sink.event(*batch.event);
      continue;
    }
    walk(
        batch,
        [&](uint64_t address, unsigned bytes) { sink.instruction(VirtAddr(address), bytes); },
        [&](AccessKind kind, uint64_t address, unsigned bytes) {
          sink.access(kind, VirtAddr(address), bytes);
        });
  }
  return sink.records;
}

Header header_of(const std::string& isa) {
  Header header;
  header.isa = isa;
  header.page = PageShift(14);
  header.program = "x";
  return header;
}

TEST(DrmemtraceExport, WhatTheFormatCannotSayIsCounted) {
  const TemporaryDirectory directory;
  const std::string trace = directory.path("t.mmt");
  Writer writer(trace, header_of("x86_64"));
  writer.thread({Pid(7), Tid(7)});
  writer.event(ExecEvent{.program = "/bin/x",
                         .arguments = {"x", "y"},
                         .image = {{{VirtAddr(0x1000), VirtAddr(0x2000)}, 5, 2, 0, "/bin/x"}},
                         .brk = {},
                         .stack_top = {}});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Modify, VirtAddr(0x8000), 8);
  writer.event(MarkerEvent{.text = "here"});
  writer.event(OtherCallEvent{.name = "arch_prctl", .result = 0});
  writer.event(OtherCallEvent{.name = "shmat", .result = 0x7000});
  writer.instruction(VirtAddr(0x1004), 4);
  writer.event(ExitEvent{.status = 0x300, .whole_process = true});
  writer.finish();
  const std::string output = directory.path("app.trace");
  const ExportResult result = export_with("drmemtrace", trace, output);
  EXPECT_EQ(result.totals.instructions, 2u);
  EXPECT_EQ(result.output_bytes, std::filesystem::file_size(output));
  EXPECT_EQ(result.output_records * 12, result.output_bytes);
  ASSERT_EQ(result.remarks.size(), 2u);
  EXPECT_EQ(result.remarks[0].count, 1u);
  EXPECT_EQ(result.remarks[1].count, 3u);
  const std::string again = directory.path("again.mmt");
  const ImportResult imported = import_with("drmemtrace", {output}, again);
  EXPECT_TRUE(imported.warnings.empty());
  EXPECT_EQ(imported.input_records, result.output_records);
  EXPECT_THAT(records_of(again),
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,4", "7/7 L 8000,8", "7/7 S 8000,8",
                          "7/7 other shmat = 0", "7/7 I 1004,4", "7/7 exit 768"));
  EXPECT_EQ(Reader(again).header().page, PageShift(14));
}

TEST(DrmemtraceExport, OnlyOfIsasThatDynamorioHas) {
  const TemporaryDirectory directory;
  const std::string trace = directory.path("t.mmt");
  Writer writer(trace, header_of("sparc64"));
  writer.finish();
  EXPECT_THROW(export_with("drmemtrace", trace, directory.path("o")), Error);
  EXPECT_FALSE(std::filesystem::exists(directory.path("o")));
  Writer wide(trace, header_of("i386"));
  wide.thread({Pid(7), Tid(7)});
  wide.instruction(VirtAddr(uint64_t{1} << 32), 4);
  wide.finish();
  EXPECT_THROW(export_with("drmemtrace", trace, directory.path("o")), Error);
  EXPECT_FALSE(std::filesystem::exists(directory.path("o")));
}

// Random histories, and what must come back of each record.
class History {
 public:
  History(const std::string& trace, const std::string& isa, uint64_t seed)
      : writer_(trace, header_of(isa)), random_(seed), wide_(isa == "x86_64" || isa == "aarch64") {
    expect_thread({Pid(100), Tid(100)});
    expected.push_back("100/100 exec app [app]");
    live_[Pid(100)] = {Tid(100)};
    for (unsigned i = 0; i < 300 && !live_.empty(); ++i)
      step();
    writer_.finish();
  }
  Records expected;

 private:
  uint64_t address() { return random_.below(wide_ ? uint64_t{1} << 47 : uint64_t{1} << 31); }
  uint64_t page() { return address() & ~uint64_t{4095}; }
  uint32_t few() { return static_cast<uint32_t>(random_.below(16)); }
  int64_t outcome(int64_t success) { return random_.below(4) == 0 ? -12 : success; }

  void expect_thread(ThreadId id) {
    thread_ = id;
    writer_.thread(id);
  }
  void expect(const std::string& text) {
    expected.push_back(fmt::format("{}/{} {}", thread_.pid.value(), thread_.tid.value(), text));
  }
  void event(const Event& event) {
    writer_.event(event);
    expect(lackey::text_of(event));
  }

  void step() {
    const uint64_t kind = random_.below(20);
    if (kind < 10) {
      instruction();
    } else if (kind < 12) {
      choose_thread();
    } else if (kind < 18) {
      memory_event();
    } else if (kind == 18) {
      fork();
    } else {
      exit();
    }
  }
  void instruction() {
    const uint64_t pc = address();
    const auto bytes = static_cast<unsigned>(1 + random_.below(15));
    writer_.instruction(VirtAddr(pc), bytes);
    expect(fmt::format("I {:x},{}", pc, bytes));
    for (uint64_t i = random_.below(4); i != 0; --i) {
      const auto access = static_cast<AccessKind>(1 + random_.below(3));
      const uint64_t to = address();
      const auto size = static_cast<unsigned>(1 + random_.below(4096));
      writer_.access(access, VirtAddr(to), size);
      if (access != AccessKind::Store) expect(fmt::format("L {:x},{}", to, size));
      if (access != AccessKind::Load) expect(fmt::format("S {:x},{}", to, size));
    }
  }
  void choose_thread() {
    auto process = live_.begin();
    std::advance(process, random_.below(live_.size()));
    auto tid = process->second.begin();
    std::advance(tid, random_.below(process->second.size()));
    expect_thread({process->first, *tid});
    instruction();
  }
  void memory_event() {
    const VirtAddr at(page());
    const uint64_t length = 4096 * (1 + random_.below(100));
    const auto place = static_cast<int64_t>(page());
    switch (random_.below(10)) {
      case 0:
        return event(MmapEvent{.hint = at,
                               .length = length,
                               .prot = few(),
                               .flags = few(),
                               .fd = static_cast<int32_t>(random_.below(3)) - 1,
                               .offset = 4096 * random_.below(5),
                               .result = outcome(place),
                               .file = {}});
      case 1:
        return event(MunmapEvent{.start = at, .length = length, .result = outcome(0)});
      case 2:
        return event(
            MprotectEvent{.start = at, .length = length, .prot = few(), .result = outcome(0)});
      case 3:
        return event(MremapEvent{.old_start = at,
                                 .old_length = length,
                                 .new_length = 4096,
                                 .flags = few(),
                                 .new_hint = VirtAddr(page()),
                                 .result = outcome(place)});
      case 4:
        return event(BrkEvent{.requested = at, .result = VirtAddr(page())});
      case 5:
        return event(
            MadviseEvent{.start = at, .length = length, .advice = few(), .result = outcome(0)});
      case 6:
        return event(
            MsyncEvent{.start = at, .length = length, .flags = few(), .result = outcome(0)});
      case 7:
        return lock_event(at, length);
      case 8:
        return event(TruncateEvent{
            .fd = static_cast<int32_t>(few()), .length = length, .result = outcome(0), .file = {}});
      default:
        return event(ThpEvent{.disable = 1, .flags = few(), .result = outcome(0)});
    }
  }
  void lock_event(VirtAddr at, uint64_t length) {
    LockEvent lock;
    lock.what = static_cast<uint32_t>(random_.below(4));
    if (lock.what < LockEvent::LockAll) {
      lock.start = at;
      lock.length = length;
    }
    if (lock.what == LockEvent::Lock || lock.what == LockEvent::LockAll) lock.flags = few() % 3;
    lock.result = outcome(0);
    event(lock);
  }
  // The child runs at once.
  void fork() {
    const bool is_thread = random_.below(2) == 0;
    const Tid tid(next_id_++);
    const ThreadId child{is_thread ? thread_.pid : Pid(tid.value()), tid};
    event(ForkEvent{.child = child,
                    .clone_flags = is_thread ? uint64_t{0x3d0f00} : uint64_t{17},
                    .shares_memory = is_thread});
    live_[child.pid].insert(tid);
    expect_thread(child);
    instruction();
  }
  // Of a thread, or of a process with all its threads.
  void exit() {
    std::set<Tid>& threads = live_[thread_.pid];
    const auto status = static_cast<int32_t>(random_.below(256) << 8);
    const bool whole = threads.size() == 1 || random_.below(2) == 0;
    writer_.event(ExitEvent{.status = status, .whole_process = whole});
    threads.erase(thread_.tid);
    if (whole) {
      for (const Tid tid : threads)
        expected.push_back(fmt::format("{}/{} exit 0 thread", thread_.pid.value(), tid.value()));
      live_.erase(thread_.pid);
    }
    expect(fmt::format("exit {}{}", status, whole ? "" : " thread"));
    if (!live_.empty()) choose_thread();
  }

  Writer writer_;
  Random random_;
  bool wide_;
  ThreadId thread_{};
  std::map<Pid, std::set<Tid>> live_;
  uint32_t next_id_ = 101;
};

TEST(DrmemtraceExport, ComesBackAsItWas) {
  const TemporaryDirectory directory;
  for (const char* const isa : {"x86_64", "i386", "aarch64", "arm"}) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const std::string trace = directory.path("t.mmt");
      const History history(trace, isa, seed);
      const ExportResult exported = export_with("drmemtrace", trace, directory.path("app"));
      EXPECT_EQ(exported.remarks[1].count, 0u);
      const ImportResult imported =
          import_with("drmemtrace", {directory.path("app")}, directory.path("again.mmt"));
      EXPECT_EQ(imported.input_records, exported.output_records);
      EXPECT_EQ(records_of(directory.path("again.mmt")), history.expected) << isa << ' ' << seed;
      EXPECT_EQ(Reader(directory.path("again.mmt")).header().isa, isa);
      if (HasFailure()) return;
    }
  }
}

}  // namespace drmemtrace_export_test
}  // namespace mmusim::trace
