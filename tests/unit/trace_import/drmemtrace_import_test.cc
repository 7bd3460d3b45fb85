// The drmemtrace importer on small traces made by hand: what reaches the sink, and what is counted.
#include "trace/import/drmemtrace_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drmemtrace_writer.h"
#include "import_with.h"
#include "packers.h"
#include "recording_sink.h"
#include "trace/reader.h"

namespace mmusim::trace {
namespace drmemtrace_import_test {

using drmemtrace::File;
using drmemtrace::File32;
using drmemtrace::Isa;
using drmemtrace::Note;
using lackey::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using Records = std::vector<std::string>;

struct Imported {
  Records records;
  ImportResult result;
  uint64_t count(Note note) const {
    for (const Remark& remark : result.remarks)
      if (remark.text == drmemtrace::text_of(note)) return remark.count;
    ADD_FAILURE() << "no such remark";
    return 0;
  }
};

void put(const TemporaryDirectory& directory, const std::string& name, const std::string& content) {
  static_cast<void>(directory.write(name, content));
}

Imported import(const std::vector<std::string>& paths, bool strict = true) {
  drmemtrace::Recording recording = drmemtrace::open_recording(paths);
  drmemtrace::Options options;
  options.strict = strict;
  lackey::RecordingSink sink;
  const bool wide = recording.inputs.front().head.is_64_bit;
  const Isa isa = drmemtrace::isa_of(recording.file_types).value_or(wide ? Isa::X86_64 : Isa::I386);
  drmemtrace::Import<lackey::RecordingSink> import(std::move(recording), isa, sink, options);
  ImportResult result = import.run();
  uint64_t all = 0;
  for (const uint64_t records : import.records())
    all += records;
  EXPECT_EQ(all, result.input_records);
  return {std::move(sink.records), std::move(result)};
}

template <class Address>
Imported import_one(const drmemtrace::BasicFile<Address>& file, bool strict = true) {
  const TemporaryDirectory directory;
  Imported imported = import({directory.write("app.trace", file.text)}, strict);
  EXPECT_EQ(imported.result.input_records, file.records);
  EXPECT_EQ(imported.result.input_bytes, file.text.size());
  return imported;
}

std::string failure(const std::string& content, bool strict = true) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("bad", content);
  try {
    import({path}, strict);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
    return error.what();
  }
  return "no error";
}

TEST(Drmemtrace, OneThread) {
  File file = File::of(7, 7);
  file.time(100).mark(drmemtrace::kCpuId, 0x3005);
  file.add(drmemtrace::kEncoding, 3, 0x123456).instr(0x1000, 3).read(0x7ff0, 8).write(0x7ff0, 8);
  file.instr(0x1003, 2, drmemtrace::kInstrTakenJump).instr(0x2000, 15, drmemtrace::kInstrSysenter);
  file.exit(7).footer();
  EXPECT_THAT(import_one(file).records,
              ElementsAre("7/7 exec app [app]", "7/7 switch 5", "7/7 I 1000,3", "7/7 L 7ff0,8",
                          "7/7 S 7ff0,8", "7/7 I 1003,2", "7/7 I 2000,15", "7/7 exit 0"));
}

TEST(Drmemtrace, RecordsOf32BitPrograms) {
  File32 file = File32::of(7, 8);
  file.time(0xffff'fff0).instr(0xffff'e000, 5).read(0xbfff'fffc, 4);
  file.call(192, {0, 8192, 3, 0x22, uint64_t{0} - 1, 2}, 0xb7fe'0000);
  file.call(91, {0xb7fe'0000, 4096}, uint64_t{0} - 22);
  file.time(5).instr(0xffff'e005, 1).exit(8).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records,
              ElementsAre("7/8 exec app [app]", "7/8 I ffffe000,5", "7/8 L bffffffc,4",
                          "7/8 mmap 0 8192 prot 3 flags 34 fd -1 at 8192 = b7fe0000",
                          "7/8 munmap b7fe0000 4096 = -22", "7/8 I ffffe005,1", "7/8 exit 0"));
  EXPECT_EQ(imported.count(Note::TimesBack), 0u) << "the low half of a time goes round";
}

// Each file goes on up to its next time stamp; always the one whose last is earliest.
TEST(Drmemtrace, TimeStampsOrderThreads) {
  const TemporaryDirectory directory;
  File a = File::of(7, 7);
  a.time(10).instr(0x100, 1).time(20).instr(0x101, 1).time(40).instr(0x102, 1).exit(7).footer();
  File b = File::of(7, 8);
  b.time(15).instr(0x200, 1).time(20).instr(0x201, 1).time(30).instr(0x202, 1).exit(8).footer();
  const Records expected = {"7/7 exec app [app]", "7/7 I 100,1", "7/8 I 200,1",
                            "7/7 I 101,1",        "7/8 I 201,1", "7/8 I 202,1",
                            "7/8 exit 0 thread",  "7/7 I 102,1", "7/7 exit 0"};
  const std::string first = directory.write("drmemtrace.app.7.0001.trace", a.text);
  const std::string second = directory.write("drmemtrace.app.8.0002.trace", b.text);
  EXPECT_EQ(import({first, second}).records, expected);
  const Imported imported = import({directory.path("")});
  EXPECT_EQ(imported.records, expected);
  EXPECT_EQ(imported.count(Note::ThreadsFound), 1u);
}

// As in DynamoRIO's schedule files: of equal times the lower CPU is first, then the lower thread.
TEST(Drmemtrace, EqualTimesGoByCpuAndThread) {
  const TemporaryDirectory directory;
  const auto at = [](File& file, uint64_t time, uint64_t cpu, uint64_t pc) {
    file.time(time).mark(drmemtrace::kCpuId, cpu).instr(pc, 1);
  };
  File a = File::of(7, 9);
  File b = File::of(7, 8);
  at(a, 10, 5, 0x100), at(b, 10, 3, 0x200);
  at(a, 20, 1, 0x101), at(b, 20, 2, 0x201);
  at(a, 30, 4, 0x102), at(b, 30, 4, 0x202);
  a.time(40).instr(0x103, 1).exit(9).footer();  // of no CPU: last
  at(b, 40, 5, 0x203);
  b.exit(8).footer();
  const std::string first = directory.write("drmemtrace.app.1.0001.trace", a.text);
  const std::string second = directory.write("drmemtrace.app.2.0002.trace", b.text);
  Records fetches;
  for (const std::string& record : import({first, second}).records)
    if (record.find(" I ") != std::string::npos) fetches.push_back(record.substr(6));
  EXPECT_THAT(fetches,
              ElementsAre("200,1", "100,1", "101,1", "201,1", "202,1", "102,1", "203,1", "103,1"));
}

// More files than are kept open: they are opened again when they begin.
TEST(Drmemtrace, ManyFiles) {
  const TemporaryDirectory directory;
  Records expected = {"7/1000 exec app [app]"};
  constexpr unsigned kThreads = 300;
  for (unsigned i = 0; i < kThreads; ++i) {
    File file = File::of(7, 1000 + i);
    file.time(10 + i).instr(0x1000 + i, 1).time(1000 + i).instr(0x2000 + i, 1).exit(1000 + i);
    put(directory, fmt::format("drmemtrace.app.{}.1.trace.zip", 1000 + i),
        i % 8 == 0 ? packers::zip_of_one(file.footer().text) : file.footer().text);
  }
  for (unsigned i = 0; i < kThreads; ++i)
    expected.push_back(fmt::format("7/{} I {:x},1", 1000 + i, 0x1000 + i));
  for (unsigned i = 0; i < kThreads; ++i) {
    expected.push_back(fmt::format("7/{} I {:x},1", 1000 + i, 0x2000 + i));
    expected.push_back(fmt::format("7/{} exit 0{}", 1000 + i, i + 1 < kThreads ? " thread" : ""));
  }
  EXPECT_EQ(import({directory.path("")}).records, expected);
}

TEST(Drmemtrace, RoundsOfStringInstructionsAreOneFetch) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 2).read(0x10, 1).write(0x20, 1);
  for (unsigned i = 1; i < 3; ++i)
    file.instr(0x1000, 2, drmemtrace::kInstrNoFetch).read(0x10 + i, 1).write(0x20 + i, 1);
  // Interrupted, it is fetched again.
  file.thread(8).process(7).instr(0x1000, 2).read(0x50, 1);
  file.thread(7).instr(0x1000, 2, drmemtrace::kInstrNoFetch).read(0x13, 1).exit(8).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(
      imported.records,
      ElementsAre("7/7 exec app [app]", "7/7 I 1000,2", "7/7 L 10,1", "7/7 S 20,1", "7/7 L 11,1",
                  "7/7 S 21,1", "7/7 L 12,1", "7/7 S 22,1", "7/8 I 1000,2", "7/8 L 50,1",
                  "7/7 I 1000,2", "7/7 L 13,1", "7/8 exit 0 thread", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::Rounds), 2u);
  EXPECT_EQ(imported.count(Note::RepeatedFetches), 1u);
}

TEST(Drmemtrace, WhatIsLeftOutIsCounted) {
  File file = File::of(7, 7);
  file.time(1).read(0x99, 1).instr(0x1000, 4);
  for (const unsigned type : {2u, 9u, 27u, 32u, 46u})
    file.add(type, 64, 0x4000);
  file.add(drmemtrace::kDataFlush, 64, 0x4000);
  file.add(drmemtrace::kInstrFlush, 0, 0x4000).add(drmemtrace::kInstrFlushEnd, 0, 0x4100);
  file.read(0x5000, 0).mark(drmemtrace::kSkippedMemref, 0x6000).read(0x7000, 4);
  file.mark(drmemtrace::kUncompletedInstruction, 1).mark(drmemtrace::kKernelEvent, 0x1004);
  file.mark(drmemtrace::kSignalNumber, 11).mark(200, 1).mark(drmemtrace::kCoreIdle, 0);
  file.mark(drmemtrace::kPhysicalAddress, 1).mark(drmemtrace::kVirtualAddress, 2);
  file.mark(drmemtrace::kFuncId, 5).mark(drmemtrace::kFuncArg, 6).mark(drmemtrace::kFuncRetval, 7);
  file.mark(drmemtrace::kBranchTarget, 0x2000).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,4", "7/7 L 7000,4", "7/7 exit 0"));
  const std::map<Note, uint64_t> expected = {{Note::EarlyAccesses, 1}, {Note::Prefetches, 5},
                                             {Note::Flushes, 2},       {Note::EmptyAccesses, 1},
                                             {Note::Masked, 1},        {Note::Uncompleted, 1},
                                             {Note::Handlers, 1},      {Note::PhysicalAddresses, 2},
                                             {Note::Functions, 3},     {Note::Idle, 1},
                                             {Note::BranchTargets, 1}, {Note::ProcessesFound, 1}};
  for (const auto& [note, count] : expected)
    EXPECT_EQ(imported.count(note), count) << drmemtrace::text_of(note);
}

TEST(Drmemtrace, LongAccessesAreSplit) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 4).write(0x10000, 4097).exit(7).footer();
  EXPECT_THAT(import_one(file).records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,4", "7/7 S 10000,4096", "7/7 S 11000,1",
                          "7/7 exit 0"));
}

