// ChampSim's traces in and out, by records made here byte by byte.
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_formats.h"
#include "trace/exporter.h"

namespace mmusim::trace {
namespace champsim_test {

using ::testing::HasSubstr;

struct Instruction {
  uint64_t ip = 0;
  bool branch = false;
  bool taken = false;
  std::vector<uint64_t> stores = {};
  std::vector<uint64_t> loads = {};
  unsigned space = 0;
};

void put(std::string& out, size_t at, uint64_t value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

std::string record(const Instruction& i) {
  std::string out(64, '\0');
  put(out, 0, i.ip);
  out[8] = i.branch ? 1 : 0;
  out[9] = i.taken ? 1 : 0;
  for (size_t k = 10; k < 16; ++k)
    out[k] = static_cast<char>(40 + k);  // registers
  for (size_t k = 0; k < i.stores.size(); ++k)
    put(out, 16 + 8 * k, i.stores[k]);
  for (size_t k = 0; k < i.loads.size(); ++k)
    put(out, 32 + 8 * k, i.loads[k]);
  return out;
}

std::string cloudsuite_record(const Instruction& i) {
  std::string out(96, '\0');
  put(out, 0, i.ip);
  for (size_t k = 0; k < i.stores.size(); ++k)
    put(out, 24 + 8 * k, i.stores[k]);
  for (size_t k = 0; k < i.loads.size(); ++k)
    put(out, 56 + 8 * k, i.loads[k]);
  out[88] = static_cast<char>(i.space & 0xff);
  out[89] = static_cast<char>(i.space >> 8);
  return out;
}

const std::string kExec = "1/1 exec   program=\"in\" brk=0x0 stack_top=0x0 arguments=[] image=[]\n";

TEST(Champsim, LengthsComeFromTheNextInstruction) {
  const SmallImport got = import_small(
      "champsim",
      record({.ip = 0x1000, .loads = {0x8000, 0, 0x9000}}) +       // 3, by the next
          record({.ip = 0x1003, .branch = true}) +                 // 2, not taken
          record({.ip = 0x1005, .branch = true, .taken = true}) +  // to 0x1003: not known
          record({.ip = 0x1003, .branch = true, .taken = true}) +  // 2, known; 12 ahead
          record({.ip = 0x100f, .stores = {0x8039, 0x803c}}) +     // the next is 16 ahead
          record({.ip = 0x101f}));
  EXPECT_EQ(got.records, kExec +
                             "1/1 fetch 1000,3\n1/1 load 8000,8\n1/1 load 9000,8\n"
                             "1/1 fetch 1003,2\n1/1 fetch 1005,4\n1/1 fetch 1003,2\n"
                             "1/1 fetch 100f,4\n1/1 store 8039,7\n1/1 store 803c,4\n"
                             "1/1 fetch 101f,4\n");
  EXPECT_EQ(got.remarked("data accesses, whose sizes"), 4u);
  EXPECT_EQ(got.remarked("of them shorter"), 2u);
  EXPECT_EQ(got.remarked("instructions whose lengths"), 3u);
  EXPECT_EQ(got.result.input_records, 6u);
  EXPECT_EQ(got.result.input_bytes, 6u * 64);
  EXPECT_EQ(got.header.isa, "x86_64");
}

TEST(Champsim, KeysSayWhatIsAssumed) {
  const SmallImport got = import_small("champsim", record({.ip = 0x1000, .loads = {0x8000}}),
                                       {{"champsim.isa", "riscv64"},
                                        {"champsim.access_bytes", "16"},
                                        {"champsim.instruction_bytes", "2"}});
  EXPECT_EQ(got.records, kExec + "1/1 fetch 1000,2\n1/1 load 8000,16\n");
  EXPECT_EQ(got.header.isa, "riscv64");
}

TEST(Champsim, CloudsuitesSpacesAreProcesses) {
  const SmallImport got = import_small(
      "champsim",
      cloudsuite_record({.ip = 0x1000, .stores = {1 << 12, 2 << 12, 3 << 12, 4 << 12}}) +
          cloudsuite_record({.ip = 0x1004, .loads = {5 << 12}, .space = 0x102}) +
          cloudsuite_record({.ip = 0x1005}),
      {{"champsim.record", "cloudsuite"}});
  EXPECT_EQ(got.records, kExec +
                             "1/1 fetch 1000,4\n1/1 store 1000,8\n1/1 store 2000,8\n"
                             "1/1 store 3000,8\n1/1 store 4000,8\n"
                             "259/259 exec   program=\"in\" brk=0x0 stack_top=0x0 arguments=[] "
                             "image=[]\n259/259 fetch 1004,1\n259/259 load 5000,8\n"
                             "1/1 fetch 1005,4\n");
}

// More records than are read at a time, across every border.
TEST(Champsim, ReadsLongFiles) {
  std::string content;
  constexpr uint64_t kRecords = 3 * 4096 + 5;
  for (uint64_t i = 0; i < kRecords; ++i)
    content += record({.ip = 0x100000 + 4 * i, .loads = {0x900000 + 64 * i}});
  const SmallImport got = import_small("champsim", content);
  EXPECT_EQ(got.result.totals.instructions, kRecords);
  EXPECT_EQ(got.result.totals.loads, kRecords);
  EXPECT_EQ(got.remarked("instructions whose lengths"), 1u);
  for (const size_t records : {1u, 4095u, 4096u, 4097u, 8191u}) {
    EXPECT_EQ(import_small("champsim", content.substr(0, records * 64)).result.totals.loads,
              records);
  }
}

TEST(Champsim, RefusesWithTheRecord) {
  const std::string good = record({.ip = 0x1000}) + record({.ip = 0x1004});
  EXPECT_THAT(small_error("champsim", good + std::string(63, '\0')),
              HasSubstr("in: record 2 (byte 128): the file ends in the middle of a record"));
  std::string bad = good;
  bad[64 + 9] = 2;
  EXPECT_THAT(small_error("champsim", bad), HasSubstr("in: record 1 (byte 64): not a record"));
  EXPECT_THAT(small_error("champsim", record({.ip = UINT64_MAX - 1})),
              HasSubstr("in: record 0 (byte 0): an instruction that wraps"));
  EXPECT_THAT(small_error("champsim", ""), HasSubstr("in: holds no records"));
  EXPECT_THAT(small_error("champsim", good + std::string(64, '\0')),
              HasSubstr("in: record 2 (byte 128): not a record: its instruction is at address 0"));
  ImportOptions lenient;
  lenient.strict = false;
  const SmallImport got = import_small("champsim", bad + "torn", {}, lenient);
  EXPECT_EQ(got.result.totals.instructions, 1u);
  EXPECT_EQ(got.result.skipped_records, 2u);
}

TEST(Champsim, IsToldByItsContent) {
  std::string content;
  for (uint64_t i = 0; i < 300; ++i)
    content += record({.ip = 0x401000 + 5 * i, .loads = {0x7ffe00001000 + 8 * i}});
  EXPECT_EQ(recognised_as(content), "champsim ");
  EXPECT_EQ(recognised_as(content.substr(0, 64)), "champsim ");
  EXPECT_EQ(recognised_as(content.substr(0, 65)), "");
  content[9] = 1;  // taken, and no branch
  EXPECT_EQ(recognised_as(content), "");
  EXPECT_EQ(recognised_as(std::string(6400, '\0')), "");
  EXPECT_EQ(recognised_as(std::string(6400, 'a')), "");
  std::string jumps;  // nowhere does an instruction follow another
  for (uint64_t i = 0; i < 300; ++i)
    jumps += record({.ip = 0x401000 + 0x100 * i});
  EXPECT_EQ(recognised_as(jumps), "");
}

std::string exported(const std::string& path, const Settings& settings, ExportResult* result) {
  const testing::TemporaryFile out("x.champsim");
  *result = export_with("champsim", path, out.path(), settings);
  return testing::file_content(out.path());
}

TEST(Champsim, IsWrittenByteByByte) {
  const testing::TemporaryFile file;
  Writer writer(file.path(), testing::test_header());
  writer.thread({Pid(7), Tid(7)});
  writer.event(ExecEvent{"a", {}, {}, VirtAddr(0), VirtAddr(0)});
  writer.instruction(VirtAddr(0x1000), 4);
  writer.access(AccessKind::Load, VirtAddr(0x8000), 8);
  writer.access(AccessKind::Modify, VirtAddr(0x9000), 4);
  writer.instruction(VirtAddr(0x1004), 4);
  for (uint64_t i = 1; i <= 6; ++i)
    writer.access(AccessKind::Load, VirtAddr(i << 12), 8);
  writer.access(AccessKind::Store, VirtAddr(0), 8);
  writer.thread({Pid(8), Tid(8)});
  writer.instruction(VirtAddr(0x5000), 4);
  writer.thread({Pid(7), Tid(7)});
  writer.instruction(VirtAddr(0x2000), 4);
  writer.instruction(VirtAddr(0x3000), 4);
  writer.finish();
  std::string expected =
      record({.ip = 0x1000, .stores = {0x9000}, .loads = {0x8000, 0x9000}}) +
      record({.ip = 0x1004, .loads = {0x1000, 0x2000, 0x3000, 0x4000}}) +
      record({.ip = 0x1004, .branch = true, .taken = true, .loads = {0x5000, 0x6000}}) +
      record({.ip = 0x2000, .branch = true, .taken = true}) + record({.ip = 0x3000});
  for (size_t at = 0; at < expected.size(); at += 64)  // no registers, but for the jump's
    std::memset(expected.data() + at + 10, 0, 6);
  for (const size_t jump : {size_t{2}, size_t{3}}) {
    expected[jump * 64 + 10] = 26;
    expected[jump * 64 + 12] = 26;
  }
  ExportResult result;
  const std::string got = exported(file.path(), {}, &result);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t at = 0; at < expected.size(); at += 64)
    EXPECT_EQ(got.substr(at, 64), expected.substr(at, 64)) << at / 64;
  EXPECT_EQ(result.output_records, 5u);
  EXPECT_EQ(exported(file.path(), {{"champsim.pid", "8"}}, &result).size(), 64u);
  EXPECT_THROW(exported(file.path(), {{"champsim.pid", "9"}}, &result), Error);
}

// In, out and in again: the same but for what the format does not tell.
TEST(Champsim, ComesBack) {
  std::string content;
  for (uint64_t i = 0; i < 6000; ++i)
    content += record({.ip = 0x401000 + 4 * (i % 700),
                       .branch = i % 700 == 699,
                       .taken = i % 700 == 699,
                       .stores = {0x10000 + 8 * i},
                       .loads = {0x7f0000 + 16 * i, 0x20000}});
  const testing::TemporaryFile file("in");
  testing::write_file(file.path(), content);
  const std::string output = file.directory() + "/out.mmt";
  import_with("champsim", {file.path()}, output);
  ExportResult result;
  std::string got = exported(output, {}, &result);
  ASSERT_EQ(got.size(), content.size());
  for (size_t at = 0; at < content.size(); at += 64) {
    std::memset(content.data() + at + 10, 0, 6);
    std::memset(got.data() + at + 10, 0, 6);
  }
  EXPECT_TRUE(got == content);
}

}  // namespace champsim_test
}  // namespace mmusim::trace
