// Plain text: what the exporter writes comes back, and what hands write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../trace/history.h"
#include "base/error.h"
#include "import_with.h"
#include "trace/exporter.h"
#include "trace/reader.h"

namespace mmusim::trace {
namespace text_import_test {

using ::testing::HasSubstr;
using testing::History;
using testing::TemporaryFile;

// The records of a trace made of `text`.
History import(const std::string& text, ImportResult* result = nullptr,
               const ImportOptions& options = {}) {
  const TemporaryFile file("x.txt");
  testing::write_file(file.path(), text);
  const std::string output = file.directory() + "/x.mmt";
  const ImportResult got = import_with("text", {file.path()}, output, {}, options);
  if (result != nullptr) *result = got;
  return testing::read_history(output);
}

std::string error_of(const std::string& text) {
  try {
    import(text);
  } catch (const Error& error) {
    const std::string what = error.what();
    return what.substr(what.find("x.txt"));
  }
  return "no error";
}

std::string dump_of(const History& history) {
  std::string out;
  for (const testing::Happening& h : history) {
    out += fmt::format("{}/{} ", h.thread.pid.value(), h.thread.tid.value());
    out += h.is_event ? fmt::format("{}\n", name_of(h.event))
                      : fmt::format("{} {:x},{}\n", name_of(h.kind), h.address, h.bytes);
  }
  return out;
}

TEST(TextImport, WhatWasExportedComesBack) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const TemporaryFile file;
    testing::HistoryShape shape;
    shape.seed = seed;
    shape.happenings = 15000;
    shape.events_per_mille = 20;
    shape.wild = seed % 2 == 0;
    testing::write_history(file.path(), testing::random_history(shape));
    const std::string text = file.directory() + "/x.txt";
    const std::string again = file.directory() + "/again.mmt";
    export_with("text", file.path(), text);
    const ImportResult result = import_with("text", {text}, again);
    EXPECT_EQ(testing::difference(testing::read_history(file.path()), testing::read_history(again)),
              "");
    const Reader a(file.path());
    const Reader b(again);
    EXPECT_EQ(a.header(), b.header());
    EXPECT_EQ(a.content_hash(), b.content_hash());
    EXPECT_EQ(result.totals, *b.totals());
    for (const Remark& remark : result.remarks)
      EXPECT_EQ(remark.count, 0u) << remark.text;
  }
}

TEST(TextImport, ReadsWhatHandsWrite) {
  ImportResult result;
  const History got = import(
      "# mine\n\ntrace isa=ppc64 endian=big page=65536\n"
      "7 7 exec program=\"mine\"\n"
      "7\t7  f 0x401000 4  \r\n"
      "  7 7 r 0x1000 0x10\n"
      "7 7 w 0xffffffffffffffff 1 # the last byte\n"
      "7 8 m 0x2000 8\n"
      "7 7 r 0x1008 5000\n"
      "7 7 exit status=256",
      &result);
  EXPECT_EQ(dump_of(got),
            "7/7 exec\n"
            "7/7 fetch 401000,4\n7/7 load 1000,16\n7/7 store ffffffffffffffff,1\n"
            "7/8 fetch 400000,4\n7/8 modify 2000,8\n"
            "7/7 fetch 401000,4\n7/7 load 1008,4096\n7/7 load 2008,904\n"
            "7/7 exit\n");
  ASSERT_EQ(result.remarks.size(), 3u);
  for (const Remark& remark : result.remarks)
    EXPECT_EQ(remark.count, 1u) << remark.text;
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0], HasSubstr("x.txt:10: the last line has no end"));
  EXPECT_EQ(result.input_records, 10u);
}

TEST(TextImport, RefusesWithTheLine) {
  EXPECT_THAT(error_of("1 1 f 0x1000 4\n1 1 r 1000 8\n"),
              HasSubstr("x.txt:2: '1000' is no address"));
  EXPECT_THAT(error_of("1 1 f 0x1000\n"), HasSubstr("x.txt:1: '' is no number of bytes"));
  EXPECT_THAT(error_of("1 1 f 0x1000 33\n"), HasSubstr("x.txt:1: an instruction has 1 to 32"));
  EXPECT_THAT(error_of("1 1 r 0x1000 0\n"), HasSubstr("x.txt:1: an access of 0 bytes"));
  EXPECT_THAT(error_of("1 1 r 0x1000 16777217\n"), HasSubstr("x.txt:1: an access of more than"));
  EXPECT_THAT(error_of("1 1 f 0xffffffffffffffff 2\n"), HasSubstr("x.txt:1: it wraps"));
  EXPECT_THAT(error_of("1 1 w 0xffffffffffffffff 2\n"), HasSubstr("x.txt:1: it wraps"));
  EXPECT_THAT(error_of("1 1 w 0x10000000000000000 2\n"), HasSubstr("x.txt:1: "));
  EXPECT_THAT(error_of("1 1 w 0x1000 2 3\n"), HasSubstr("x.txt:1: '3' is too much"));
  EXPECT_THAT(error_of("1 1 x 0x1000 2\n"), HasSubstr("x.txt:1: 'x' is no kind of record"));
  EXPECT_THAT(error_of("1 4294967296 r 0x1000 2\n"), HasSubstr("x.txt:1: a line begins with"));
  EXPECT_THAT(error_of("-1 1 r 0x1000 2\n"), HasSubstr("x.txt:1: a line begins with"));
  EXPECT_THAT(error_of("1 1 munmap start=0x1\n"), HasSubstr("x.txt:1: length= is missing"));
  EXPECT_THAT(error_of("1 1 exit\ntrace isa=i386\n"), HasSubstr("x.txt:2: a line 'trace' comes"));
  EXPECT_THAT(error_of("trace page=5000\n"), HasSubstr("x.txt:1: page=5000: not a power of two"));
  EXPECT_THAT(error_of("trace page=0\n"), HasSubstr("x.txt:1: page=0"));
  ImportOptions lenient;
  lenient.strict = false;
  ImportResult result;
  EXPECT_EQ(dump_of(import("1 1 f 0x1000 4\nnonsense\n1 1 f 0x1004 4\n", &result, lenient)),
            "1/1 fetch 1000,4\n1/1 fetch 1004,4\n");
  EXPECT_EQ(result.skipped_records, 1u);
}

}  // namespace text_import_test
}  // namespace mmusim::trace