TEST(Drmemtrace, KernelCodeIsLeftOut) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 2).mark(drmemtrace::kSyscall, 39);
  file.mark(drmemtrace::kSyscallTraceStart, 39).instr(0xffff'8000'0000'0000, 4).read(0x1, 8);
  file.instr(0xffff'8000'0000'0004, 4).mark(drmemtrace::kSyscallTraceEnd, 39);
  file.instr(0x1002, 1).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,2", "7/7 I 1002,1", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::KernelInstructions), 2u);
  EXPECT_EQ(imported.count(Note::KernelAccesses), 1u);
}

// Views of a whole system do not mark what is the kernel's; its addresses do.
TEST(Drmemtrace, KernelCodeOfAWholeSystemIsLeftOut) {
  File file = File::of(7, 7, File::kArch | drmemtrace::kWholeSystem);
  file.time(1).instr(0x1000, 2).instr(0xffff'8000'0000'0000, 4).read(0x1, 8).instr(0x1002, 1);
  file.read(0x2, 8).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records, ElementsAre("7/7 exec app [app]", "7/7 I 1000,2", "7/7 I 1002,1",
                                            "7/7 L 2,8", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::KernelInstructions), 1u);
  EXPECT_EQ(imported.count(Note::KernelAccesses), 1u);
}

TEST(Drmemtrace, CallsBecomeEvents) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 2);
  const uint64_t none = uint64_t{0} - 1;
  file.call(9, {0, 0x3000, 3, 0x22, none, 0}, 0x7000'0000).time(2);
  file.call(10, {0x7000'0000, 0x1000, 1}, 0).time(3);
  file.call(25, {0x7000'0000, 0x1000, 0x2000, 1, 0}, 0x7100'0000).time(4);
  file.call(12, {0x60'0000}, 0x61'0000).time(5);
  file.call(28, {0x7100'0000, 0x1000, 4}, 0).time(6);
  file.call(149, {0x7100'0000, 0x1000}, 0).call(151, {2}, uint64_t{0} - 12).time(7);
  file.call(26, {0x7100'0000, 0x1000, 4}, 0).call(77, {5, 100}, 0).call(285, {5, 1, 2, 3}, 0);
  file.call(157, {41, 1, 0}, 0).call(157, {15, 1}, 0).call(30, {1, 2, 3}, 0x8000'0000);
  file.call(11, {0x7000'0000, 0x3000}, 0);
  // Only the first argument was kept; then only the number.
  file.call(11, {0x7000'0000}, 0).time(8).mark(drmemtrace::kSyscall, 9).time(9);
  file.mark(drmemtrace::kSyscall, 0).time(10).instr(0x1002, 2);
  file.begin_call(231, {3}).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(
      imported.records,
      ElementsAre("7/7 exec app [app]", "7/7 I 1000,2",
                  "7/7 mmap 0 12288 prot 3 flags 34 fd -1 at 0 = 70000000",
                  "7/7 mprotect 70000000 4096 prot 1 = 0",
                  "7/7 mremap 70000000 4096 8192 flags 1 0 = 71000000", "7/7 brk 600000 = 610000",
                  "7/7 madvise 71000000 4096 4 = 0", "7/7 mlock 0 71000000 4096 0 = 0",
                  "7/7 mlock 2 0 0 2 = -12", "7/7 msync 71000000 4096 4 = 0",
                  "7/7 truncate fd 5 100 = 0 ", "7/7 fallocate fd 5 mode 1 2 3 = 0 ",
                  "7/7 thp 1 0 = 0", "7/7 other shmat = 0", "7/7 munmap 70000000 12288 = 0",
                  "7/7 other munmap = 0", "7/7 other mmap = 0", "7/7 I 1002,2", "7/7 exit 768"));
  EXPECT_EQ(imported.count(Note::CallsByName), 3u);
}

// Older traces say of a call's result only whether it worked.
TEST(Drmemtrace, BareResults) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 2).call(10, {0x1000, 0x1000, 1}, 1).call(11, {0x1000, 0x1000}, 0);
  file.call(9, {0, 0x3000, 3, 0x22, 5, 0}, 1).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,2", "7/7 mprotect 1000 4096 prot 1 = 0",
                          "7/7 other mmap = 0", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::ResultsUnknown), 3u);
}

TEST(Drmemtrace, NumbersOfCallsAreOfTheIsa) {
  File file = File::of(7, 7, drmemtrace::kArchAarch64);
  file.time(1).instr(0x1000, 4).call(215, {0x1000, 0x1000}, 0).call(11, {0x1000, 0x1000}, 0);
  file.read(0xb400'0000'0000'1000, 8).read(0xff00'0000'0000'2000, 8).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,4", "7/7 munmap 1000 4096 = 0",
                          "7/7 I 1000,4", "7/7 L 1000,8", "7/7 L 2000,8", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::TagsTakenOff), 2u);
}

TEST(Drmemtrace, ThreadsAreMadeByCloneAndProcessesByFork) {
  const TemporaryDirectory directory;
  File a = File::of(7, 7);
  a.time(10).instr(0x100, 1).mark(drmemtrace::kSyscall, 56).time(11).instr(0x101, 1);
  a.begin_call(57, {}).end_call(57, 9).time(13).instr(0x102, 1);
  a.begin_call(61, {}).time(100).end_call(61, 9).instr(0x103, 1).exit(7).footer();
  File b = File::of(7, 8);
  b.time(12).instr(0x200, 1).exit(8).footer();
  File c = File::of(9, 9);
  c.time(14).instr(0x300, 1).begin_call(231, {2}).exit(9).footer();
  put(directory, "a", a.text);
  put(directory, "b", b.text);
  put(directory, "c", c.text);
  const Imported imported = import({directory.path("a"), directory.path("b"), directory.path("c")});
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec a [a]", "7/7 I 100,1", "7/7 I 101,1",
                          "7/7 fork 7/8 flags 3d0f00 shared", "7/8 I 200,1", "7/8 exit 0 thread",
                          "7/7 I 102,1", "7/7 fork 9/9 flags 11", "9/9 I 300,1", "9/9 exit 512",
                          "7/7 wait 9 512", "7/7 I 103,1", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::ThreadsFound), 0u);
  EXPECT_EQ(imported.count(Note::ProcessesFound), 1u);
}

// Directories as DynamoRIO makes them: one per process image, with a folder for each window.
TEST(Drmemtrace, ImagesAndWindows) {
  const TemporaryDirectory directory;
  namespace fs = std::filesystem;
  const std::string sh = "drmemtrace.sh.7.1.dir/trace";
  const std::string ls = "drmemtrace.ls.7.2.dir/trace";
  for (const std::string& folder :
       {sh + "/window.0000", sh + "/window.0001", ls, std::string("drmemtrace.ls.7.2.dir/raw")})
    fs::create_directories(directory.path(folder));
  File first = File::of(7, 7);
  first.time(10).mark(drmemtrace::kWindowId, 0).instr(0x100, 1).exit(7).footer();
  File second = File::of(7, 7);
  second.time(20).mark(drmemtrace::kWindowId, 1).instr(0x200, 1).exit(7).footer();
  File other = File::of(7, 7);
  other.time(30).instr(0x300, 1).exit(7).footer();
  put(directory, sh + "/window.0000/drmemtrace.sh.7.0001.trace", first.text);
  put(directory, sh + "/window.0001/drmemtrace.sh.7.0001.trace", second.text);
  put(directory, ls + "/drmemtrace.ls.7.0002.trace", other.text);
  put(directory, ls + "/cpu_schedule.bin.zip", packers::zip_of_one("something"));
  put(directory, "drmemtrace.ls.7.2.dir/raw/x.raw", "not looked at");
  const Imported imported = import({directory.path("")});
  EXPECT_THAT(imported.records,
              ElementsAre("7/7 exec sh [sh]", "7/7 I 100,1", "7/7 marker window 1", "7/7 I 200,1",
                          "7/7 exec ls [ls]", "7/7 I 300,1", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::FilesLeftOut), 1u);
}

// As Google publishes its workloads.
TEST(Drmemtrace, AWorkloadsFolder) {
  const TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path("delta/trace"));
  std::filesystem::create_directories(directory.path("delta/aux"));
  put(directory, "delta/aux/v2p.textproto", "page_size: 0x200000");
  for (const unsigned tid : {41u, 42u}) {
    File file = File::of(40, tid, drmemtrace::kArchRegdeps);
    file.time(tid).instr(0x1000 + tid, 3).exit(tid).footer();
    const size_t cut = file.text.size() / 24 * 12;
    put(directory, fmt::format("delta/trace/3f2a-11.{}.memtrace.zip", tid),
        packers::zip(
            {{"chunk.0000", file.text.substr(0, cut)}, {"chunk.0001", file.text.substr(cut)}}));
  }
  EXPECT_TRUE(drmemtrace::holds_trace(directory.path("delta")));
  EXPECT_FALSE(drmemtrace::holds_trace(directory.path("delta/aux")));
  EXPECT_THAT(import({directory.path("delta")}).records,
              ElementsAre("40/41 exec delta [delta]", "40/41 I 1029,3",
                          "40/41 fork 40/42 flags 3d0f00 shared", "40/41 exit 0 thread",
                          "40/42 I 102a,3", "40/42 exit 0"));
}

// The process ends with its last thread, though a file of it is still to come, if that has nothing.
TEST(Drmemtrace, AThreadThatDoesNothing) {
  const TemporaryDirectory directory;
  File a = File::of(7, 7);
  a.time(1).instr(0x1000, 1).exit(7).footer();
  const std::string second = directory.write("b", File::of(7, 8).time(2).exit(8).footer().text);
  const Imported imported = import({directory.write("a", a.text), second});
  EXPECT_THAT(imported.records, ElementsAre("7/7 exec a [a]", "7/7 I 1000,1", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::ThreadsWithout), 1u);
}

TEST(Drmemtrace, CoresWithThreadsThatMove) {
  const TemporaryDirectory directory;
  const uint64_t type = File::kArch | drmemtrace::kCoreSharded;
  File a = File::of(7, 7, type);
  a.time(10).mark(drmemtrace::kCpuId, 0).instr(0x100, 1).thread(8).process(7).time(20);
  a.mark(drmemtrace::kCpuId, 0).instr(0x200, 1).footer().exit(8).mark(drmemtrace::kCoreIdle, 0);
  a.footer();
  File b = File::of(7, 9, type);
  b.time(11).mark(drmemtrace::kCpuId, 1).instr(0x300, 1).thread(7).process(7).time(15);
  b.mark(drmemtrace::kCpuId, 1).instr(0x101, 1).exit(7).thread(9).time(30).instr(0x301, 1).exit(9);
  b.footer();
  put(directory, "drmemtrace.core.000000.trace", a.text);
  put(directory, "drmemtrace.core.000001.trace", b.text);
  EXPECT_THAT(
      import({directory.path("drmemtrace.core.000000.trace"),
              directory.path("drmemtrace.core.000001.trace")})
          .records,
      ElementsAre("7/7 exec core [core]", "7/7 switch 0", "7/7 I 100,1", "7/9 switch 1",
                  "7/9 I 300,1", "7/7 switch 1", "7/7 I 101,1", "7/7 exit 0 thread", "7/8 switch 0",
                  "7/8 I 200,1", "7/8 exit 0 thread", "7/9 I 301,1", "7/9 exit 0"));
}

TEST(Drmemtrace, FilteredTracesGetFetches) {
  File file = File::of(7, 7, File::kArch | drmemtrace::kDFiltered | drmemtrace::kIFiltered);
  file.time(1).instr(0x1000, 0).read(0x10, 4).instr(0x1000, 0).write(0x20, 4).instr(0x2000, 3);
  file.read(0x30, 4).mark(drmemtrace::kFilterEndpoint, 0).exit(7).footer();
  const Imported imported = import_one(file);
  EXPECT_THAT(imported.records, ElementsAre("7/7 exec app [app]", "7/7 I 1000,1", "7/7 L 10,4",
                                            "7/7 S 20,4", "7/7 I 2000,3", "7/7 L 30,4",
                                            "7/7 marker filter endpoint", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::AssumedFetches), 1u);
  ASSERT_EQ(imported.result.warnings.size(), 1u);
  EXPECT_THAT(imported.result.warnings[0], HasSubstr("filtered"));
}

// A synthetic instruction set: encodings are longer or shorter than what is fetched.
TEST(Drmemtrace, Regdeps) {
  const TemporaryDirectory directory;
  File file = File::of(7, 7, drmemtrace::kArchRegdeps | 0x200);
  file.time(1).mark(drmemtrace::kCpuId, ~uint64_t{0}).add(drmemtrace::kEncoding, 8, 1);
  file.add(drmemtrace::kEncoding, 4, 2).instr(0x1000, 3).read(0x10, 8).exit(7).footer();
  EXPECT_THAT(import_one(file).records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,3", "7/7 L 10,8", "7/7 exit 0"));
  const ImportResult result =
      import_with("drmemtrace", {directory.write("t", file.text)}, directory.path("o.mmt"));
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0], HasSubstr("x86_64 was assumed"));
}

TEST(Drmemtrace, Bundles) {
  File file = File::of(7, 7);
  file.time(1).instr(0x1000, 4).add(drmemtrace::kInstrBundle, 3, 0x05'01'02).read(0x10, 8);
  file.exit(7).footer();
  EXPECT_THAT(import_one(file).records,
              ElementsAre("7/7 exec app [app]", "7/7 I 1000,4", "7/7 I 1004,2", "7/7 I 1006,1",
                          "7/7 I 1007,5", "7/7 L 10,8", "7/7 exit 0"));
}

// --- modules.log

// A table as DynamoRIO writes it: each line's id, segment and file.
std::string modules_log(const std::vector<std::string>& lines) {
  std::string text =
      fmt::format("Module Table: version 5, count {}\n", lines.size()) +
      "Columns: id, containing_id, start, end, entry, offset, preferred_base, (custom fields), "
      "path\n";
  for (size_t i = 0; i < lines.size(); ++i)
    text += fmt::format("{:3}, {:3}, {}\n", i, 0, lines[i]);
  return text;
}

std::string module_line(uint64_t start, uint64_t end, uint64_t offset, const std::string& path) {
  return fmt::format("0x{:016x}, 0x{:016x}, 0x{:016x}, {:016x}, 0x{:016x}, v#1,0,  {}", start, end,
                     start + 8, offset, start, path);
}

drmemtrace::Modules modules_of(const std::string& text, uint64_t page = 4096) {
  return {"m.log", text, page};
}

std::string modules_failure(const std::string& text) {
  try {
    modules_of(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(DrmemtraceModules, SegmentsAreWholePagesOfFiles) {
  // With the vdso's contents in the middle, which have ends of lines and commas in them.
  const drmemtrace::Modules modules = modules_of(
      modules_log({module_line(0x401000, 0x403000, 0x1000, "/bin/x"),
                   module_line(0x404010, 0x404f00, 0x2e10, "/bin/x y, z"),
                   "0x0000000000000000, 0x0000000000001000, 0x0000000000000000, 0000000000000000, "
                   "0x0000000000000000, v#1,12,a\n1, 2, 0x\n\n  [vdso]",
                   module_line(0x500000, 0x501000, 0, "<unknown>")}));
  ASSERT_EQ(modules.size(), 2u);
  EXPECT_EQ(*modules[0].path, "/bin/x");
  EXPECT_EQ(modules[0].offset, 0x1000u);
  EXPECT_EQ(modules[1].range, (VirtRange{VirtAddr(0x404000), VirtAddr(0x405000)}));
  EXPECT_EQ(modules[1].offset, 0x2000u);
  EXPECT_EQ(*modules[1].path, "/bin/x y, z");
  EXPECT_EQ(modules.find(VirtAddr(0x402fff)).segment, 0u);
  const auto between = modules.find(VirtAddr(0x403000));
  EXPECT_EQ(between.segment, drmemtrace::Modules::kNone);
  EXPECT_EQ(between.within, (VirtRange{VirtAddr(0x403000), VirtAddr(0x404000)}));
  EXPECT_EQ(modules.find(VirtAddr(0)).within.end, VirtAddr(0x401000));
  EXPECT_EQ(modules.find(VirtAddr(0x600000)).within.begin, VirtAddr(0x405000));
}

// Version 4, as older traces have it, and a table without what the recorder adds.
TEST(DrmemtraceModules, ColumnsGoByTheirNames) {
  const drmemtrace::Modules modules = modules_of(
      "Module Table: version 4, count 1\r\n"
      "Columns: id, containing_id, start, end, entry, offset, path\r\n"
      "  0,   0, 0x1000, 0x2000, 0x0, 3000,  /a\r\n");
  ASSERT_EQ(modules.size(), 1u);
  EXPECT_EQ(*modules[0].path, "/a");
  EXPECT_EQ(modules[0].offset, 0x3000u);
}

TEST(DrmemtraceModules, WhatOverlapsIsLeftOut) {
  const drmemtrace::Modules modules = modules_of(
      modules_log({module_line(0x1000, 0x9000, 0, "/a"), module_line(0x2000, 0x3000, 0, "/b"),
                   module_line(0x4000, 0x5000, 0, "/c"), module_line(0x9000, 0xa000, 0, "/d"),
                   module_line(0xb000, 0xc000, 0, "/e"), module_line(0xb000, 0xc000, 0, "/e")}));
  EXPECT_EQ(modules.overlapping(), 3u);
  ASSERT_EQ(modules.size(), 2u);
  EXPECT_EQ(*modules[0].path, "/d");
  EXPECT_EQ(*modules[1].path, "/e");
}

TEST(DrmemtraceModules, WhatCannotBeUnderstoodIsNamedWithItsLine) {
  const std::string head = modules_log({});
  EXPECT_EQ(modules_failure("Module Table: 3\n"), "m.log:2: is no table of modules");
  EXPECT_EQ(modules_failure(""), "m.log:2: is no table of modules");
  EXPECT_THAT(modules_failure("Module Table: version 2, count 1\nColumns: id, start, end, path\n"),
              HasSubstr("no column 'offset'"));
  EXPECT_THAT(modules_failure(head + "0, 0, 0x1\n"), HasSubstr("m.log:3: fewer fields"));
  EXPECT_THAT(modules_failure(head + "0, 0, ten, 1, 0, 0, 0, v#1,0, /a\n"),
              HasSubstr("'ten' in place of a number"));
  EXPECT_THAT(modules_failure(head + "0, 0, 1, 2, 0, 0, 0, v#1,99, /a\n"), HasSubstr("cut off"));
  EXPECT_THAT(modules_failure(head + "0, 0, 1, 2, 0, 0, 0, mine,9, /a\n"), HasSubstr("custom"));
  EXPECT_THAT(modules_failure(head + "0, 0, 2, 1, 0, 0, 0, v#1,0, /a\n"), HasSubstr("ends before"));
  EXPECT_THAT(modules_failure(head + "0, 0, 1, 2, 0, 0, 0, v#1,0, \n"), HasSubstr("no file"));
}

// A program, its loader, and a library that a recorded call maps; the child has a table of its own.
TEST(DrmemtraceModules, SegmentsAreMappedWhenFirstExecutedIn) {
  const TemporaryDirectory directory;
  namespace fs = std::filesystem;
  const std::string parent = "drmemtrace.sh.7.1.dir";
  const std::string child = "drmemtrace.sh.9.1.dir";
  for (const std::string& image : {parent, child})
    for (const char* const folder : {"trace", "raw"})
      fs::create_directories(directory.path(image + "/" + folder));
  const std::vector<std::string> lines = {module_line(0x1000, 0x3000, 0x1000, "/bin/sh"),
                                          module_line(0x8000, 0x9000, 0, "/lib/ld.so"),
                                          module_line(0x20000, 0x28000, 0, "/lib/c.so")};
  put(directory, parent + "/raw/modules.log", modules_log(lines));
  put(directory, child + "/raw/modules.log",
      modules_log({module_line(0x500, 0x900, 0, "/mine"), lines[2], lines[1], lines[0]}));
  File a = File::of(7, 7);
  a.time(10).instr(0x8000, 1).instr(0x5000, 1);
  a.call(9, {0, 0x8000, 5, 2, 3, 0}, 0x20000).time(11);
  a.call(9, {0x24000, 0x1000, 3, 0x12, 3, 0x5000}, 0x24000).time(12);  // not what the table has
  a.instr(0x1000, 1).instr(0x8001, 1).instr(0x20000, 1).instr(0x1002, 1);
  a.begin_call(57, {}).end_call(57, 9).time(20);
  a.call(11, {0x20000, 0x8000}, 0).time(21).instr(0x20004, 1).exit(7).footer();
  File b = File::of(9, 9);
  b.time(15).instr(0x1000, 1).instr(0x600, 1).instr(0x8000, 1).exit(9).footer();
  put(directory, parent + "/trace/drmemtrace.sh.7.1.trace", a.text);
  put(directory, child + "/trace/drmemtrace.sh.9.1.trace", b.text);
  const Imported imported = import({directory.path(parent), directory.path(child)});
  EXPECT_THAT(
      imported.records,
      ElementsAre("7/7 exec sh [sh]",
                  "7/7 mmap 8000 4096 prot 5 flags 18 fd -1 at 0 = 8000 /lib/ld.so", "7/7 I 8000,1",
                  "7/7 I 5000,1", "7/7 mmap 0 32768 prot 5 flags 2 fd 3 at 0 = 20000 /lib/c.so",
                  "7/7 mmap 24000 4096 prot 3 flags 18 fd 3 at 20480 = 24000",
                  "7/7 mmap 1000 8192 prot 5 flags 18 fd -1 at 4096 = 1000 /bin/sh", "7/7 I 1000,1",
                  "7/7 I 8001,1", "7/7 I 20000,1", "7/7 I 1002,1", "7/7 fork 9/9 flags 11",
                  "9/9 I 1000,1", "9/9 mmap 0 4096 prot 5 flags 18 fd -1 at 0 = 0 /mine",
                  "9/9 I 600,1", "9/9 I 8000,1", "9/9 exit 0", "7/7 munmap 20000 32768 = 0",
                  "7/7 mmap 20000 32768 prot 5 flags 18 fd -1 at 0 = 20000 /lib/c.so",
                  "7/7 I 20004,1", "7/7 exit 0"));
  EXPECT_EQ(imported.count(Note::SegmentsPlaced), 4u);
  EXPECT_EQ(imported.count(Note::MappingsNamed), 1u);
}

TEST(DrmemtraceModules, WhatCannotBeUnderstoodIsAWarning) {
  const TemporaryDirectory directory;
  File file = File::of(7, 7);
  file.time(10).instr(0x1000, 1).exit(7).footer();
  put(directory, "app.trace", file.text);
  put(directory, "modules.log", "nonsense\n");
  const Imported imported = import({directory.path("app.trace")});
  EXPECT_THAT(imported.records, ElementsAre("7/7 exec app [app]", "7/7 I 1000,1", "7/7 exit 0"));
  EXPECT_THAT(imported.result.warnings, ElementsAre(HasSubstr("modules.log:2: is no table")));
}

TEST(Drmemtrace, TheNameOfTheProgram) {
  EXPECT_EQ(drmemtrace::program_of("/x/drmemtrace.my.app.12.3456.trace.zip"), "my.app");
  EXPECT_EQ(drmemtrace::program_of("/x/drmemtrace.ls.12.3.dir/trace/drmemtrace.ls.12.3.trace.gz"),
            "ls");
  EXPECT_EQ(drmemtrace::program_of("/x/charlie/trace/4af0.77.memtrace.zip"), "charlie");
  EXPECT_EQ(drmemtrace::program_of("/x/chase.20190225.185346.memtrace.sz"), "chase");
  EXPECT_EQ(drmemtrace::program_of("/x/drmemtrace.a.1.2.dir/trace/drmemtrace.core.0.trace"), "a");
  EXPECT_EQ(drmemtrace::program_of("/x/tiny.zst"), "tiny");
  EXPECT_EQ(drmemtrace::program_of("/x/123.456"), "123.456");
}

TEST(Drmemtrace, BadFilesAreErrorsThatNameThePlace) {
  File good = File::of(7, 7);
  good.time(1).instr(0x1000, 4).read(0x10, 8).exit(7).footer();
  EXPECT_EQ(failure(good.text), "no error");
  const size_t bytes = good.text.size();
  EXPECT_THAT(failure(""), HasSubstr("is empty"));
  EXPECT_THAT(failure("==7== Lackey\n"), HasSubstr("byte 0: is no drmemtrace trace"));
  EXPECT_THAT(failure(std::string(7, '\0') + "\xc4" + "12345678"), HasSubstr("post-process"));
  EXPECT_THAT(failure(good.text.substr(0, bytes - 3)), HasSubstr("in the middle of a record"));
  EXPECT_THAT(failure(good.text.substr(0, bytes - 12)), HasSubstr("was cut off"));
  EXPECT_THAT(failure(File().header(8).thread(7).footer().text), HasSubstr("version 8"));
  EXPECT_THAT(failure(File::of(7, 7, drmemtrace::kTraceTemplates).footer().text),
              HasSubstr("templates"));
  EXPECT_THAT(failure(File::of(7, 7).time(1).add(50, 0, 0).footer().text),
              HasSubstr("record 8 (byte 96 of its content): a record of the unknown type 50"));
  EXPECT_THAT(failure(File::of(7, 7).instr(1, 33).footer().text), HasSubstr("33 bytes"));
  EXPECT_THAT(failure(File::of(7, 7).instr(uint64_t{0} - 2, 3).footer().text),
              HasSubstr("beyond the end"));
  EXPECT_EQ(failure(File::of(7, 7).instr(uint64_t{0} - 2, 2).footer().text), "no error");
  EXPECT_THAT(failure(File().header(7).thread(7).instr(1, 1).footer().text),
              HasSubstr("no thread or process"));
  EXPECT_THAT(failure(File().header(7).process(7).footer().text), HasSubstr("no thread"));
  EXPECT_THAT(failure(File::of(7, 7).add(drmemtrace::kInstrBundle, 1, 1).footer().text),
              HasSubstr("bundle"));
  EXPECT_THAT(failure(packers::zip_of_one(good.text).substr(0, 100)), HasSubstr("zip"));
}

TEST(Drmemtrace, WhatCannotBeUnderstoodIsSkippedIfAsked) {
  File file = File::of(7, 7);
  file.time(1).add(50, 0, 0).instr(0x1000, 33).instr(0x1000, 3).add(65535, 1, 2);
  const TemporaryDirectory directory;
  const Imported imported = import({directory.write("app", file.text + "rest")}, false);
  EXPECT_THAT(imported.records, ElementsAre("7/7 exec app [app]", "7/7 I 1000,3"));
  EXPECT_EQ(imported.result.skipped_records, 3u);
  ASSERT_EQ(imported.result.warnings.size(), 1u);
  EXPECT_THAT(imported.result.warnings[0], HasSubstr("middle of a record"));
}

TEST(Drmemtrace, FilesThatDoNotGoTogether) {
  const TemporaryDirectory directory;
  const std::string wide = directory.write("w", File::of(7, 7).time(1).footer().text);
  const std::string narrow = directory.write("n", File32::of(8, 8).time(1).footer().text);
  EXPECT_THROW(import({wide, narrow}), Error);
  std::filesystem::create_directories(directory.path("empty/raw"));
  EXPECT_THROW(import({directory.path("empty")}), Error);
}

// However it is packed, it becomes the same trace.
TEST(Drmemtrace, EveryPackingGivesTheSameTrace) {
  const TemporaryDirectory directory;
  File file = File::of(7, 7);
  file.time(1);
  for (unsigned i = 0; i < 20'000; ++i)
    file.instr(0x1000 + i % 50 * 3, 3).read(0x10000 + uint64_t{i} * 64, 8);
  file.exit(7).footer();
  const std::string& text = file.text;
  const size_t cut = text.size() / 24 * 12;
  const std::vector<std::string> packed = {
      text,
      packers::zstd(text),
      packers::xz(text),
      packers::gzip(text),
      packers::lz4(text),
      packers::snappy(text),
      packers::zip({{"chunk.0000", text.substr(0, cut)}, {"chunk.0001", text.substr(cut)}})};
  std::set<std::string> hashes;
  for (const std::string& content : packed) {
    const std::string path = directory.write("drmemtrace.app.7.1.trace", content);
    const Importer* recogniser = nullptr;
    for (const Importer& importer : importers()) {
      if (!importer.recognises(path)) continue;
      EXPECT_EQ(recogniser, nullptr);
      recogniser = &importer;
    }
    ASSERT_NE(recogniser, nullptr);
    EXPECT_STREQ(recogniser->name, "drmemtrace");
    const std::string output = directory.path("o.mmt");
    const ImportResult result = import_with("drmemtrace", {path}, output);
    EXPECT_EQ(result.totals.instructions, 20'000u);
    EXPECT_EQ(result.totals.loads, 20'000u);
    EXPECT_EQ(result.input_records, file.records);
    const Reader reader(output);
    EXPECT_EQ(reader.header().isa, "x86_64");
    hashes.insert(reader.content_hash());
  }
  EXPECT_EQ(hashes.size(), 1u);
}

TEST(Drmemtrace, TheIsaMustFitTheRecords) {
  const TemporaryDirectory directory;
  const std::string path =
      directory.write("t", File::of(7, 7, 0).time(1).instr(1, 4).exit(7).footer().text);
  const std::string output = directory.path("o.mmt");
  EXPECT_THROW(import_with("drmemtrace", {path}, output, {{"drmemtrace.isa", "arm"}}), UsageError);
  EXPECT_FALSE(std::filesystem::exists(output));
  const ImportResult assumed = import_with("drmemtrace", {path}, output);
  ASSERT_EQ(assumed.warnings.size(), 1u);
  EXPECT_THAT(assumed.warnings[0], HasSubstr("x86_64 was assumed"));
  import_with("drmemtrace", {path}, output, {{"drmemtrace.isa", "aarch64"}});
  EXPECT_EQ(Reader(output).header().isa, "aarch64");
}

}  // namespace drmemtrace_import_test
}  // namespace mmusim::trace
